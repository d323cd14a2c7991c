"""Whether an approval still stands."""

from __future__ import annotations

import pytest

from crisplens.lifecycle.model import changes_since


@pytest.mark.parametrize(
    ("approved", "now", "changes"),
    [
        ({}, {}, []),
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1, "b": 2}, {"a": 1}, []),
        ({"a": 1}, {"a": 2}, ["a has changed since"]),
        ({"a": 1}, {"a": 1, "b": 2}, ["b was recorded since"]),
    ],
)
def test_an_approval_stands_on_what_it_rested_on(
    approved: dict[str, int], now: dict[str, int], changes: list[str]
) -> None:
    assert changes_since(approved, now) == changes
