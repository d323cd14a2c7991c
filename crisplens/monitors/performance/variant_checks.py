"""All rows so far of two variants of a model, summed in one scan and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping

from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors.engines.interface import EngineResult, Rows
from crisplens.monitors.model import CheckResult, CheckSettings, ColumnCheck, ColumnSummary, Verdict
from crisplens.monitors.performance.plans import VariantPlan
from crisplens.monitors.performance.reading import create, is_empty, number_sql, text_sql
from crisplens.monitors.performance.variants import (
    Split,
    VariantSettings,
    VariantStatistics,
    VariantVerdict,
    check_split,
    compare_variants,
)
from crisplens.registry.data.tabular import Column, connected, quote_name

ENGINE = "duckdb"
MOST_VARIANTS = 1000
_BAD_DATA = frozenset({"unknown-name", "not-a-number"})


def check_variants(plan: VariantPlan, settings: CheckSettings, rows: Rows) -> EngineResult:
    """Whether the challenger does worse than the champion: degraded; better, equal or not known yet: not degraded.

    Columns and variants that are missing, and rows that do not fall to the variants as planned, are bad data. Raises
    `InputError` for data that cannot be read at all.
    """
    try:
        found = count_variants(plan, rows)
    except InputError as error:
        if error.slug not in _BAD_DATA:
            raise
        return _result(Verdict.BAD_DATA, f"{error.message[:1].upper()}{error.message[1:]}. {error.hint}", 0)
    champion, challenger = found[plan.champion], found[plan.challenger]
    total = champion.rows + challenger.rows
    split = _split(plan, champion, challenger)
    if split is not None and not split.as_planned:
        return _result(Verdict.BAD_DATA, split.reason, total)
    rules = VariantSettings(
        level=settings.level,
        higher_is_better=plan.higher_is_better,
        minimum_effect=plan.minimum_effect,
        planned_rows=plan.planned_rows,
        minimum_rows=settings.minimum_rows,
    )
    compared = compare_variants(champion, challenger, rules)
    verdict = Verdict.DEGRADED if compared.verdict is VariantVerdict.WORSE else Verdict.NOT_DEGRADED
    if compared.low is None:
        verdict = Verdict.INSUFFICIENT_DATA
    check = ColumnCheck(
        column=plan.outcome,
        kind=None,
        method="variants",
        score=compared.estimate,
        low=compared.low,
        high=compared.high,
        threshold=0.0,
        p_value=compared.p_value,
        verdict=verdict,
        reason=compared.reason,
        reference=_summary(champion),
        current=_summary(challenger),
    )
    return _result(verdict, compared.reason, total, check)


def count_variants(plan: VariantPlan, rows: Rows) -> dict[str, VariantStatistics]:
    """The rows, sums and squares of both variants' outcomes; rows without an outcome are in none.

    Raises `InputError` for a column or variant that is not there, and an outcome that is no number.
    """

    def query(found: Mapping[str, Column], relation: str) -> str:
        chosen = f"{text_sql(found[plan.variant])} AS variant, {_outcome_sql(found[plan.outcome])} AS outcome"
        return f"SELECT {chosen} FROM {relation}"

    with connected() as connection:
        create(
            *(connection, "joined", rows.table, [plan.variant, plan.outcome], [plan.variant], query),
            only=rows.only,
        )
        counted = connection.execute(
            "SELECT variant, count(outcome), coalesce(fsum(outcome), 0), coalesce(fsum(outcome ** 2), 0) "
            f"FROM joined WHERE variant IS NOT NULL GROUP BY variant LIMIT {MOST_VARIANTS}"
        ).fetchall()
        empty = not counted and is_empty(connection, rows.table)
    known = {
        str(name): VariantStatistics(
            name=str(name), rows=int(count), total=float(total), squares=float(squares)
        )
        for name, count, total, squares in counted
    }
    for one in known.values():
        if not math.isfinite(one.total + one.squares):
            raise InputError(f"the outcomes of {one.name!r} are too large to be summed", slug="not-a-number")
    for name in (plan.champion, plan.challenger):
        if name not in known and not empty:
            raise unknown_name(f"variant in the column {plan.variant}", name, known)
        known.setdefault(name, VariantStatistics(name=name, rows=0, total=0.0, squares=0.0))
    return known


def _outcome_sql(outcome: Column) -> str:
    if outcome.type != "BOOLEAN":
        return number_sql(outcome)
    # DuckDB hands a cast down to its reader of CSV, which then reads no `true`.
    name = quote_name(outcome.name)
    return f"CASE WHEN {name} THEN 1 WHEN NOT {name} THEN 0 END"


def _split(plan: VariantPlan, champion: VariantStatistics, challenger: VariantStatistics) -> Split | None:
    if plan.share is None or not champion.rows + challenger.rows:
        return None
    return check_split([champion.rows, challenger.rows], [1 - plan.share, plan.share])


def _summary(variant: VariantStatistics) -> ColumnSummary:
    mean = variant.total / variant.rows if variant.rows else None
    return ColumnSummary(rows=variant.rows, nulls=0, mean=mean)


def _result(verdict: Verdict, reason: str, rows: int, *checks: ColumnCheck) -> EngineResult:
    result = CheckResult(
        engine=ENGINE,
        verdict=verdict,
        reason=reason.strip(),
        columns=checks,
        # All rows are looked at, and none are a reference.
        reference_rows=0,
        current_rows=rows,
        drifted=int(verdict is Verdict.DEGRADED),
        checked=int(verdict in (Verdict.DEGRADED, Verdict.NOT_DEGRADED)),
        drift_share=None,
    )
    return EngineResult(result, None)
