"""Streaming: rows that are pushed to a monitor, counted in its open windows, and the checks of windows that close."""
