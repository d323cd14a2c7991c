"""Roles: who may do what in a project, and who decides for whom."""
