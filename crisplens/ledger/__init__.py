"""The append-only log: every change is an event in it, and every table can be replayed from it."""
