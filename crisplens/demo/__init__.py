"""The demonstration: one project's whole story on real data, told through the Python API."""
