from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
import pytest

from crisplens.core.errors import CrisplensError, InputError
from crisplens.monitors import profiles
from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.duckdb_engine import profile_current, profile_reference
from crisplens.monitors.engines.interface import Reference, Rows, TimeSlice
from crisplens.monitors.model import (
    CategoricalProfile,
    CheckResult,
    CheckSettings,
    NumericProfile,
    OtherProfile,
    Profile,
    Verdict,
)
from crisplens.registry.data.tabular import connect, open_table, quote_text

ROWS = (
    "SELECT i, i * 0.37 AS x, (i % 4)::VARCHAR || ' of 4' AS g, i % 3 AS few, i % 2 = 0 AS b "
    "FROM range({n}) t(i)"
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make(name: str, query: str = ROWS, n: int = 200) -> str:
    form = "parquet" if name.endswith("parquet") else "csv, header"
    connection = connect()
    connection.execute(f"COPY ({query.format(n=n)}) TO {quote_text(name)} (FORMAT {form})")
    return name


def check(reference: str, current: str, **settings) -> CheckResult:
    profile = profile_reference(open_table(reference))
    result = get_engine("duckdb").check(
        Reference(None, profile), Rows(open_table(current)), CheckSettings(**{"drift_share": 0.5, **settings})
    )
    # Results go into events as they are: they must survive strict JSON.
    encoded = msgspec.json.encode(result.check)
    assert msgspec.json.decode(encoded, type=CheckResult) == result.check
    return result.check


def of(result: CheckResult, name: str):
    return next(column for column in result.columns if column.column == name)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Tokyo"])
def test_times_without_a_zone_are_those_of_the_window_s_zone(ending, zone, monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    rows = "SELECT i AS n, TIMESTAMP '2026-03-01' + INTERVAL 1 HOUR * i AS at FROM range({n}) t(i)"
    table = open_table(make(f"hours.{ending}", rows, n=96))
    midnight = datetime(2026, 3, 3, tzinfo=ZoneInfo(zone))
    only = TimeSlice("at", midnight, midnight + timedelta(days=1), zone)
    found = profile_current(table, profile_reference(table, ["n"]), only=only)
    assert (found.rows, found.columns[0].minimum, found.columns[0].maximum) == (24, 48.0, 71.0)


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_window_like_the_reference_does_not_drift(ending):
    result = check(make(f"r.{ending}"), make(f"c.{ending}"))
    assert result.verdict is Verdict.NO_DRIFT
    assert (result.reference_rows, result.current_rows, result.checked) == (200, 200, 5)
    assert {column.column: column.method for column in result.columns} == {
        "i": "ks",
        "x": "ks",
        "g": "chisquare",
        "few": "chisquare",
        "b": "z",
    }


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_shifted_window_drifts(ending):
    shifted = "SELECT i + 500 AS i, i + 90.5 AS x, 'new' AS g, 7 AS few, true AS b FROM range({n}) t(i)"
    result = check(make(f"r.{ending}"), make(f"c.{ending}", shifted))
    assert result.verdict is Verdict.DRIFT
    assert result.drifted == 5


def test_a_large_reference_is_measured_by_distance():
    result = check(make("r.parquet", n=5000), make("c.parquet", n=400))
    assert {column.method for column in result.columns} == {"wasserstein", "jensenshannon"}
    assert of(result, "x").approximate
    assert not of(result, "g").approximate


def test_a_missing_column_names_the_nearest():
    make("r.parquet")
    make("c.parquet", "SELECT i, i * 0.37 AS x1, (i % 4)::VARCHAR AS g, i % 3 AS few FROM range({n}) t(i)")
    result = check("r.parquet", "c.parquet", columns=("i", "x"))
    assert result.verdict is Verdict.BAD_DATA
    assert of(result, "x").verdict is Verdict.MISSING_COLUMN
    assert "x1" in of(result, "x").reason
    assert of(result, "i").verdict is Verdict.NO_DRIFT


def test_a_name_that_differs_in_case_is_missing():
    make("r.parquet", "SELECT i AS age FROM range({n}) t(i)")
    result = check("r.parquet", make("c.parquet", "SELECT i AS Age FROM range({n}) t(i)"))
    assert of(result, "age").verdict is Verdict.MISSING_COLUMN
    assert "Age" in of(result, "age").reason


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("CASE WHEN i = 150 THEN 'n/a' ELSE i::VARCHAR END", "1 of 200 values"),
        ("i % 2 = 0", "BOOLEAN"),
        ("DATE '2020-01-01' + i::INTEGER", "DATE"),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_number_that_became_something_else(expression, words, ending):
    make(f"r.{ending}", "SELECT i * 1.5 AS x, i AS y FROM range({n}) t(i)")
    make(f"c.{ending}", f"SELECT {expression} AS x, i AS y FROM range({{n}}) t(i)")
    result = check(f"r.{ending}", f"c.{ending}")
    assert of(result, "x").verdict is Verdict.WRONG_TYPE
    assert words in of(result, "x").reason
    assert of(result, "y").verdict is Verdict.NO_DRIFT
    assert result.verdict is Verdict.BAD_DATA


def test_a_late_text_value_in_a_csv_is_a_wrong_type():
    make("r.csv", "SELECT i AS x FROM range({n}) t(i)", n=100)
    Path("c.csv").write_text("x\n" + "1\n" * 30_000 + "oops\n")
    found = of(check("r.csv", "c.csv"), "x")
    assert found.verdict is Verdict.WRONG_TYPE
    assert "1 of 30001" in found.reason


def test_text_that_looks_like_numbers_stays_text():
    make("r.csv", "SELECT CASE WHEN i % 2 = 0 THEN '007' ELSE 'A1' END AS code FROM range({n}) t(i)")
    Path("c.csv").write_text("code\n" + "007\n" * 100)
    found = of(check("r.csv", "c.csv"), "code")
    assert found.verdict is Verdict.DRIFT
    assert found.current.top[0].value == "007"


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_whole_numbers_written_with_a_point_are_the_same_categories(ending):
    make(f"r.{ending}", "SELECT i % 3 AS k FROM range({n}) t(i)")
    make(f"c.{ending}", "SELECT (i % 3)::DOUBLE AS k FROM range({n}) t(i)")
    assert of(check(f"r.{ending}", f"c.{ending}"), "k").verdict is Verdict.NO_DRIFT


@pytest.mark.parametrize("null", ["NULL::DOUBLE", "'nan'::DOUBLE", "NULL::VARCHAR"])
def test_an_all_null_column(null):
    make("r.parquet", "SELECT i * 1.5 AS x, i AS y FROM range({n}) t(i)")
    result = check("r.parquet", make("c.parquet", f"SELECT {null} AS x, i AS y FROM range({{n}}) t(i)"))
    assert of(result, "x").verdict is Verdict.ALL_NULL
    assert result.verdict is Verdict.BAD_DATA


def test_an_all_null_csv_column_is_not_a_wrong_type():
    make("r.csv", "SELECT i * 1.5 AS x, i AS y FROM range({n}) t(i)")
    Path("c.csv").write_text("x,y\n" + ",1\n" * 50)
    assert of(check("r.csv", "c.csv"), "x").verdict is Verdict.ALL_NULL


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_an_empty_window(ending):
    make(f"r.{ending}")
    result = check(f"r.{ending}", make(f"c.{ending}", n=0))
    assert result.verdict is Verdict.BAD_DATA
    assert "no rows" in result.reason
    assert {column.verdict for column in result.columns} == {Verdict.INSUFFICIENT_DATA}


def test_too_few_rows_are_never_no_drift():
    result = check(make("r.parquet"), make("c.parquet", n=29))
    assert {column.verdict for column in result.columns} == {Verdict.INSUFFICIENT_DATA}
    assert result.verdict is Verdict.INSUFFICIENT_DATA


def test_a_column_that_the_reference_has_no_values_of():
    make("r.parquet", "SELECT NULL::DOUBLE AS x, NULL::VARCHAR AS g, i FROM range({n}) t(i)")
    result = check("r.parquet", make("c.parquet", "SELECT i * 1.5 AS x, 'a' AS g, i FROM range({n}) t(i)"))
    assert of(result, "x").verdict is Verdict.INSUFFICIENT_DATA
    assert of(result, "g").verdict is Verdict.INSUFFICIENT_DATA
    assert result.verdict is Verdict.NO_DRIFT


def test_times_of_day_and_identifiers_are_unsupported_and_say_so():
    query = "SELECT TIME '10:00' AS clock, 'id' || i AS id, [i] AS many, i FROM range({n}) t(i)"
    result = check(make("r.parquet", query), make("c.parquet", query))
    assert [of(result, name).verdict for name in ("clock", "id", "many")] == [Verdict.UNSUPPORTED] * 3
    assert "TIME" in of(result, "clock").reason
    assert "identifiers" in of(result, "id").reason


def test_identifiers_are_not_kept_in_a_profile():
    profile = profile_reference(
        open_table(make("r.parquet", "SELECT 'secret ' || i AS id FROM range({n}) t(i)"))
    )
    assert b"secret" not in msgspec.json.encode(profile)


def test_nan_and_infinities_are_counted_apart():
    query = (
        "SELECT CASE WHEN i < 2 THEN NULL WHEN i < 5 THEN 'nan'::DOUBLE WHEN i < 9 THEN '-inf'::DOUBLE "
        "ELSE i END AS x FROM range({n}) t(i)"
    )
    column = profile_reference(open_table(make("r.parquet", query))).columns[0]
    assert isinstance(column, NumericProfile)
    assert (column.rows, column.nulls, column.nans, column.infinities, column.count) == (200, 2, 3, 4, 191)
    assert sum(column.counts) == 191
    assert (column.minimum, column.maximum) == (9.0, 199.0)


def test_the_profile_equals_plain_pythons():
    make("r.parquet", "SELECT (i * 7919 % 1000) / 8 AS x FROM range({n}) t(i)", n=3000)
    column = profile_reference(open_table("r.parquet")).columns[0]
    assert isinstance(column, NumericProfile)
    values = [(i * 7919 % 1000) / 8 for i in range(3000)]
    expected = profiles.profile_numbers("x", values, column.edges, exact=True)
    assert column.counts == expected.counts
    assert column.mean == pytest.approx(expected.mean)
    assert column.m2 == pytest.approx(expected.m2)


def test_windows_merge_into_the_profile_of_both():
    profile = profile_reference(open_table(make("r.parquet", n=3000)))
    make("p1.parquet", n=100)
    make("p2.parquet", n=250)
    parts = [profile_current(open_table(name), profile) for name in ("p1.parquet", "p2.parquet")]
    merged, whole = profiles.merge(*parts), profile_current(open_table("p*.parquet"), profile)
    assert merged.rows == whole.rows == 350
    for a, b in zip(merged.columns, whole.columns, strict=True):
        if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
            assert a.counts == b.counts
            assert a.m2 == pytest.approx(b.m2)
        else:
            assert a == b


def test_many_categories_keep_those_of_the_reference():
    make("r.parquet", "SELECT 'a' || (i % 40) AS g FROM range({n}) t(i)", n=4000)
    query = (
        "SELECT CASE WHEN i % 10 = 0 THEN 'a' || (i % 40) ELSE 'z' || (i // 2 % 4000) END AS g "
        "FROM range({n}) t(i)"
    )
    window = profile_current(
        open_table(make("c.parquet", query, n=9000)), profile_reference(open_table("r.parquet"))
    )
    column = window.columns[0]
    assert isinstance(column, CategoricalProfile)
    assert {"a0", "a10", "a20", "a30"} <= {category.value for category in column.categories}
    assert sum(category.count for category in column.categories) + column.rest == column.count == 9000


def test_settings_override_methods_and_thresholds():
    make("r.parquet", n=3000)
    make("c.parquet", n=300)
    settings = {"methods": {"x": "psi"}, "thresholds": {"x": 99.0}, "columns": ("x",)}
    result = check("r.parquet", "c.parquet", **settings)
    assert (result.columns[0].method, result.columns[0].threshold) == ("psi", 99.0)
    assert result.columns[0].verdict is Verdict.NO_DRIFT


@pytest.mark.parametrize(
    ("settings", "slug"),
    [
        ({"columns": ("xx",)}, "unknown-name"),
        ({"thresholds": {"nope": 1.0}}, "unknown-name"),
        ({"methods": {"x": "wassertein"}}, "unknown-name"),
        ({"methods": {"x": "chisquare"}}, "wrong-method"),
        ({"methods": {"g": "ks"}}, "wrong-method"),
        ({"weights": {"nope": 1.0}}, "unknown-name"),
    ],
)
def test_settings_that_cannot_hold(settings, slug):
    make("r.parquet")
    with pytest.raises(InputError) as caught:
        check("r.parquet", "r.parquet", **settings)
    assert caught.value.slug == slug


def test_unknown_engine_and_columns():
    with pytest.raises(CrisplensError, match="duckbd"):
        get_engine("duckbd")
    with pytest.raises(InputError, match="nope"):
        profile_reference(open_table(make("r.parquet")), ["nope"])


def test_a_reference_without_rows_is_refused():
    with pytest.raises(InputError) as caught:
        profile_reference(open_table(make("r.parquet", n=0)))
    assert caught.value.slug == "no-rows"


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_reference_of_some_columns(ending):
    profile = profile_reference(open_table(make(f"r.{ending}")), ["x", "g"])
    assert [column.name for column in profile.columns] == ["x", "g"]
    assert "few" in profile.other_columns


def test_hostile_column_names():
    query = """SELECT i AS "a'b", i * 0.5 AS "c""d; --", i % 2 AS "e]" FROM range({n}) t(i)"""
    for ending in ("parquet", "csv"):
        assert check(make(f"r.{ending}", query), make(f"c.{ending}", query)).checked == 3


@pytest.mark.parametrize(
    "value", ["i::HUGEINT * 10000000000000000000", "i / 1e300", "1 + i / 1e12", "(i * 1.01)::DECIMAL(38, 5)"]
)
def test_extreme_numbers(value):
    query = f"SELECT {value} AS x FROM range({{n}}) t(i)"
    for n in (200, 3000):
        assert check(make("r.parquet", query, n=n), make("c.parquet", query, n=n)).verdict is Verdict.NO_DRIFT


@pytest.mark.parametrize("n", [200, 3000])
def test_numbers_without_a_finite_variance_are_unsupported(n):
    query = "SELECT (i - 100) * 1e304 AS x, i FROM range({n}) t(i)"
    found = of(check(make("r.parquet", query, n=n), make("c.parquet", query, n=n)), "x")
    assert found.verdict is Verdict.UNSUPPORTED
    assert "too large" in found.reason


def test_a_profile_survives_json():
    query = ROWS.replace("SELECT", "SELECT TIME '10:00' AS d,")
    profile = profile_reference(open_table(make("r.parquet", query)))
    assert msgspec.json.decode(msgspec.json.encode(profile), type=Profile) == profile
    assert any(isinstance(column, OtherProfile) for column in profile.columns)
