"""Evidence: files kept by their content's SHA-256."""
