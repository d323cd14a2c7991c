"""Whether an approval still stands."""

from __future__ import annotations

import pytest

from crisplens.lifecycle.model import changed_since


@pytest.mark.parametrize(
    ("approved", "now", "changes"),
    [
        ({}, {}, {}),
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"a": 1}, {}),
        ({"a": 1}, {"a": 2}, {"a": True}),
        ({"a": 1}, {"a": 1, "b": 2}, {"b": False}),
    ],
)
def test_an_approval_stands_on_what_it_rested_on(
    approved: dict[str, int], now: dict[str, int], changes: dict[str, bool]
) -> None:
    assert changed_since(approved, now) == changes
