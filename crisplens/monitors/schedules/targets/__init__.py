"""Files for the schedulers that people run: one module per target."""
