"""Policies: what must be true of a project, phase by phase, as data that is checked, versioned and adopted."""
