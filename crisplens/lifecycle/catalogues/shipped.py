"""The catalogues that the package ships."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from crisplens.core.decoding import decode_json
from crisplens.lifecycle.catalogues.model import Catalogue

# In the order in which they are listed.
SHIPPED = (
    "crisplens",
    "crisp-dm",
    "aws-ml-lens",
    "eu-ai-act",
    "nist-ai-rmf",
    "iso-42001",
    "sr-26-2",
    "sr-11-7",
)


@cache
def shipped_catalogue(name: str) -> Catalogue:
    """One of the catalogues in `SHIPPED`."""
    data = files("crisplens.lifecycle.catalogues").joinpath(f"data/{name}.json").read_bytes()
    return decode_json(data, Catalogue)
