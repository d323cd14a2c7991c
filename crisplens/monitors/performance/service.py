"""Use cases that put a model's performance under watch: measured or estimated, variant by variant, and by its KPI."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.work import UnitOfWork
from crisplens.monitors import settings as options
from crisplens.monitors.adding import (
    begin,
    check_columns,
    check_new,
    check_time_column,
    column_names,
    keep_reference,
    measure_reference_of,
    plan_running,
    whole_running,
)
from crisplens.monitors.idle import OF_PERFORMANCE, refuse_idle
from crisplens.monitors.performance.plans import (
    PERFORMANCE_MEDIA_TYPE,
    KpiPlan,
    VariantPlan,
    check_borne,
    make_plan,
)
from crisplens.monitors.queries import Monitor
from crisplens.monitors.streaming.model import is_pushed
from crisplens.registry.data.locations import check_location

TOLERANCE = 0.05
CUT = 0.5
COVERAGE = 0.95
LABELS_WITHIN = "30d"


def add_performance_monitor(
    work: UnitOfWork,
    name: str,
    *,
    model: str,
    reference: str | os.PathLike[str],
    current: str,
    task: str,
    label: str,
    score: str | None = None,
    predicted: str | None = None,
    positive: str | None = None,
    cut: float | None = None,
    metrics: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    tolerance: float | None = None,
    level: float = 0.05,
    minimum_rows: int = 100,
    persistence: str | None = None,
    labels: str = "",
    key: Sequence[str] = (),
    coverage: float | None = None,
    labels_within: str | None = None,
    segments: Sequence[Sequence[str]] = (),
    groups: Sequence[str] = (),
    estimated: bool = False,
    estimate_by: Sequence[str] = (),
    window: str = "whole",
    window_every: str | None = None,
    time_column: str = "",
    lateness: str = "0s",
    schedule: str | None = None,
    zone: str = "UTC",
    trigger: str = "automatic",
    cool_down: int = 0,
    owner: str = "",
    escalate_to: str = "",
    escalate_after: int | None = None,
) -> Monitor:
    """Watch how well a model does: measured with labels, which may come late, or estimated without them.

    `reference` holds labelled predictions. A window is degraded when a metric's whole interval is beyond its limit:
    the one in `thresholds`, else that of the reference worsened by `tolerance`, a share of it. `PerformancePlan` says
    what is measured; `task` is binary, multiclass or regression, and a `score` of at least `cut` is positive unless
    `predicted` names the classes. Where None is given, the `tolerance` is 0.05, the `cut` 0.5, the `coverage` 0.95 and
    `labels_within` 30d. The rest is as in `add_monitor`, and so is what is raised.
    """
    from crisplens.monitors.performance.judging import check_room

    for location in (os.fspath(reference), current, labels):
        check_location(location)
    run = plan_running(window, window_every, time_column, lateness, schedule, zone)
    borne = TOLERANCE if tolerance is None else tolerance
    check_borne(borne)
    settings = options.check_settings(
        thresholds=thresholds,
        tolerance=borne,
        level=level,
        minimum_rows=minimum_rows,
        persistence=persistence,
        comes_alone=run.comes_alone,
    )
    if is_pushed(current):
        raise InputError(
            "performance is measured on rows, and of pushed ones only the profile is kept", slug="not-pushed"
        )
    plan = make_plan(
        task=task,
        label=label,
        score=score,
        predicted=predicted,
        positive=positive,
        cut=CUT if cut is None else cut,
        judged=metrics,
        limits=settings.thresholds,
        labels=labels,
        key=key,
        coverage=COVERAGE if coverage is None else coverage,
        labels_within=labels_within or LABELS_WITHIN,
        segments=segments,
        groups=groups,
        estimated=estimated,
        estimate_by=estimate_by,
    )
    asked = {
        "coverage": coverage,
        "labels_within": labels_within,
        "cut": cut,
        "groups": groups,
        "tolerance": tolerance,
    }
    refuse_idle(asked, OF_PERFORMANCE, (plan, settings))
    response = options.check_response(
        trigger=trigger,
        cool_down=cool_down,
        owner=owner,
        escalate_to=escalate_to,
        escalate_after=escalate_after,
    )
    looked_at, baseline = measure_reference_of(os.fspath(reference), plan)
    check_room(plan, settings, baseline)
    if time_column:
        check_time_column(time_column, column_names(os.fspath(reference)), current)
    if key:
        check_columns(key, "the current data", column_names(current))
        check_columns(key, "the labels", column_names(labels))
    check_new(work, name, model)
    kept = keep_reference(work, name, msgspec.json.encode(baseline), PERFORMANCE_MEDIA_TYPE)
    return begin(
        work,
        name,
        model=model,
        current=current,
        run=run,
        settings=settings,
        response=response,
        reference=looked_at,
        reference_profile=kept,
        plan=plan,
    )


def add_variants_monitor(
    work: UnitOfWork,
    name: str,
    *,
    model: str,
    current: str,
    variant: str,
    champion: str,
    challenger: str,
    outcome: str,
    higher_is_better: bool = True,
    minimum_effect: float | None = None,
    planned_rows: int = 10_000,
    share: float | None = None,
    level: float = 0.05,
    minimum_rows: int = 100,
    schedule: str | None = None,
    zone: str = "UTC",
    trigger: str = "never",
    owner: str = "",
    escalate_to: str = "",
    escalate_after: int | None = None,
) -> Monitor:
    """Compare two variants of a model by all rows so far, at every look, however many there are.

    `VariantPlan` and `VariantSettings` say how; the chance that equal variants are ever said to differ is `level`. A
    challenger that does worse is an alarm. Raises `InputError` for settings out of range, a column that the data has
    not, where it can be read already, and as `add_monitor`.
    """
    from crisplens.monitors.performance.variants import VariantSettings, check_variant_settings

    check_location(current)
    settings = options.check_settings(level=level, minimum_rows=minimum_rows)
    if share is not None and not 0 < share < 1:
        raise InputError(f"the share {share:g} is not between 0 and 1", slug="bad-setting")
    if champion == challenger:
        raise InputError("a variant is not compared with itself", slug="bad-setting")
    plan = VariantPlan(
        variant=variant,
        champion=champion,
        challenger=challenger,
        outcome=outcome,
        higher_is_better=higher_is_better,
        minimum_effect=minimum_effect,
        planned_rows=planned_rows,
        share=share,
    )
    check_variant_settings(
        VariantSettings(
            level=level, minimum_effect=minimum_effect, planned_rows=planned_rows, minimum_rows=minimum_rows
        )
    )
    response = options.check_response(
        trigger=trigger, owner=owner, escalate_to=escalate_to, escalate_after=escalate_after
    )
    run = whole_running(schedule, zone)
    check_columns((variant, outcome), "the current data", column_names(current))
    check_new(work, name, model)
    return begin(
        work, name, model=model, current=current, run=run, settings=settings, response=response, plan=plan
    )


def add_kpi_monitor(
    work: UnitOfWork,
    name: str,
    *,
    model: str,
    kpi: str,
    persistence: str | None = None,
    schedule: str | None = None,
    zone: str = "UTC",
    trigger: str = "ask",
    cool_down: int = 0,
    owner: str = "",
    escalate_to: str = "",
    escalate_after: int | None = None,
) -> Monitor:
    """Hold what is observed of a KPI against its target; missed in K/N of the newest (`persistence`), it is an alarm.

    Raises `InputError` for a KPI that is not set, and as `add_monitor`.
    """
    from crisplens.registry.value.queries import get_kpi

    settings = options.check_settings(persistence=persistence, comes_alone=persistence is None)
    get_kpi(work.session, work.project, kpi)
    response = options.check_response(
        trigger=trigger,
        cool_down=cool_down,
        owner=owner,
        escalate_to=escalate_to,
        escalate_after=escalate_after,
    )
    check_new(work, name, model)
    return begin(
        work,
        name,
        model=model,
        current=f"observations of {kpi}",
        run=whole_running(schedule, zone),
        settings=settings,
        response=response,
        plan=KpiPlan(kpi=kpi),
    )
