"""Days: written one way only."""

from __future__ import annotations

from datetime import datetime

import pytest

from crisplens.core.dates import check_date, day_after, day_of
from crisplens.core.errors import InputError


@pytest.mark.parametrize("text", ["2026-03-01", "2024-02-29", "0001-01-01", "9999-12-31"])
def test_a_day_stays_as_it_is_written(text: str) -> None:
    assert check_date("the day", text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 2026-03-01",
        "2026-3-1",
        "20260301",
        "2026-W09-7",
        "2026-02-30",
        "2025-02-29",
        "2026-03-01T12:00",
        "01.03.2026",
        "yesterday",
        "2026-03-01\n",
        "\u0662026-03-01",
        "10000-01-01",
        "x" * 500,
    ],
)
def test_what_is_no_day_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="the first day") as caught:
        check_date("the first day", text)
    assert caught.value.slug == "bad-time"
    assert "2026-03-01" in caught.value.hint
    assert len(caught.value.message) < 200


def test_days_are_those_of_utc() -> None:
    assert day_of(datetime.fromisoformat("2026-03-01T00:30:00+01:00")) == "2026-02-28"
    assert day_of(datetime.fromisoformat("2026-02-28T23:30:00-01:00")) == "2026-03-01"


def test_the_next_day_may_be_in_the_next_year() -> None:
    assert day_after("2025-12-31") == "2026-01-01"
    assert day_after("2024-02-28") == "2024-02-29"
