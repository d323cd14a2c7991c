"""The policies that the package ships, one for each risk tier. A version never changes once it was released."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from crisplens.core.decoding import decode_json
from crisplens.core.names import unknown_name
from crisplens.lifecycle.policies.model import Policy
from crisplens.registry.projects.model import RiskTier

BY_TIER = {RiskTier.LOW: "light@1", RiskTier.MEDIUM: "standard@1", RiskTier.HIGH: "high-risk@1"}


@cache
def shipped_names() -> tuple[str, ...]:
    """Every shipped policy as `name@version`."""
    found = (path.name for path in files("crisplens.lifecycle.policies").joinpath("data").iterdir())
    names = (name.removesuffix(".json").rpartition("-") for name in found if name.endswith(".json"))
    return tuple(sorted(f"{name}@{version}" for name, _, version in names))


@cache
def shipped_policy(reference: str) -> Policy:
    """A shipped policy by `name@version`, or its newest version by its name. Raises `InputError` with the nearest."""
    known = shipped_names()
    if "@" not in reference:
        versions = [name for name in known if name.rpartition("@")[0] == reference]
        reference = max(versions, key=lambda name: int(name.rpartition("@")[2]), default=reference)
    if reference not in known:
        raise unknown_name("shipped policy", reference, known)
    path = f"data/{reference.replace('@', '-')}.json"
    return decode_json(files("crisplens.lifecycle.policies").joinpath(path).read_bytes(), Policy)
