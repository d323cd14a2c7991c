"""The HTTP door: rows are pushed to monitors over it. What it does is done by the same functions as elsewhere."""
