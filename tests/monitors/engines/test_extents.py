"""Where a window's rows begin and end in time, how many there are, and how many repeat another."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from crisplens.core.errors import InputError
from crisplens.monitors.engines import extents
from crisplens.monitors.engines.interface import Rows, RowSlice, TimeSlice
from crisplens.registry.data.tabular import Table, open_table

DAYS = [f"2031-03-0{1 + at // 24}T{at % 24:02}:00:00,{at % 7}" for at in range(72)]


@pytest.fixture
def table(tmp_path: Path) -> Table:
    """Three days of rows, one an hour."""
    file = tmp_path / "rows.csv"
    file.write_text("\n".join(["at,a", *DAYS, ""]), encoding="utf-8")
    return open_table(str(file))


def test_times_without_a_zone_are_those_of_the_zone(table: Table) -> None:
    assert extents.first_time(table, "at", "UTC") == datetime(2031, 3, 1, tzinfo=UTC)
    assert extents.first_time(table, "at", "America/New_York") == datetime(2031, 3, 1, 5, tzinfo=UTC)
    assert extents.newest_time(Rows(table), "at") == datetime(2031, 3, 3, 23, tzinfo=UTC)
    day = TimeSlice("at", datetime(2031, 3, 2, tzinfo=UTC), datetime(2031, 3, 3, tzinfo=UTC), "UTC")
    assert extents.newest_time(Rows(table, day), "at") == datetime(2031, 3, 2, 23, tzinfo=UTC)


def test_rows_and_repeated_rows_are_counted_in_the_window_alone(table: Table) -> None:
    assert extents.count_rows(table) == 72
    assert extents.count_duplicates(Rows(table)) == 0
    assert extents.count_duplicates(Rows(table), ["a"]) == 65
    assert extents.count_duplicates(Rows(table, RowSlice(7, 14)), ["a"]) == 0
    assert extents.count_duplicates(Rows(table, RowSlice(7, 16)), ["a"]) == 2


def test_a_late_value_of_another_type_keeps_nothing_from_being_told(tmp_path: Path) -> None:
    file = tmp_path / "late.csv"
    rows = [*(f"2031-03-01T00:00:00,{at}" for at in range(60_000)), "2031-03-02T00:00:00,odd"]
    file.write_text("\n".join(["at,a", *rows, ""]), encoding="utf-8")
    late = open_table(str(file))
    assert extents.newest_time(Rows(late), "at") == datetime(2031, 3, 2, tzinfo=UTC)
    assert extents.count_duplicates(Rows(late), ["a"]) == 0


def test_a_column_without_times_is_refused(table: Table) -> None:
    with pytest.raises(InputError, match="not times"):
        extents.first_time(table, "a", "UTC")
    with pytest.raises(InputError, match="att"):
        extents.newest_time(Rows(table), "att")


def test_rows_are_not_counted_without_a_file(table: Table) -> None:
    table.files[0].with_name("more.csv").write_bytes(b"")
    part = open_table(str(table.files[0].with_name("*.csv")), partial=True)
    with pytest.raises(InputError, match=r"cannot be counted: more\.csv is empty"):
        extents.count_rows(part)
    assert extents.first_time(part, "at", "UTC") == datetime(2031, 3, 1, tzinfo=UTC)


def test_a_file_that_cannot_be_read_hides_no_other_s_times(table: Table) -> None:
    table.files[0].with_name("more.csv").write_text("at,a\n1\n", encoding="utf-8")
    both = open_table(str(table.files[0].with_name("*.csv")))
    assert extents.first_time(both, "at", "UTC") == datetime(2031, 3, 1, tzinfo=UTC)


def test_no_rows_have_no_first_time_and_rows_without_any_are_minded(table: Table) -> None:
    table.files[0].write_text("at,a\n", encoding="utf-8")
    assert extents.first_time(open_table(str(table.files[0])), "at", "UTC") is None
    table.files[0].write_text("at,a\n,1\n,2\n", encoding="utf-8")
    with pytest.raises(InputError, match="no row of 2 has a time"):
        extents.first_time(open_table(str(table.files[0])), "at", "UTC")
