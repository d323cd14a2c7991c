"""Lineage in the terms of W3C PROV: what was derived from what, by which run."""
