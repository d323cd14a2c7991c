"""Where rows go, when windows are over, and that however a window's rows come, its profile is the same."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.engines import duckdb_engine
from crisplens.monitors.model import CategoricalProfile, NumericProfile, Profile
from crisplens.monitors.profiles import MOST_CATEGORIES
from crisplens.monitors.schedules.windows import RowsRule, TimeRule, parse_window_rule
from crisplens.monitors.streaming import model
from crisplens.monitors.streaming.batches import Batch, Wanted, profile_part
from crisplens.monitors.streaming.model import Batches, Done, PushWindow
from crisplens.monitors.streaming.rows import read_rows
from crisplens.registry.data.tabular import open_table

NOON = datetime(2031, 3, 1, 12, tzinfo=UTC)
HOURLY = parse_window_rule("1h", lateness="10m")
assert isinstance(HOURLY, TimeRule)


def table(rows: int, seed: int, *, shift: float = 0.0) -> pa.Table:
    source = np.random.default_rng(seed)
    wide = source.normal(shift, 3, rows)
    wide[source.random(rows) < 0.05] = np.nan
    return pa.table(
        {
            "wide": pa.array(wide),
            "gaps": pa.array(source.exponential(2, rows), mask=source.random(rows) < 0.1),
            "few": pa.array(source.integers(0, 15, rows).astype(np.int64)),
            "grade": pa.array(source.integers(0, 5, rows).astype(np.int64)),
            "plan": pa.array(source.choice(["basic", "plus", "team", "ünïcode \x00"], rows).tolist()),
            "active": pa.array(source.random(rows) < 0.5),
            "id": pa.array([f"c{number}" for number in source.integers(0, 1 << 40, rows)]),
        }
    )


@pytest.fixture(scope="module", params=[400, 5000], ids=["exact", "quantiles"])
def wanted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Wanted:
    file = tmp_path_factory.mktemp("reference") / "reference.parquet"
    pq.write_table(table(request.param, 1), file)
    reference = duckdb_engine.profile_reference(open_table(str(file)))
    return Wanted(reference=reference, columns=tuple(column.name for column in reference.columns))


def whole(batch: Batch, wanted: Wanted) -> Profile:
    return profile_part(batch, wanted, slice(0, batch.rows))


def in_parts(rows: pa.Table, cuts: list[int], wanted: Wanted) -> Iterator[Profile]:
    edges = [0, *sorted(cuts), rows.num_rows]
    for first, last in pairwise(edges):
        yield whole(read_rows(rows.slice(first, last - first), wanted), wanted)


def assert_same(found: Profile, expected: Profile) -> None:
    """Equal in every count; means and sums of squares to 1e-9."""
    assert [one.name for one in found.columns] == [one.name for one in expected.columns]
    for ours, theirs in zip(found.columns, expected.columns, strict=True):
        if isinstance(ours, NumericProfile) and isinstance(theirs, NumericProfile) and ours.mean is not None:
            assert theirs.mean is not None
            assert math.isclose(ours.mean, theirs.mean, rel_tol=1e-9, abs_tol=1e-9)
            assert math.isclose(ours.m2 or 0, theirs.m2 or 0, rel_tol=1e-9, abs_tol=1e-9)
            ours = msgspec.structs.replace(ours, mean=theirs.mean, m2=theirs.m2)
        assert ours == theirs
    assert (found.rows, found.other_columns) == (expected.rows, expected.other_columns)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    cuts=st.lists(st.integers(0, 700), max_size=6),
    order=st.randoms(use_true_random=False),
)
def test_however_a_windows_rows_are_split_and_ordered_its_profile_is_that_of_all_at_once(
    wanted: Wanted, seed: int, cuts: list[int], order: random.Random
) -> None:
    rows = table(700, seed, shift=seed % 7)
    at_once = whole(read_rows(rows, wanted), wanted)
    shuffled = [*range(700)]
    order.shuffle(shuffled)
    parts = [*in_parts(rows.take(shuffled), cuts, wanted)]
    order.shuffle(parts)
    merged = parts[0]
    for part in parts[1:]:
        kept = model.unpack(model.pack(merged), wanted.reference)
        merged = model.grown(kept, part, wanted.reference)
    assert_same(merged, at_once)


def test_a_pushed_profile_is_the_one_that_duckdb_makes_of_a_file(wanted: Wanted, tmp_path: Path) -> None:
    rows = table(900, 3, shift=1)
    pq.write_table(rows, tmp_path / "window.parquet")
    of_file = duckdb_engine.profile_current(open_table(str(tmp_path / "window.parquet")), wanted.reference)
    parts = [*in_parts(rows, [100, 101, 500], wanted)]
    merged = parts[0]
    for part in parts[1:]:
        merged = model.grown(merged, part, wanted.reference)
    # Columns without a score count their nulls only, and how many values differ is not known of parts.
    expected = model.settled(of_file, wanted.reference, of_file.other_columns)
    assert_same(merged, expected)


def test_the_profile_of_an_open_window_stays_small_however_many_categories_are_pushed(wanted: Wanted) -> None:
    merged = None
    for number in range(6):
        rows = table(600, number).set_column(
            4, "plan", pa.array([f"n{number}-{at}" for at in range(599)] + ["plus"])
        )
        part = whole(read_rows(rows, wanted), wanted)
        merged = model.grown(merged, part, wanted.reference) if merged else part
    assert merged is not None
    (plan,) = (one for one in merged.columns if one.name == "plan")
    assert isinstance(plan, CategoricalProfile)
    assert len(plan.categories) <= MOST_CATEGORIES + 4
    assert sum(one.count for one in plan.categories) + plan.rest == plan.count == 3600
    assert {one.value: one.count for one in plan.categories}["plus"] == 6


def test_the_edges_of_the_reference_are_not_kept_with_every_open_window(wanted: Wanted) -> None:
    profile = whole(read_rows(table(300, 5), wanted), wanted)
    packed = model.pack(profile)
    assert model.unpack(packed, wanted.reference) == profile
    assert len(packed) < len(msgspec.json.encode(profile)) / 2


@given(pushes=st.lists(st.integers(1, 50), min_size=1, max_size=30), size=st.integers(1, 40))
def test_windows_of_rows_are_filled_in_turn_and_no_row_is_lost(pushes: list[int], size: int) -> None:
    rule, filled = RowsRule(rows=size), {}
    for rows in pushes:
        windows = [PushWindow(key=key, rows=count) for key, count in filled.items()]
        parts = model.number_parts(rule, windows, Done(), rows)
        assert [part.first for part in parts] == [0, *(part.last for part in parts[:-1])]
        assert parts[-1].last == rows
        for part in parts:
            filled[part.key] = filled.get(part.key, 0) + part.last - part.first
    assert sum(filled.values()) == sum(pushes)
    counts = [filled[key] for key in sorted(filled)]
    assert counts[:-1] == [size] * (len(counts) - 1)
    assert 0 < counts[-1] <= size


def test_a_batch_that_would_open_hundreds_of_windows_is_refused() -> None:
    with pytest.raises(InputError, match="more than 200 windows"):
        model.number_parts(RowsRule(rows=10), [], Done(), 3000)
    with pytest.raises(InputError, match="more than 200 windows"):
        model.time_parts(HOURLY, NOON, NOON + timedelta(days=30))


def test_a_window_is_over_only_after_its_lateness() -> None:
    windows = [PushWindow(key="2031-03-01T12:00:00Z/2031-03-01T13:00:00Z", rows=3)]
    early, _ = model.over_windows(HOURLY, windows, Done(), NOON + timedelta(minutes=69), 10)
    late, _ = model.over_windows(HOURLY, windows, Done(), NOON + timedelta(minutes=70), 10)
    assert early == ()
    assert late == ("2031-03-01T12:00:00Z/2031-03-01T13:00:00Z",)


def test_windows_that_nothing_came_to_are_over_too_but_none_before_the_first_row() -> None:
    windows = [PushWindow(key="2031-03-01T12:00:00Z/2031-03-01T13:00:00Z", rows=3)]
    found, waiting = model.over_windows(HOURLY, windows, Done(), NOON + timedelta(hours=5), 3)
    assert [key[11:16] for key in found] == ["12:00", "13:00", "14:00"]
    assert waiting == 1
    assert model.over_windows(HOURLY, [], Done(), NOON, 3) == ((), 0)


@given(st.data())
def test_every_time_lies_in_the_windows_that_its_batch_is_split_over(data: st.DataObject) -> None:
    rule = parse_window_rule("6h", every=data.draw(st.sampled_from(["1h", "2h", "6h"])))
    assert isinstance(rule, TimeRule)
    minutes = data.draw(st.lists(st.integers(0, 60 * 24 * 3), min_size=1, max_size=20))
    times = [NOON + timedelta(minutes=one) for one in minutes]
    parts = [part.window for part in model.time_parts(rule, min(times), max(times))]
    for moment in times:
        holding = [one for one in parts if one and one.start <= moment < one.end]
        assert len(holding) == {"1h": 6, "2h": 3, "6h": 1}[rule.every]


def test_the_future_does_not_move_the_watermark_past_now() -> None:
    windows = [PushWindow(key="x", rows=1, newest="2099-01-01T00:00:00Z")]
    assert model.watermark(windows, NOON) == NOON
    assert model.watermark([], NOON) is None


def test_an_id_is_remembered_by_window_and_only_the_newest_are() -> None:
    batches = Batches()
    for number in range(model.MOST_IDS + 5):
        batches = batches.add(model.batch_mark(f"b{number}", 10))
    windows = [PushWindow(key="a", rows=1, batches=batches)]
    assert batches.count == model.MOST_IDS + 5
    assert model.is_repeated(windows, model.batch_mark(f"b{model.MOST_IDS}", 10))
    assert not model.is_repeated(windows, model.batch_mark("b0", 10))
    with pytest.raises(InputError, match="with 10 rows"):
        model.is_repeated(windows, model.batch_mark(f"b{model.MOST_IDS}", 11))
    assert len(msgspec.json.encode(batches)) < 30_000


@pytest.mark.parametrize("id", [" padded", "tab\t", "x" * 201])
def test_an_id_that_cannot_be_told_apart_by_eye_is_refused(id: str) -> None:
    with pytest.raises(InputError, match="id cannot be used"):
        model.batch_mark(id, 1)


def test_keys_of_other_windows_say_nothing_of_what_was_pushed() -> None:
    checked = ["sha256:ab", "push-it.csv", "rows-1.csv", "rows-000000000000000-000000000000500", "x/y"]
    assert model.done_before([], checked) == Done(rows=500)
