"""Bundles: a part of the record in one file that anyone can check without crisplens."""
