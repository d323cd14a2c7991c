"""Kinds of deployment, variants and the environments that a gate protects."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from crisplens.core.errors import InputError
from crisplens.registry.model import VersionRef

PRODUCTION_NAMES = frozenset({"production", "prod", "live"})


class DeploymentKind(StrEnum):
    """How predictions are asked for."""

    BATCH = "batch"
    REAL_TIME = "real-time"


class Variant(msgspec.Struct, frozen=True):
    """A model version in a deployment and its share of the traffic, a decimal in percent."""

    name: str
    model: VersionRef
    traffic: str


def is_production(environment: str) -> bool:
    """Whether deploying to this environment must pass the gate."""
    return environment.casefold() in PRODUCTION_NAMES


def check_traffic(variants: tuple[Variant, ...]) -> None:
    """Raise `InputError` unless the variants' names differ and their shares make 100 percent."""
    if len({variant.name for variant in variants}) < len(variants):
        raise InputError("two variants have the same name", slug="bad-variants", hint="Name them apart.")
    shares = [Decimal(variant.traffic) for variant in variants]
    if min(shares) <= 0 or sum(shares) != 100:
        raise InputError(
            f"the variants' shares of the traffic are {', '.join(map(str, shares))} percent, together {sum(shares)}",
            slug="bad-variants",
            hint="Give each more than 0, and less than 100 together: the main version serves the rest.",
        )
