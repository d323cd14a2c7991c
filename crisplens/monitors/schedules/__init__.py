"""When monitors check: schedules, time windows, and files for the schedulers that people run."""
