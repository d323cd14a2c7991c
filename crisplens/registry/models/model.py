"""Parts of an evaluation: results for a slice of the data, and for a class."""

from __future__ import annotations

import msgspec


class Part(msgspec.Struct, frozen=True):
    """Metrics on a part of the evaluated data: a slice such as `plan=free`, or a class."""

    name: str
    metrics: dict[str, float]
