"""Where data is found: files, object stores, databases, frames. Each becomes local files that engines read."""
