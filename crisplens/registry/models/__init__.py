"""Models, their versions, and evaluations of versions."""
