"""Columns within segments: which there are, that each is compared with its own reference, and what is told of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError
from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.duckdb_engine import profile_current, profile_reference
from crisplens.monitors.engines.interface import Reference, Rows
from crisplens.monitors.model import CheckResult, CheckSettings, ColumnCheck, Profile, Verdict
from crisplens.monitors.settings import check_settings
from crisplens.registry.data.tabular import connect, open_table, quote_text
from tests.conftest import Files

UNIFORM = "((hash(i, {seed}, %d) %% 1000003) / 1000003.0)"
NORMAL = f"sqrt(-2 * ln(1 - {UNIFORM % 0})) * cos(6.283185 * {UNIFORM % 1})"
# Amounts of a tenth of the rows, those of region c, can be shifted; the others stay as they are.
SHOP = (
    "CASE WHEN i % 10 = 0 THEN 'c' WHEN i % 2 = 0 THEN 'a' ELSE 'b' END AS region, i % 3 = 0 AS member, "
    f"{NORMAL} + CASE WHEN i % 10 = 0 THEN {{shift}} ELSE 0 END AS amount, "
    "'kind ' || (hash(i, {seed}, 2) % 4) AS kind"
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(
    name: str, query: str = SHOP, n: int = 6000, seed: int = 0, shift: float = 0.0, where: str = "true"
) -> str:
    """A file of a query over i from 0 to n."""
    form = "parquet" if name.endswith("parquet") else "csv, header"
    filled = query.replace("{seed}", str(seed)).replace("{shift}", str(shift))
    source = f"SELECT {filled} FROM range({n}) t(i)"
    chosen = f"SELECT * FROM ({source}) WHERE {where}"
    connect().execute(f"COPY ({chosen}) TO {quote_text(name)} (FORMAT {form})")
    return name


def reference_of(name: str, **given: Any) -> Profile:
    settings = check_settings(**given)
    return profile_reference(
        open_table(name), settings.columns, segments=settings.segments, least=settings.minimum_rows
    )


def check(reference: str, current: str, **given: Any) -> CheckResult:
    """A check whose result and profiles survive being recorded."""
    profile = msgspec.json.decode(msgspec.json.encode(reference_of(reference, **given)), type=Profile)
    found = get_engine("duckdb").check(
        Reference(None, profile), Rows(open_table(current)), check_settings(**given)
    )
    assert msgspec.json.decode(msgspec.json.encode(found.check), type=CheckResult) == found.check
    return found.check


def of(result: CheckResult, name: str) -> ColumnCheck:
    return next(column for column in result.columns if column.column == name)


def drifting(result: CheckResult) -> list[str]:
    return [one.column for one in result.columns if one.verdict is Verdict.DRIFT]


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_drift_of_one_segment_is_found_where_all_rows_together_hide_it(ending: str) -> None:
    reference, current = make(f"r.{ending}"), make(f"c.{ending}", seed=1, shift=0.8)
    assert drifting(check(reference, current)) == []
    found = check(reference, current, segments=[["region"]])
    assert drifting(found) == ["amount (region = c)"]
    assert found.verdict is Verdict.DRIFT
    assert "amount (region = c)" in found.reason


def test_segments_without_drift_raise_no_alarm() -> None:
    found = check(make("r.parquet"), make("c.parquet", seed=1), segments=[["region"], ["region", "member"]])
    assert found.verdict is Verdict.NO_DRIFT
    # Three of region, six of both: amount and kind in each, member in the three.
    assert len(found.columns) == 4 + 3 * 3 + 6 * 2


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_column_in_a_segment_has_the_profile_of_a_table_of_those_rows(ending: str) -> None:
    make("only.parquet", where="region = 'b'")
    alone = {one.name: one for one in reference_of("only.parquet").columns}
    profile = reference_of(make(f"r.{ending}"), segments=[["region"]])
    window = profile_current(open_table(f"r.{ending}"), profile)
    for found in (profile, window):
        for column in found.columns:
            if column.name == "amount (region = b)":
                assert msgspec.structs.replace(column, name="amount", source="", feature="") == (
                    msgspec.structs.replace(alone["amount"], n_unique=column.n_unique)
                )
                break
        else:
            pytest.fail("the column is not there")


def test_what_is_said_of_a_column_holds_in_each_segment() -> None:
    reference, current = make("r.parquet"), make("c.parquet", seed=1, shift=3)
    given: dict[str, Any] = {"segments": [["region"]]}
    found = check(reference, current, columns=["amount"], **given)
    inside = [f"amount (region = {one})" for one in "bac"]
    assert [one.column for one in found.columns] == ["amount", *inside, "region"]
    assert drifting(check(reference, current, weights={"amount": 0}, **given)) == []
    found = check(reference, current, methods={"amount": "psi"}, thresholds={"amount": 1e9}, **given)
    assert of(found, "amount (region = c)").method == "psi"
    assert drifting(found) == []
    found = check(reference, current, thresholds={"amount": 1e9, "amount (region = c)": 0.1}, **given)
    assert drifting(found) == ["amount (region = c)"]


def test_a_segment_that_a_window_lacks_is_too_little_data_and_no_bad_data() -> None:
    current = make("c.parquet", seed=1, where="region <> 'c'")
    found = check(make("r.parquet"), current, segments=[["region"]])
    assert of(found, "amount (region = c)").verdict is Verdict.INSUFFICIENT_DATA
    assert of(found, "amount (region = c)").reason == "The window has no rows of this segment."
    assert of(found, "amount (region = a)").verdict is Verdict.NO_DRIFT


def test_a_window_without_the_segments_column_is_bad_data() -> None:
    found = check(
        make("r.parquet"), make("c.parquet", SHOP.replace("AS region", "AS regoin")), segments=[["region"]]
    )
    assert found.verdict is Verdict.BAD_DATA
    assert of(found, "amount").verdict is Verdict.NO_DRIFT
    assert of(found, "amount (region = a)").verdict is Verdict.MISSING_COLUMN
    assert "the nearest there is regoin" in of(found, "amount (region = a)").reason


def test_a_column_of_another_type_is_told_in_each_segment() -> None:
    found = check(make("r.parquet"), make("c.parquet", SHOP.replace("'kind ' ||", "")), segments=[["region"]])
    assert of(found, "kind").verdict is of(found, "kind (region = a)").verdict is Verdict.WRONG_TYPE


def test_what_tells_segments_apart_is_watched_too() -> None:
    reference = make("r.csv")
    found = check(reference, make("c.csv", seed=1, shift=2), columns=["amount"], segments=[["region"]])
    assert "amount (region = c)" in drifting(found)
    assert of(found, "region").verdict is Verdict.NO_DRIFT
    gone = check(
        reference, make("d.csv", SHOP.replace("'a'", "'mars'")), columns=["amount"], segments=[["region"]]
    )
    assert of(gone, "amount (region = a)").verdict is Verdict.INSUFFICIENT_DATA
    assert drifting(gone) == ["region"]


def test_the_same_segments_in_another_order_are_compared_once() -> None:
    assert check_settings(segments=[["a", "b"], ["b", "a"], ["a"]]).segments == (("a", "b"), ("a",))


def test_values_of_few_rows_are_no_segments_and_nulls_are_in_none() -> None:
    query = "CASE WHEN i < 20 THEN 'rare' WHEN i % 2 = 0 THEN 'often' END AS g, (i % 7)::DOUBLE / 2 AS x"
    assert [one.name for one in reference_of(make("r.parquet", query, n=200), segments=[["g"]]).segments] == [
        "g = often"
    ]


@pytest.mark.parametrize(
    ("query", "segments", "slug"),
    [
        ("i % 100 AS g, i::DOUBLE AS x", ["g"], "too-many-segments"),
        ("'v' || i AS g, i::DOUBLE AS x", ["g"], "bad-setting"),
        ("[1.0, 2.0] AS g, i::DOUBLE AS x", ["g"], "bad-setting"),
        ("i % 2 AS g, i::DOUBLE AS x", ["gg"], "unknown-name"),
        ("i % 2 AS g, i::DOUBLE AS x", ["g", "g"], "bad-setting"),
        ("i % 2 AS g, i::DOUBLE AS x", [""], "bad-setting"),
        ("i % 2 AS g, i::DOUBLE AS x", [], "bad-setting"),
        (", ".join(["i % 50 AS g", *(f"i % 3 AS x{k}" for k in range(120))]), ["g"], "too-many-segments"),
    ],
)
def test_segments_that_cannot_be_told_apart_are_refused(query: str, segments: list[str], slug: str) -> None:
    with pytest.raises(InputError) as error:
        reference_of(make("r.parquet", query), segments=[segments])
    assert error.value.slug == slug


def test_names_of_segments_differ_and_can_be_printed() -> None:
    query = "chr(7) || (i % 2) || repeat('long', 40) || (i % 4) AS g, '1 and h = 2' AS h, i::DOUBLE AS x"
    names = [
        one.name
        for one in reference_of(make("r.parquet", query), segments=[["g"], ["h"], ["g", "h"]]).segments
    ]
    assert len(set(names)) == len(names) == 9
    assert all(name.isprintable() and len(name) < 110 for name in names)


@pytest.mark.parametrize("engine", ["evidently", "ibis"])
def test_engines_that_know_no_segments_refuse_them(engine: str) -> None:
    settings = CheckSettings(segments=(("region",),))
    with pytest.raises(InputError) as error:
        get_engine(engine).check_settings(reference_of(make("r.parquet")), settings)
    assert error.value.slug == "bad-setting"


def test_a_monitor_keeps_its_segments_when_it_is_changed_and_renewed(
    registry: Registry, files: Files
) -> None:
    registry.model.register("model", files.text("weights"))
    add = registry.monitor.add
    monitor = add(
        "amounts", model="model", reference=make("r.parquet"), current=make("c.parquet", seed=1, shift=1),
        segments=[["region"]],
    )  # fmt: skip
    assert monitor.settings.segments == (("region",),)
    found = registry.monitor.run("amounts")
    assert [one.column for one in found.check.result.columns if one.verdict is Verdict.DRIFT] == [
        "amount (region = c)"
    ]
    registry.monitor.change("amounts", tolerance=0.9, reason="A test")
    assert registry.monitor.run("amounts").check.result.verdict is Verdict.NO_DRIFT
    renewed = registry.monitor.renew("amounts", to="anew", reference="c.parquet", reason="Retrained")
    assert renewed.settings.segments == (("region",),)
    assert registry.monitor.run("anew").check.result.verdict is Verdict.NO_DRIFT
    with pytest.raises(InputError) as error:
        registry.monitor.change("anew", engine="evidently", reason="A test")
    assert error.value.slug == "bad-setting"
    with pytest.raises(InputError) as error:
        add("pushed", model="model", reference="r.parquet", current="push:", segments=[["region"]])
    assert error.value.slug == "not-pushed"
