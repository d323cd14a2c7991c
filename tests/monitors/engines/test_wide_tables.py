"""Tables of very many columns: the same profiles as of few, bounded in time, in memory and in the record."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from crisplens.api import Registry
from crisplens.monitors.engines import _wide
from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.duckdb_engine import profile_current, profile_reference
from crisplens.monitors.engines.interface import Reference, Rows
from crisplens.monitors.model import (
    CheckResult,
    CheckSettings,
    ColumnCheck,
    NumericProfile,
    Profile,
    Verdict,
)
from crisplens.monitors.results import MOST_COLUMNS, bounded
from crisplens.registry.data.tabular import connect, open_table, quote_text
from tests.conftest import Files

COLUMNS = 310
KINDS = {
    "whole": "hash(i, {k}) % 500",
    "few": "hash(i, {k}) % 7",
    "huge": "(hash(i, {k}) % 500)::HUGEINT * 1000000000000000000000",
    "decimal": "((hash(i, {k}) % 5000) / 7)::DECIMAL(18, 4)",
    "number": "CASE i % 9 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN '-inf'::DOUBLE "
    "ELSE (hash(i, {k}) % 3000) / 7 END",
    "float": "((hash(i, {k}) % 90) / 7)::FLOAT",
    "extreme": "(hash(i, {k}) % 90) * 1e304",
    "text": "CASE WHEN i % 5 > 0 THEN 'v' || (hash(i, {k}) % 20) END",
    "flag": "hash(i, {k}) % 2 = 0",
    "nothing": "NULL::DOUBLE",
    "comment": "'some words ' || hash(i, {k})",
    "id": "'id' || hash(i, {k})",
    "day": "DATE '2024-01-01' + i::INT",
    "vector": "[i, {k}, 1]::DOUBLE[]",
}


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(name: str, n: int = 300, seed: int = 0, kinds: dict[str, str] = KINDS) -> str:
    """A table with each kind of column some times over."""
    names = [f"{kind}_{k}" for k in range(COLUMNS // len(kinds) + 1) for kind in kinds]
    columns = ", ".join(
        f"{kinds[one.split('_')[0]].replace('{k}', str(at + seed))} AS {one}" for at, one in enumerate(names)
    )
    form = "parquet" if name.endswith("parquet") else "csv, header"
    connect().execute(f"COPY (SELECT {columns} FROM range({n}) t(i)) TO {quote_text(name)} (FORMAT {form})")
    return name


def assert_same(a: Any, b: Any) -> None:
    if isinstance(a, NumericProfile) and isinstance(b, NumericProfile) and a.mean is not None:
        assert a.mean == pytest.approx(b.mean, rel=1e-9)
        assert a.m2 == pytest.approx(b.m2, rel=1e-9, abs=1e-9)
        a, b = (msgspec.structs.replace(one, mean=None, m2=None) for one in (a, b))
    assert a == b


@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_a_column_of_a_wide_table_is_profiled_as_one_of_a_narrow_table(ending: str) -> None:
    reference, current = open_table(make(f"r.{ending}")), open_table(make(f"c.{ending}", n=200, seed=3))
    wide = profile_reference(reference)
    assert len(wide.columns) > COLUMNS
    chosen = [f"{kind}_1" for kind in KINDS]
    narrow = profile_reference(reference, chosen)
    by_name = {one.name: one for one in wide.columns}
    assert {source.column for source in wide.features} >= {source.column for source in narrow.features}
    for one in narrow.columns:
        assert_same(by_name[one.name], one)
    now = {one.name: one for one in profile_current(current, wide).columns}
    for one in profile_current(current, wide, chosen).columns:
        assert_same(now[one.name], one)


def test_a_window_without_some_columns_or_with_other_types_is_told_so() -> None:
    profile = profile_reference(open_table(make("r.parquet")))
    changed = {**KINDS, "whole": "'x' || i", "text": "i", "flag": "NULL"}
    del changed["few"]
    result = get_engine("duckdb").check(
        Reference(None, profile), Rows(open_table(make("c.parquet", kinds=changed))), CheckSettings()
    )
    verdicts = {one.column: one.verdict for one in result.check.columns}
    assert verdicts["few_1"] is Verdict.MISSING_COLUMN
    assert verdicts["whole_1"] is verdicts["text_1"] is Verdict.WRONG_TYPE
    assert verdicts["flag_1"] is Verdict.ALL_NULL


def test_the_quantiles_of_a_wide_table_are_values_of_it() -> None:
    ordered = [float(i) for i in range(10)]
    found = _wide.quantiles(ordered)
    assert (found[0], found[-1]) == (0.0, 9.0)
    assert set(found) == set(ordered)
    assert found == sorted(found)


def test_a_wide_profile_holds_fewer_distinct_values_in_all() -> None:
    assert _wide.exact_values(20) == 1000
    assert _wide.exact_values(1000) == 1000
    assert _wide.exact_values(10_000) == 100


def check_of(verdicts: list[tuple[Verdict, float | None]]) -> CheckResult:
    columns = tuple(
        ColumnCheck(column=f"c{at}", kind=None, verdict=verdict, reason="", effect=effect)
        for at, (verdict, effect) in enumerate(verdicts)
    )
    return CheckResult(
        engine="duckdb",
        verdict=Verdict.DRIFT,
        reason="",
        columns=columns,
        reference_rows=1,
        current_rows=1,
        drifted=2,
        checked=3,
        drift_share=None,
    )


def test_drifting_and_bad_columns_are_recorded_first() -> None:
    result = check_of(
        [
            (Verdict.NO_DRIFT, 0.0),
            (Verdict.ALL_NULL, None),
            (Verdict.DRIFT, 0.2),
            (Verdict.NO_DRIFT, 0.1),
            (Verdict.DRIFT, 0.9),
        ]
    )
    kept = bounded(result, 4)
    assert [one.column for one in kept.columns] == ["c4", "c2", "c1", "c0"]
    assert (kept.left_out, kept.drifted, kept.checked) == (1, 2, 3)
    assert bounded(result, 5) is result


def test_a_result_that_is_not_cut_is_recorded_as_it_always_was() -> None:
    encoded = msgspec.json.encode(check_of([(Verdict.NO_DRIFT, 0.0)]))
    assert b"left_out" not in encoded


@pytest.mark.stored
def test_the_event_of_a_wide_check_is_bounded_and_all_of_it_is_evidence(
    registry: Registry, files: Files
) -> None:
    number = MOST_COLUMNS + 60
    for name, shift in (("reference", 0), ("window", 50)):
        header = ",".join(f"c{k}" for k in range(number))
        rows = "\n".join(
            ",".join(str((i * (k + 3)) % 17 + (shift if k == number - 1 else 0) + 0.5) for k in range(number))
            for i in range(40)
        )
        (files.folder / f"{name}.csv").write_text(f"{header}\n{rows}\n")
    registry.model.register("wide", files.text("weights"))
    registry.monitor.add(
        "nightly",
        model="wide",
        reference=files.folder / "reference.csv",
        current=str(files.folder / "window.csv"),
    )
    recorded = registry.monitor.run("nightly")
    found = recorded.check.result
    assert (len(found.columns), found.left_out) == (MOST_COLUMNS, number - MOST_COLUMNS)
    assert (found.columns[0].column, found.columns[0].verdict) == (f"c{number - 1}", "drift")
    names = {kept.digest: kept.name for kept in registry.evidence.list()}
    assert [names[digest] for digest in recorded.check.attachments] == [
        "check-1-profile.json",
        "check-1-result.json",
    ]
    whole = msgspec.json.decode(registry.evidence.get(recorded.check.attachments[1]), type=CheckResult)
    assert [one.column for one in whole.columns] == [f"c{k}" for k in range(number)]
    profile = msgspec.json.decode(registry.evidence.get(recorded.check.attachments[0]), type=Profile)
    assert len(profile.columns) == number
