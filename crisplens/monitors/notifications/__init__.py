"""Notifications: what monitors found reaches people and systems, at least once."""
