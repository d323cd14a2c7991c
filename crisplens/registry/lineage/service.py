"""Recording runs: what was used, by whom, with which code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crisplens.core.clock import parse_time, to_text
from crisplens.core.decimals import check_number
from crisplens.core.errors import InputError
from crisplens.core.names import check_name
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.registry.data.queries import get_dataset_version
from crisplens.registry.model import Scalar, VersionRef, check_parameters, parse_reference
from crisplens.registry.models.queries import get_model_version
from crisplens.registry.projects.queries import get_project
from crisplens.registry.runs.events import RunRecorded
from crisplens.registry.runs.queries import Run, find_run, get_run


def record_run(
    work: UnitOfWork,
    name: str,
    *,
    activity: str = "training",
    used: Sequence[str | VersionRef] = (),
    used_models: Sequence[str | VersionRef] = (),
    parameters: Mapping[str, Scalar] | None = None,
    metrics: Mapping[str, float | str] | None = None,
    code_version: str = "",
    environment: Mapping[str, str] | None = None,
    started_at: str | None = None,
    ended_at: str | None = None,
) -> Run:
    """Record an activity: the dataset versions (and model versions) it used, and how it went.

    What it makes names it: `add_data(..., run=name)`, `register_model(..., run=name)`.
    Raises `InputError` for a name that is taken, an unknown version, a metric that is not a number,
    or a run that ended before it started.
    """
    get_project(work.session, work.project)
    check_name("run", name)
    if find_run(work.session, work.project, name):
        raise InputError(
            f"run {name!r} exists already", slug="exists", hint="Each run has a name of its own."
        )
    datasets = tuple(parse_reference("dataset", ref) for ref in used)
    for ref in datasets:
        get_dataset_version(work.session, work.project, ref)
    models = tuple(parse_reference("model", ref) for ref in used_models)
    for ref in models:
        get_model_version(work.session, work.project, ref)
    started = to_text(parse_time(started_at)) if started_at else None
    ended = to_text(parse_time(ended_at)) if ended_at else None
    if started and ended and ended < started:
        raise InputError(
            "the run ended before it started", slug="bad-time", hint=f"Started {started}, ended {ended}."
        )
    event = RunRecorded(
        name=name,
        activity=activity,
        used_datasets=datasets,
        used_models=models,
        parameters=check_parameters(parameters or {}),
        metrics={
            check_name("metric", key): check_number(f"the metric {key}", value)
            for key, value in (metrics or {}).items()
        },
        code_version=code_version,
        environment=dict(environment or {}),
        started_at=started,
        ended_at=ended,
    )
    append(work, event)
    return get_run(work.session, work.project, name)
