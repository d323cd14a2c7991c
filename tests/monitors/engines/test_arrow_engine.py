import datetime
import decimal
import math
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors import profiles
from crisplens.monitors.engines import arrow_engine, arrow_use, duckdb_engine
from crisplens.monitors.engines.arrow_engine import WindowTally, profile_batches, profile_current
from crisplens.monitors.model import CategoricalProfile, Family, NumericProfile, OtherProfile, Profile
from crisplens.registry.data.tabular import connect, open_table

STAMP = datetime.datetime(2024, 5, 6, 7, 8, 9)


def write(path: Path, table: pa.Table, **options) -> Path:
    pq.write_table(table, path, **options)
    return path


def reference_of(path: Path, table: pa.Table) -> Profile:
    return duckdb_engine.profile_reference(open_table(str(write(path, table))))


def only_duckdb_answers(*_: object) -> None:
    raise AssertionError("DuckDB was asked")


def assert_same(found: Profile, expected: Profile) -> None:
    """Equal in everything; means and sums of squares within rounding."""
    assert (found.rows, found.other_columns) == (expected.rows, expected.other_columns)
    assert [column.name for column in found.columns] == [column.name for column in expected.columns]
    for ours, theirs in zip(found.columns, expected.columns, strict=True):
        if isinstance(ours, NumericProfile) and isinstance(theirs, NumericProfile) and ours.m2 is not None:
            assert theirs.m2 is not None
            size = max(abs(ours.minimum), abs(ours.maximum))
            assert math.isclose(ours.mean, theirs.mean, rel_tol=1e-9, abs_tol=1e-12 * size)
            assert math.isclose(ours.m2, theirs.m2, rel_tol=1e-9, abs_tol=1e-12 * size * size * ours.count)
            ours = msgspec.structs.replace(ours, mean=theirs.mean, m2=theirs.m2)
        assert ours == theirs


def assert_agrees(folder: Path, reference: pa.Table, window: pa.Table, **options) -> Profile:
    known = reference_of(folder / "reference.parquet", reference)
    table = open_table(str(write(folder / "window.parquet", window, **options)))
    found = profile_current(table, known)
    assert_same(found, duckdb_engine.profile_current(table, known))
    return found


NUMBERS = {
    pa.int8(): st.integers(-128, 127),
    pa.int16(): st.integers(-300, 300),
    pa.int32(): st.integers(-(2**31), 2**31 - 1),
    pa.int64(): st.integers(-(2**63), 2**63 - 1),
    pa.uint8(): st.integers(0, 255),
    pa.uint64(): st.integers(0, 2**64 - 1),
    pa.float32(): st.floats(-(2.0**90), 2.0**90, width=32) | st.sampled_from([math.nan, math.inf]),
    pa.float64(): st.floats(-1e100, 1e100)
    | st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 0.0, 1e15]),
    pa.decimal128(12, 3): st.decimals(-(10**8), 10**8, places=3),
    pa.decimal128(18, 6): st.decimals(-(10**11), 10**11, places=6),
    pa.decimal128(25, 2): st.decimals(-(10**11), 10**11, places=2),
}
OTHERS = {
    pa.bool_(): st.booleans(),
    pa.string(): st.text(max_size=3) | st.sampled_from(["1", "2.5", "n/a"]),
    pa.large_string(): st.sampled_from(["a", "b", "é"]),
    pa.dictionary(pa.int8(), pa.string()): st.sampled_from(["a", "b", "c"]),
    pa.date32(): st.dates(),
    pa.list_(pa.int32()): st.lists(st.integers(0, 3), max_size=2),
}
TYPES = NUMBERS | OTHERS


def column(kind: pa.DataType, pool: list[object], seed: int, rows: int) -> pa.Array:
    """Rows of values from a pool, each with a frequency of its own."""
    random = np.random.default_rng(seed)
    weights = random.random(len(pool)) + 0.01
    drawn = [pool[i] for i in random.choice(len(pool), rows, p=weights / weights.sum())]
    if pa.types.is_dictionary(kind):
        return pa.array(drawn, pa.string()).dictionary_encode().cast(kind)
    return pa.array(drawn, kind)


@st.composite
def pairs(draw) -> tuple[pa.Table, pa.Table]:
    """A reference and a window, whose columns mostly have the same types."""
    kinds = draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=5))
    others = [draw(st.sampled_from(list(TYPES))) if draw(st.integers(0, 3)) == 0 else kind for kind in kinds]
    tables = []
    for chosen, least in ((kinds, 1), (others, 0)):
        rows = draw(st.integers(least, 300))
        made = {}
        for position, kind in enumerate(chosen):
            values = st.none() | TYPES[kind] if draw(st.booleans()) else TYPES[kind]
            pool = draw(st.lists(values, min_size=1, max_size=12))
            made[f"c{position}"] = column(kind, pool, draw(st.integers(0, 99)), rows)
        tables.append(pa.table(made))
    return tables[0], tables[1]


@settings(max_examples=20, deadline=None)
@given(tables=pairs(), row_group=st.sampled_from([3, 1000]))
def test_any_window_has_the_profile_that_duckdb_gives(tmp_path_factory, tables, row_group):
    assert_agrees(tmp_path_factory.mktemp("any"), *tables, row_group_size=row_group)


@st.composite
def cut_tables(draw) -> tuple[pa.Table, list[int]]:
    """A table of columns that can be compared, and where to cut it."""
    kinds = draw(st.lists(st.sampled_from([*NUMBERS, pa.bool_(), pa.string()]), min_size=1, max_size=4))
    rows = draw(st.integers(1, 200))
    made = {
        f"c{i}": column(kind, draw(st.lists(st.none() | TYPES[kind], min_size=1, max_size=9)), i, rows)
        for i, kind in enumerate(kinds)
    }
    return pa.table(made), sorted(draw(st.lists(st.integers(0, rows), max_size=4)))


@settings(max_examples=25, deadline=None)
@given(cut=cut_tables())
def test_parts_merge_into_the_profile_of_the_whole(tmp_path_factory, cut):
    table, places = cut
    reference = reference_of(tmp_path_factory.mktemp("parts") / "reference.parquet", table)
    comparable = [column.name for column in reference.columns if not isinstance(column, OtherProfile)]
    reference = msgspec.structs.replace(
        reference, columns=tuple(c for c in reference.columns if c.name in comparable)
    )
    whole = profile_batches(table, reference)
    parts = [
        table.slice(first, last - first)
        for first, last in zip([0, *places], [*places, len(table)], strict=True)
    ]
    assert_same(profile_batches((b for part in parts for b in part.to_batches()), reference), whole)
    merged = profile_batches(parts[0], reference)
    for part in parts[1:]:
        merged = profiles.merge(merged, profile_batches(part, reference))
    # Merging profiles forgets the number of distinct values where these are not kept.
    assert_same(without_unique(merged), without_unique(whole))


def without_unique(profile: Profile) -> Profile:
    return msgspec.structs.replace(
        profile,
        columns=tuple(
            msgspec.structs.replace(c, n_unique=None) if isinstance(c, NumericProfile) else c
            for c in profile.columns
        ),
    )


def mixed(rows: int, seed: int) -> pa.Table:
    random = np.random.default_rng(seed)
    holes = random.random(rows) < 0.1
    normal = random.normal(seed, 2.0, rows)
    return pa.table(
        {
            "normal": normal,
            "offset": 1e9 + normal,
            "single": normal.astype(np.float32),
            "half": normal.astype(np.float16),
            "holes": pa.array(normal, mask=holes),
            "strange": np.where(
                holes, np.nan, np.where(normal > 3, np.inf, np.where(normal < -3, -np.inf, normal))
            ),
            "money": pa.array(
                [decimal.Decimal(int(x)).scaleb(-3) for x in normal * 1e6], pa.decimal128(16, 3)
            ),
            "wide": random.integers(-(2**62), 2**62, rows),
            "unsigned": random.integers(2**63, 2**64 - 1, rows, dtype=np.uint64),
            "small": pa.array(random.poisson(20, rows).astype(np.int8), mask=holes),
            "few": random.integers(0, 4, rows),
            "levels": random.integers(0, 12, rows) / 4,
            "flag": pa.array(random.random(rows) < 0.3, mask=holes),
            "label": pa.array(random.choice(["a", "b", "ü", ""], rows), mask=holes),
            "many": [f"level {k}" for k in random.integers(0, 1500 + 300 * seed, rows)],
            "id": [f"{seed} {k}" for k in range(rows)],
            "day": pa.array([STAMP.date()] * rows, mask=holes),
            "time": pa.array([STAMP] * rows, pa.timestamp("us"), mask=holes),
            "zoned": pa.array([STAMP] * rows, pa.timestamp("ms", "UTC"), mask=holes),
        }
    )


def ordinary(rows: int, seed: int) -> pa.Table:
    """Without the columns that are watched through features."""
    return mixed(rows, seed).drop_columns(["day", "time", "zoned"])


@pytest.mark.parametrize("row_group", [700, 10_000])
def test_ordinary_columns_are_profiled_without_duckdb(tmp_path, monkeypatch, row_group):
    reference = reference_of(tmp_path / "reference.parquet", ordinary(4000, 0))
    table = open_table(str(write(tmp_path / "window.parquet", ordinary(5000, 1), row_group_size=row_group)))
    expected = duckdb_engine.profile_current(table, reference)
    monkeypatch.setattr(duckdb_engine, "profile_current", only_duckdb_answers)
    found = profile_current(table, reference)
    assert_same(found, expected)
    kinds = {column.name: type(column) for column in found.columns}
    assert kinds["money"] is NumericProfile
    assert kinds["many"] is CategoricalProfile
    assert kinds["id"] is OtherProfile


def test_only_the_columns_asked_for_are_profiled(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", mixed(500, 0))
    table = open_table(str(write(tmp_path / "window.parquet", mixed(400, 1))))
    found = profile_current(table, reference, ["label", "normal"])
    assert_same(found, duckdb_engine.profile_current(table, reference, ["label", "normal"]))
    assert [column.name for column in found.columns] == ["normal", "label"]


def test_nulls_are_counted_when_the_footer_does_not_have_them(tmp_path):
    assert_agrees(tmp_path, mixed(300, 0), mixed(300, 1), write_statistics=False)


STORED = {
    "view": pa.array(["a", None, "b"], pa.string_view()),
    "dictionary": pa.array(["a", None, "b"]).dictionary_encode(),
    "whole dictionary": pa.array([10, None, 20]).dictionary_encode(),
    "decimal32": pa.array([decimal.Decimal("1.5"), None, decimal.Decimal("-2.5")], pa.decimal32(5, 3)),
    "decimal64": pa.array([decimal.Decimal("1.5"), None, decimal.Decimal("-2.5")], pa.decimal64(12, 3)),
    "decimal256": pa.array([decimal.Decimal("1.5"), None, decimal.Decimal("-2.5")], pa.decimal256(17, 3)),
    "long decimal": pa.array([decimal.Decimal("1.5"), None, decimal.Decimal("-2.5")], pa.decimal256(50, 3)),
    "nanoseconds": pa.array([STAMP, None, STAMP], pa.timestamp("ns")),
    "seconds": pa.array([STAMP, None, STAMP], pa.timestamp("s")),
    "date64": pa.array([STAMP.date(), None, None], pa.date64()),
    "time": pa.array([STAMP.time(), None, None], pa.time64("us")),
    "duration": pa.array([5, None, 6], pa.duration("ms")),
    "binary": pa.array([b"a", None, b"b"]),
    "null": pa.nulls(3),
    "list": pa.array([[1], None, []]),
    "structure": pa.array([{"a": 1}, None, {"a": None}]),
    "map": pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int8())),
    "number": pa.array([1.5, None, 2.5]),
    "text": pa.array(["1", None, "x"]),
}


@pytest.mark.parametrize("reference", ["number", "text", "binary"])
def test_every_stored_type_is_named_and_counted_as_duckdb_does(tmp_path, reference):
    window = pa.table(STORED)
    assert_agrees(tmp_path, pa.table(dict.fromkeys(STORED, STORED[reference])), window)


def test_times_of_the_old_kind_are_named_as_duckdb_does(tmp_path):
    times = pa.table(
        {"t": [STAMP, None], "s": [{"t": STAMP}, None], "n": pa.array([STAMP] * 2, pa.timestamp("ns"))}
    )
    for old in (False, True):
        assert_agrees(tmp_path, times, times, use_deprecated_int96_timestamps=old)


@pytest.mark.parametrize(
    "sets",
    ["iris", "wine", "breast_cancer", "diabetes", "digits", "randhie", "fair", "anes96"],
)
def test_real_data(tmp_path, sets):
    datasets = pytest.importorskip("sklearn.datasets")
    statsmodels = pytest.importorskip("statsmodels.api")
    load = getattr(datasets, f"load_{sets}", None)
    frame = load(as_frame=True).frame if load else getattr(statsmodels.datasets, sets).load_pandas().data
    half = len(frame) // 2
    assert_agrees(
        tmp_path, pa.Table.from_pandas(frame[:half]), pa.Table.from_pandas(frame[half:]), row_group_size=500
    )


def test_files_written_by_duckdb(tmp_path):
    rows = (
        "SELECT i, i * 0.37 AS x, (i % 4)::VARCHAR AS g, (i / 7)::DECIMAL(9, 2) AS d, i % 2 = 0 AS b "
        "FROM range({}) t(i)"
    )
    for name, n in (("r", 3000), ("c", 2500)):
        connect().execute(f"COPY ({rows.format(n)}) TO '{tmp_path / name}.parquet'")
    reference = duckdb_engine.profile_reference(open_table(str(tmp_path / "r.parquet")))
    table = open_table(str(tmp_path / "c.parquet"))
    assert_same(profile_current(table, reference), duckdb_engine.profile_current(table, reference))


def several(folder: Path, *tables: pa.Table) -> str:
    for position, table in enumerate(tables):
        write(folder / f"part-{position}.parquet", table)
    return str(folder / "part-*.parquet")


def test_columns_that_some_files_lack_are_null_there(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", mixed(300, 0))
    whole = mixed(90, 1)
    pattern = several(
        tmp_path,
        whole.slice(0, 30).drop_columns(["normal", "label", "day"]),
        whole.slice(30, 30).append_column("extra", [list(range(30))]),
        whole.slice(60).drop_columns(["few"]),
    )
    found = profile_current(open_table(pattern), reference)
    assert_same(found, duckdb_engine.profile_current(open_table(pattern), reference))
    assert (found.rows, found.other_columns) == (90, ("extra",))


@pytest.mark.parametrize(
    "second",
    [pa.array([2.5, 3.5]), pa.array(["a", "b"]), pa.array([2**40, 1]), pa.array([1, 2], pa.uint64())],
)
def test_files_of_different_types_have_the_type_that_duckdb_finds(tmp_path, second):
    reference = reference_of(tmp_path / "reference.parquet", pa.table({"x": range(50), "y": range(50)}))
    first = pa.table({"x": pa.array([1, 2], pa.int32()), "y": [1, 2]})
    pattern = several(tmp_path, first, pa.table({"x": second, "y": [3, 4]}))
    found = profile_current(open_table(pattern), reference)
    assert_same(found, duckdb_engine.profile_current(open_table(pattern), reference))


def test_names_that_differ_only_in_case_between_files_are_one_column(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", pa.table({"x": range(50)}))
    pattern = several(tmp_path, pa.table({"x": [1, 2]}), pa.table({"X": [3, 4]}))
    found = profile_current(open_table(pattern), reference)
    assert_same(found, duckdb_engine.profile_current(open_table(pattern), reference))


def test_names_with_a_point_are_not_fields_of_another_column(tmp_path):
    reference = pa.table({"a": range(40), "a.b": [x * 0.5 for x in range(40)], "s.t": ["x", "y"] * 20})
    window = pa.table({"a": [1, 2], "a.b": [0.5, None], "s": [{"t": "z"}, {"t": "z"}], "s.t": ["x", "x"]})
    assert_agrees(tmp_path, reference, window)


@pytest.mark.parametrize("rows", [0, 1])
def test_a_window_of_no_rows(tmp_path, rows):
    window = mixed(1, 1).slice(0, rows)
    assert assert_agrees(tmp_path, mixed(300, 0), window).rows == rows


def test_a_file_without_row_groups(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", mixed(300, 0))
    pq.ParquetWriter(tmp_path / "empty.parquet", mixed(1, 0).schema).close()
    table = open_table(str(tmp_path / "empty.parquet"))
    assert pq.read_metadata(tmp_path / "empty.parquet").num_row_groups == 0
    assert_same(profile_current(table, reference), duckdb_engine.profile_current(table, reference))


def test_all_null_columns(tmp_path):
    reference = mixed(300, 0)
    nothing = pa.table({field.name: pa.nulls(20, field.type) for field in reference.schema})
    assert_agrees(tmp_path, reference, nothing)
    assert_agrees(tmp_path, nothing, reference.slice(0, 100))


def test_an_identifier_where_few_categories_were(tmp_path, monkeypatch):
    reference = pa.table({"g": ["a", "b"] * 50, "k": [1, 2] * 50, "x": np.arange(100) / 7})
    window = pa.table({"g": [f"{i % 3001}" for i in range(7000)], "k": range(7000), "x": ["?", "1"] * 3500})
    found = assert_agrees(tmp_path, reference, window)
    assert found.columns[0].n_unique == 3001
    monkeypatch.setattr(arrow_engine, "MOST_DISTINCT", 2000)
    assert_same(assert_agrees(tmp_path, reference, window), found)


def test_values_far_from_zero_keep_their_variance():
    # The sum of squares, less the square of the sum, would have no right digit left.
    values = 1e9 + np.random.default_rng(3).integers(0, 100, 400_000) / 64
    reference = Profile(rows=1, columns=(profiles.profile_numbers("x", [1.0], (0.0, 1e9, 2e9)),))
    (found,) = profile_batches(pa.table({"x": values}), reference).columns
    assert math.isclose(found.m2, np.var(values - 1e9) * len(values), rel_tol=1e-9)
    assert math.isclose(found.mean, 1e9 + np.mean(values - 1e9), rel_tol=1e-15)


@pytest.mark.parametrize("values", [[1e308, -1e308, 1.5e308], [1e200, -1e200, 0.0]])
def test_numbers_too_large_for_a_variance_have_none(tmp_path, values):
    found = assert_agrees(tmp_path, pa.table({"x": np.arange(2000) / 3}), pa.table({"x": values}))
    assert found.columns[0].m2 is None
    assert found.columns[0].count == 3


def broken(folder: Path) -> dict[str, Path]:
    good = write(folder / "good.parquet", mixed(2000, 1)).read_bytes()
    middle = len(good) // 4
    contents = {
        "text": b"not a table at all",
        "truncated": good[: len(good) // 2],
        "no-footer": good[:-8] + b"\xff\xff\xff\x7fPAR1",
        "damaged": good[:middle] + b"\xff" * 3000 + good[middle + 3000 :],
    }
    for name, content in contents.items():
        (folder / f"{name}.parquet").write_bytes(content)
    return {name: folder / f"{name}.parquet" for name in contents}


@pytest.mark.parametrize("kind", ["text", "truncated", "no-footer", "damaged"])
def test_a_damaged_file_is_refused_as_duckdb_refuses_it(tmp_path, kind):
    reference = reference_of(tmp_path / "reference.parquet", mixed(300, 0))
    table = open_table(str(broken(tmp_path)[kind]))
    with pytest.raises(InputError) as expected:
        duckdb_engine.profile_current(table, reference)
    with pytest.raises(InputError) as found:
        profile_current(table, reference)
    assert (found.value.slug, str(found.value)) == (expected.value.slug, str(expected.value))


def test_text_that_is_not_utf8_is_refused(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", pa.table({"g": ["a", "b"] * 20}))
    raw = pa.array([b"a", b"\xff\xfe"] * 10)
    latin = pa.StringArray.from_buffers(len(raw), raw.buffers()[1], raw.buffers()[2])
    window = pa.table({"g": latin})
    table = open_table(str(write(tmp_path / "c.parquet", window)))
    with pytest.raises(InputError) as expected:
        duckdb_engine.profile_current(table, reference)
    with pytest.raises(InputError) as found:
        profile_current(table, reference)
    assert str(found.value) == str(expected.value)
    tally = WindowTally(reference)
    tally.add(pa.record_batch({"g": ["a", "b"]}))
    before = tally.profile()
    with pytest.raises(InputError, match="column 'g'"):
        tally.add(window.to_batches()[0])
    assert tally.profile() == before


@pytest.mark.parametrize("names", [["x", "x"], ["x", "X"]])
def test_a_column_name_that_stands_twice_is_refused(tmp_path, names):
    reference = reference_of(tmp_path / "reference.parquet", pa.table({"x": range(50)}))
    window = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names)
    table = open_table(str(write(tmp_path / "c.parquet", window)))
    for profile in (lambda: profile_current(table, reference), lambda: profile_batches(window, reference)):
        with pytest.raises(InputError) as found:
            profile()
        assert found.value.slug == "duplicate-columns"


def test_minus_zero_is_zero(tmp_path):
    for values in ([-0.0, 0.0, 1.5], [0.0, -0.0, 1.5]):
        window = pa.table({"x": values, "k": [-0.0, 1.0, 2.0]})
        reference = pa.table({"x": [0.0, 0.5, 1.5], "k": [0, 1, 2]})
        found = assert_agrees(tmp_path, reference, window).columns[0]
        assert [str(v) for v in (found.minimum, found.values[0].value)] == ["0.0", "0.0"]
        assert found.values[0].count == 2


def test_tables_in_memory_and_streams_have_the_profile_of_their_file(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", ordinary(3000, 0))
    window = ordinary(2500, 1)
    table = open_table(str(write(tmp_path / "c.parquet", window)))
    expected = duckdb_engine.profile_current(table, reference)
    assert_same(profile_batches(window, reference), expected)
    with pa.ipc.new_file(tmp_path / "c.arrow", window.schema) as sink:
        sink.write_table(window, max_chunksize=400)
    with pa.ipc.open_file(tmp_path / "c.arrow") as source:
        batches = [source.get_batch(i) for i in range(source.num_record_batches)]
    assert_same(profile_batches(batches, reference), expected)
    tally = WindowTally(reference)
    for batch in batches:
        tally.add(batch)
    assert_same(tally.profile(), expected)


def test_a_large_table_in_memory_is_counted_by_several_threads(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", mixed(2000, 0))
    names = ["normal", "strange", "wide", "small", "label", "flag"]
    window = pa.concat_tables([mixed(4000, 1).select(names)] * 70).combine_chunks()
    table = open_table(str(write(tmp_path / "c.parquet", window)))
    expected = duckdb_engine.profile_current(table, reference, names)
    assert_same(profile_batches(window, reference, names), expected)
    assert_same(profile_current(table, reference, names), expected)


def test_dictionaries_may_hold_nulls_and_values_twice():
    reference = Profile(
        rows=2,
        columns=(CategoricalProfile(name="g", type="VARCHAR", family=Family.TEXT, rows=2, nulls=0, count=2),),
    )
    array = pa.DictionaryArray.from_arrays([0, 1, 2, None, 3], ["a", None, "a", "b", "unused"])
    (found,) = profile_batches(pa.table({"g": array}), reference).columns
    assert {c.value: c.count for c in found.categories} == {"a": 2, "b": 1}
    assert (found.rows, found.nulls, found.n_unique) == (5, 2, 2)


def test_batches_of_other_columns_are_refused(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", pa.table({"x": range(50)}))
    tally = WindowTally(reference)
    tally.add(pa.record_batch({"x": [1]}))
    with pytest.raises(InputError) as found:
        tally.add(pa.record_batch({"x": ["a"]}))
    assert found.value.slug == "profiles-differ"
    assert tally.profile().rows == 1


def test_no_batches_are_a_window_of_no_rows(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", pa.table({"x": range(50)}))
    assert profile_batches([], reference) == Profile(rows=0, columns=())
    assert profile_batches(pa.table({"x": pa.array([], pa.int64())}), reference).columns[0].rows == 0


@settings(max_examples=20, deadline=None)
@given(tables=pairs())
def test_a_csv_is_counted_alike_whether_the_libraries_are_loaded_or_not(tmp_path_factory, tables):
    folder = tmp_path_factory.mktemp("csv")
    for name, table in zip(("reference", "window"), tables, strict=True):
        write(folder / f"{name}.parquet", table)
        connect().execute(f"COPY (FROM '{folder / name}.parquet') TO '{folder / name}.csv' (HEADER)")
    reference = duckdb_engine.profile_reference(open_table(str(folder / "reference.csv")))
    window = open_table(str(folder / "window.csv"))
    found = duckdb_engine.profile_current(window, reference)
    with pytest.MonkeyPatch.context() as patch:
        patch.delitem(sys.modules, "pyarrow")
        assert not arrow_use.loaded()
        expected = duckdb_engine.profile_current(window, reference)
    assert_same(found, expected)


def test_only_parquet_files_apply(tmp_path):
    (tmp_path / "c.csv").write_text("x\n1\n")
    assert arrow_use.available()
    assert not arrow_use.applies(open_table(str(tmp_path / "c.csv")))
    assert arrow_use.applies(open_table(str(write(tmp_path / "c.parquet", pa.table({"x": [1]})))))


def test_libraries_that_are_not_installed_apply_to_nothing(tmp_path, monkeypatch):
    table = open_table(str(write(tmp_path / "c.parquet", pa.table({"x": [1]}))))
    monkeypatch.setattr(arrow_use, "find_spec", lambda name: None if name == "pyarrow" else name)
    assert not arrow_use.available()
    assert not arrow_use.applies(table)


def test_a_small_file_does_not_pay_for_the_import(tmp_path, monkeypatch):
    table = open_table(str(write(tmp_path / "c.parquet", pa.table({"x": [1]}))))
    assert arrow_use.pays(table)
    monkeypatch.delitem(sys.modules, "pyarrow")
    assert not arrow_use.pays(table)
    monkeypatch.setattr(arrow_use, "LEAST_BYTES", 100)
    assert arrow_use.pays(table)


def test_importing_the_engine_imports_no_other_library():
    code = (
        "import sys; from crisplens.monitors.engines import arrow_engine, arrow_use; arrow_use.available(); "
        "sys.exit(bool({'numpy', 'pyarrow', 'duckdb', 'pandas'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_profiling_imports_neither_pandas_nor_duckdb(tmp_path):
    reference = reference_of(tmp_path / "reference.parquet", ordinary(2000, 0))
    (tmp_path / "reference.json").write_bytes(msgspec.json.encode(reference))
    write(tmp_path / "window.parquet", ordinary(1000, 1))
    code = (
        "import sys, msgspec\n"
        "from crisplens.monitors.engines.arrow_engine import profile_current\n"
        "from crisplens.monitors.model import Profile\n"
        "from crisplens.registry.data.files import open_table\n"
        "reference = msgspec.json.decode(open(sys.argv[1] + '/reference.json').read(), type=Profile)\n"
        "found = profile_current(open_table(sys.argv[1] + '/window.parquet'), reference)\n"
        "sys.exit(found.rows != 1000 or bool({'duckdb', 'pandas'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False).returncode == 0
