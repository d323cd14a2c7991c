"""What changed in production: monitors, checks, verdicts, incidents and retraining triggers."""
