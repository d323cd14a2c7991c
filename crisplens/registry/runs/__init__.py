"""Runs: the activities that made datasets and models. `registry.lineage` records them."""
