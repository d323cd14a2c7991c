"""Data sources, datasets and their versions."""
