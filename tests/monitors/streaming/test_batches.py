"""Batches of every kind are the same rows, and what would hide drift is refused with the column's name."""

from __future__ import annotations

import decimal
import gzip
import io
import json
import struct
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crisplens.core.errors import InputError
from crisplens.monitors.engines import duckdb_engine
from crisplens.monitors.model import Profile
from crisplens.monitors.streaming import refusals
from crisplens.monitors.streaming.batches import Wanted, profile_part
from crisplens.monitors.streaming.formats import parse_rows
from crisplens.monitors.streaming.reading import format_of_batch, read_bounded
from crisplens.monitors.streaming.rows import read_rows
from crisplens.registry.data.tabular import open_table
from tests.monitors.streaming.conftest import Row, at_times, make_rows, to_csv


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Wanted:
    file = tmp_path_factory.mktemp("reference") / "train.csv"
    file.write_text(to_csv(make_rows(2000, seed=7)))
    reference = duckdb_engine.profile_reference(open_table(str(file)))
    return Wanted(reference=reference, columns=tuple(column.name for column in reference.columns))


def timed(wanted: Wanted, zone: str = "UTC") -> Wanted:
    return Wanted(wanted.reference, wanted.columns, time_column="at", needs_times=True, zone=zone)


def profile(rows: Any, wanted: Wanted, format: str = "") -> Profile:
    batch = parse_rows(rows, format, wanted) if format else read_rows(rows, wanted)
    return profile_part(batch, wanted, slice(0, batch.rows))


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def arrow(table: pa.Table, writer: Callable[..., Any]) -> bytes:
    sink = io.BytesIO()
    with writer(sink, table.schema) as out:
        out.write_table(table)
    return sink.getvalue()


def with_gaps() -> list[Row]:
    rows = make_rows(200, seed=3)
    for number, row in enumerate(rows):
        row[("tenure", "logins", "plan", "active")[number % 4]] = None
    return rows


def test_the_same_rows_have_the_same_profile_in_every_form(wanted: Wanted) -> None:
    rows = with_gaps()
    table = pa.Table.from_pylist(rows)
    expected = profile(rows, wanted)
    lines = "\n".join(map(json.dumps, rows)).encode()
    assert expected.rows == 200
    assert profile(table, wanted) == expected
    assert profile(table.combine_chunks().to_batches()[0], wanted) == expected
    assert profile(table.to_reader(max_chunksize=7), wanted) == expected
    assert profile(pd.DataFrame(rows).convert_dtypes(), wanted) == expected
    assert profile(lines, wanted, "jsonl") == expected
    assert profile(b"\n\n" + lines.replace(b"\n", b"\r\n\n") + b"\n", wanted, "jsonl") == expected
    assert profile(json.dumps(rows).encode(), wanted, "json") == expected
    assert profile(to_csv(rows).encode(), wanted, "csv") == expected
    assert profile(b"\xef\xbb\xbf" + to_csv(rows).replace(",", ";").encode(), wanted, "csv") == expected
    assert profile(parquet(table), wanted, "parquet") == expected
    assert profile(arrow(table, pa.ipc.new_stream), wanted, "arrow") == expected
    assert profile(arrow(table, pa.ipc.new_file), wanted, "arrow") == expected


def test_a_frame_of_pandas_with_its_own_index_and_nan_for_null_is_taken_in(wanted: Wanted) -> None:
    rows = make_rows(30)
    frame = pd.DataFrame(rows, index=pd.Index(range(100, 130), name="plans"))
    frame.loc[105, "tenure"] = np.nan
    rows[5]["tenure"] = None
    assert profile(frame, wanted) == profile(rows, wanted)


def test_numbers_of_any_kind_are_numbers(wanted: Wanted) -> None:
    row = make_rows(1)[0]
    kinds = [3, 3.0, np.int64(3), np.float32(3.0), decimal.Decimal(3), 2**80, -(2**63) - 1]
    for value in kinds:
        assert profile([{**row, "tenure": value}], wanted).columns[0].rows == 1
        assert profile([{**row, "logins": value}], wanted).columns[1].rows == 1
    mixed = "tenure,logins,plan,active\n1e3,2.5,plus,true\n-.5,36893488147419103232,basic,FALSE\n"
    assert [one.nulls for one in profile(mixed.encode(), wanted, "csv").columns] == [0] * 4


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda row: row.pop("plan"), ["the column plan"]),
        (lambda row: row.update(tennure=row.pop("tenure")), ["the column tenure", "tennure"]),
        (lambda row: row.update(tenure="many"), ["'tenure'", "numbers", "row 1"]),
        (lambda row: row.update(tenure=True), ["'tenure'", "numbers"]),
        (lambda row: row.update(plan=3), ["'plan'", "text", "row 1"]),
        (lambda row: row.update(plan=b"plus"), ["'plan'", "text"]),
        (lambda row: row.update(active=1), ["'active'", "booleans"]),
        (lambda row: row.update(logins=[1]), ["'logins'", "numbers"]),
    ],
)
def test_a_column_that_is_missing_or_of_another_type_is_named(
    wanted: Wanted, change: Callable[[Row], Any], said: list[str]
) -> None:
    rows = make_rows(5)
    for row in rows:
        change(row)
    for given in (rows, pa.Table.from_pylist(rows), pd.DataFrame(rows)):
        with pytest.raises(InputError) as caught:
            read_rows(given, wanted)
        words = f"{caught.value.message} {caught.value.hint}"
        assert caught.value.slug == "bad-batch"
        assert [one for one in said if one not in words and not one.startswith("row")] == []
    with pytest.raises(InputError) as caught:
        read_rows(rows, wanted)
    assert [one for one in said if one not in f"{caught.value.message} {caught.value.hint}"] == []


@pytest.mark.parametrize(
    ("content", "slug", "said"),
    [
        ("tenure,logins,plan,active\n1,2,a,true\nx-ray,2,a,true\n", "bad-batch", "'tenure' .*row 2"),
        ("tenure,logins,plan,active\n1,2,a,maybe\n", "bad-batch", "'active' .*booleans"),
        ("tenure,logins,plan,active\n1,2,a,true\n1,2\n", "ragged-csv", "row 2: 2 fields"),
        ("tenure,logins,plan\n1,2,a\n", "bad-batch", "the column active"),
        ("tenure,logins,plan,active,PLAN\n", "duplicate-columns", "same name"),
    ],
)
def test_what_is_wrong_in_a_csv_is_told_by_row_and_never_by_value(
    wanted: Wanted, content: str, slug: str, said: str
) -> None:
    with pytest.raises(InputError, match=said) as caught:
        parse_rows(content.encode(), "csv", wanted)
    assert caught.value.slug == slug
    assert "x-ray" not in f"{caught.value.message} {caught.value.hint}"
    assert "maybe" not in f"{caught.value.message} {caught.value.hint}"


def test_columns_that_are_not_watched_may_hold_anything(wanted: Wanted) -> None:
    rows = [
        {**row, "extra": number if number % 2 else {"deep": []}} for number, row in enumerate(make_rows(9))
    ]
    expected = profile(rows, wanted)
    assert expected.other_columns == ("extra",)
    assert profile(pd.DataFrame(rows), wanted) == expected


def test_no_rows_are_no_fault_and_no_bytes_are(wanted: Wanted) -> None:
    assert read_rows([], wanted).rows == 0
    assert parse_rows(b"[]", "json", wanted).rows == 0
    assert parse_rows(b"tenure,logins,plan,active\n", "csv", wanted).rows == 0
    with pytest.raises(InputError, match="0 bytes"):
        parse_rows(b" \n", "jsonl", wanted)


def test_more_rows_than_are_taken_in_at_once_are_refused(
    wanted: Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST_ROWS", 100)
    table = pa.Table.from_pylist(make_rows(101))
    for content, format in (
        (parquet(table), "parquet"),
        (arrow(table, pa.ipc.new_stream), "arrow"),
        (to_csv(make_rows(101)).encode(), "csv"),
    ):
        with pytest.raises(InputError, match="101 rows; at most 100"):
            parse_rows(content, format, wanted)
    assert parse_rows(parquet(table.slice(1)), "parquet", wanted).rows == 100


NOON = datetime(2031, 7, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "times",
    [
        pa.array([NOON], pa.timestamp("s", "UTC")),
        pa.array([NOON], pa.timestamp("ns", "America/New_York")),
        pa.array([NOON.replace(tzinfo=None) + timedelta(hours=2)], pa.timestamp("ms")),
        pa.array(["2031-07-01T14:00:00"]),
        pa.array(["2031-07-01 12:00:00Z"]).dictionary_encode(),
        pa.array(["2031-07-01T05:00:00-07:00"], pa.large_string()),
    ],
)
def test_times_are_read_in_any_form_and_those_without_a_zone_are_of_the_windows(
    wanted: Wanted, times: pa.Array
) -> None:
    table = pa.Table.from_pylist(make_rows(1)).append_column("at", times)
    assert read_rows(table, timed(wanted, "Europe/Berlin")).extent() == (NOON, NOON)


def test_times_in_dicts_may_be_datetimes_dates_and_text(wanted: Wanted) -> None:
    given = [NOON, date(2031, 7, 1), "2031-07-01T12:00:00+00:00", None, "noon"]
    rows = [{**row, "at": at} for row, at in zip(make_rows(5), given, strict=True)]
    batch = read_rows(rows, timed(wanted))
    assert batch.timed is not None
    assert batch.timed.tolist() == [True, True, True, False, False]
    assert batch.extent() == (NOON - timedelta(hours=12), NOON)


def test_a_local_time_that_came_twice_is_the_later_and_a_skipped_one_is_before_the_gap(
    wanted: Wanted,
) -> None:
    twice, skipped = datetime(2031, 10, 26, 2, 30), datetime(2031, 3, 30, 2, 30)
    stamps = pa.array([twice, skipped], pa.timestamp("us"))
    texts = pa.array([twice.isoformat(), skipped.isoformat()])
    for times in (stamps, texts):
        table = pa.Table.from_pylist(make_rows(2)).append_column("at", times)
        batch = read_rows(table, timed(wanted, "Europe/Berlin"))
        assert batch.extent() == (
            datetime(2031, 3, 30, 0, 30, tzinfo=UTC),
            datetime(2031, 10, 26, 1, 30, tzinfo=UTC),
        )


def test_numbers_are_no_times(wanted: Wanted) -> None:
    rows = [{**row, "at": 1_700_000_000} for row in make_rows(2)]
    for given in (rows, pa.Table.from_pylist(rows)):
        with pytest.raises(InputError, match="time column 'at'"):
            read_rows(given, timed(wanted))
    with pytest.raises(InputError, match="the column at"):
        read_rows(make_rows(2), timed(wanted))


def test_a_file_is_read_within_bounds_and_its_name_says_what_it_is(tmp_path: Path) -> None:
    assert format_of_batch("Rows.JSONL.gz") == "jsonl"
    assert format_of_batch("a/b.feather") == "arrow"
    with pytest.raises(InputError, match="not of a known format"):
        format_of_batch("rows.xlsx")
    file = tmp_path / "rows.csv.gz"
    file.write_bytes(gzip.compress(b"x" * 1000))
    with file.open("rb") as opened:
        assert read_bounded(opened, gzipped=True, most=1000) == b"x" * 1000
    with file.open("rb") as opened, pytest.raises(InputError, match="more than 999 bytes"):
        read_bounded(opened, gzipped=True, most=999)
    file.write_bytes(file.read_bytes()[:-9])
    with file.open("rb") as opened, pytest.raises(InputError, match="cannot be read"):
        read_bounded(opened, gzipped=True)


def test_text_that_reaches_beyond_an_arrow_streams_buffer_is_refused_and_not_followed(wanted: Wanted) -> None:
    rows = [{**row, "plan": "team"} for row in make_rows(3)]
    stream = arrow(pa.Table.from_pylist(rows), pa.ipc.new_stream)
    offsets = np.array([0, 4, 8, 12], "<i4").tobytes()
    far = np.array([0, 4, 8, 2**31 - 16], "<i4").tobytes()
    assert stream.count(offsets) == 1
    with pytest.raises(InputError, match="no Arrow stream"):
        parse_rows(stream.replace(offsets, far), "arrow", wanted)


def with_views(table: pa.Table) -> pa.Table:
    """The same table, with texts as polars and others send them."""
    fields = [f.with_type(pa.string_view()) if pa.types.is_string(f.type) else f for f in table.schema]
    return table.cast(pa.schema(fields))


def shared_views(count: int, size: int) -> pa.Array:
    """So many rows that share one text of so many bytes."""
    views = struct.pack("<i4sii", size, b"xxxx", 0, 0) * count
    return pa.Array.from_buffers(pa.string_view(), count, [None, *map(pa.py_buffer, (views, b"x" * size))])


@pytest.mark.parametrize("chosen", [slice(1, 30), np.arange(40) % 3 == 0])
def test_texts_as_views_are_those_of_plain_text(wanted: Wanted, chosen: Any) -> None:
    rows = at_times(make_rows(40), datetime(2026, 3, 1))
    rows[3]["plan"] = rows[4]["at"] = None
    plain = pa.Table.from_pylist(rows)
    views = with_views(plain)
    encoded = pa.DictionaryArray.from_arrays(
        views["plan"].combine_chunks().cast(pa.string()).dictionary_encode().indices,
        pa.array(dict.fromkeys(filter(None, plain["plan"].to_pylist()))).cast(pa.string_view()),
    )
    places = views.schema.get_field_index("plan"), "plan", encoded
    expected = read_rows(plain, timed(wanted))
    for table in (views, views.set_column(*places)):
        batch = read_rows(table.to_reader(), timed(wanted))
        assert profile_part(batch, wanted, chosen) == profile_part(expected, wanted, chosen)
        assert batch.extent() == expected.extent()


@pytest.mark.parametrize("column", ["plan", "at"])
def test_a_long_text_that_many_rows_share_is_refused_before_it_is_copied(wanted: Wanted, column: str) -> None:
    table = pa.Table.from_pylist(at_times(make_rows(2), datetime(2026, 3, 1))).take([0] * 100_000)
    place = table.schema.get_field_index(column)
    content = arrow(table.set_column(place, column, shared_views(len(table), 1_000_000)), pa.ipc.new_stream)
    with pytest.raises(InputError) as refusal:
        parse_rows(content, "arrow", timed(wanted))
    assert refusal.value.slug == "batch-too-large"


def test_times_in_a_dictionary_are_read_once_each(wanted: Wanted) -> None:
    rows = at_times(make_rows(3), datetime(2026, 3, 1))
    table = pa.Table.from_pylist(rows).take([0, 1, 2] * 20_000)
    words = pa.array(["x" * 1_000_000, rows[2]["at"], None])
    indices = pa.array([0, 1, 2, None, 1] * 12_000, pa.int8())
    batch = read_rows(
        table.set_column(0, "at", pa.DictionaryArray.from_arrays(indices, words)), timed(wanted)
    )
    moment = datetime.fromisoformat(rows[2]["at"]).replace(tzinfo=UTC)
    assert batch.extent() == (moment, moment)
    assert batch.timed is not None
    assert int(batch.timed.sum()) == 24_000


def test_what_is_nested_holds_no_times(wanted: Wanted) -> None:
    table = pa.Table.from_pylist(at_times(make_rows(3), datetime(2026, 3, 1)))
    with pytest.raises(InputError, match="'at' holds list"):
        read_rows(table.set_column(0, "at", pa.array([["2026-03-01"]] * 3)), timed(wanted))
