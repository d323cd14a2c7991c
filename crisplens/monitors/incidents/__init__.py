"""Incidents and retraining triggers: what monitors found, who answers, and what closed it."""
