"""Whether a window's data can be relied on: constraints suggested from a reference, and what breaks them."""
