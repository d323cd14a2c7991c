"""What changed in the record between two points of the log, in words."""
