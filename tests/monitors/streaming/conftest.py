"""A model with a reference, and monitors that rows are pushed to."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from crisplens.api import Registry
from tests.conftest import Files

PLANS = ("basic", "plus", "team")
Row = dict[str, Any]


def make_rows(count: int, *, seed: int = 1, shift: float = 0.0) -> list[Row]:
    """Customers: numbers, a text and a boolean."""
    source = random.Random(seed)
    return [
        {
            "tenure": round(source.gauss(24 + shift, 8), 3),
            "logins": source.randrange(40),
            "plan": source.choice(PLANS),
            "active": source.random() < 0.7,
        }
        for _ in range(count)
    ]


def at_times(rows: list[Row], first: datetime, *, minutes: float = 1) -> list[Row]:
    """The same rows, one every so many minutes."""
    return [
        {"at": (first + timedelta(minutes=minutes * number)).isoformat(), **row}
        for number, row in enumerate(rows)
    ]


def to_csv(rows: list[Row]) -> str:
    """Rows as CSV; None is empty, and booleans are written in lower case."""

    def cell(value: Any) -> str:
        if value is None:
            return ""
        return str(value).lower() if isinstance(value, bool) else str(value)

    return "\n".join([",".join(rows[0]), *(",".join(map(cell, row.values())) for row in rows), ""])


@pytest.fixture
def served(registry: Registry, files: Files) -> Registry:
    """A registry with a model, and its training data in `train.csv`."""
    registry.model.register("churn-gbm", files.text("weights"))
    files.text(to_csv(make_rows(2000, seed=7)), "train.csv")
    return registry


@pytest.fixture
def watch(served: Registry, files: Files) -> Callable[..., None]:
    """Adds the monitor `live`, which rows are pushed to."""

    def add(**options: Any) -> None:
        given = {"model": "churn-gbm", "reference": files.folder / "train.csv", "current": "push:"}
        served.monitor.add("live", **{**given, **options})

    return add
