"""Use cases of models and evaluations."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from crisplens.core.canonical import digest_file
from crisplens.core.decimals import check_number
from crisplens.core.errors import InputError
from crisplens.core.names import check_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.registry.data.queries import get_dataset_version
from crisplens.registry.model import (
    GateDecision,
    Scalar,
    VersionRef,
    check_parameters,
    parse_reference,
    refuse_blocked,
)
from crisplens.registry.models.events import EvaluationRecorded, ModelVersionPromoted, ModelVersionRegistered
from crisplens.registry.models.model import Part
from crisplens.registry.models.queries import (
    Evaluation,
    ModelVersion,
    Promotion,
    find_model_version,
    get_model_version,
    list_promotions,
    newest_model_version,
)
from crisplens.registry.models.tables import EvaluationRow, PromotionRow
from crisplens.registry.projects.queries import get_project
from crisplens.registry.runs.queries import get_run
from crisplens.registry.versions import next_version
from crisplens.registry.views import get_view, next_id

Metrics = Mapping[str, float | str]


def register_model(
    work: UnitOfWork,
    name: str,
    artefact: str | os.PathLike[str],
    *,
    datasets: Sequence[str | VersionRef] = (),
    parameters: Mapping[str, Scalar] | None = None,
    run: str | None = None,
    version: int | None = None,
) -> ModelVersion:
    """Register a version of a model: the digest of its artefact, what it was trained on, and how.

    The artefact stays where it is. What the `run` used counts as training data too.
    Raises `InputError` for a file that cannot be read, names that nothing has, or a version that exists.
    """
    # Reading comes before the first statement, so that no other writer waits for it.
    digest, size = digest_file(Path(artefact))
    get_project(work.session, work.project)
    check_name("model", name)
    trained_on = dict.fromkeys(parse_reference("dataset", dataset) for dataset in datasets)
    if run is not None:
        trained_on |= dict.fromkeys(get_run(work.session, work.project, run).used_datasets)
    for ref in trained_on:
        get_dataset_version(work.session, work.project, ref)
    version = next_version(
        name,
        version,
        newest=newest_model_version(work.session, work.project, name),
        exists=lambda number: _exists(work, VersionRef(name, number)),
    )
    append(
        work,
        ModelVersionRegistered(
            model=name,
            version=version,
            location=os.fspath(artefact),
            digest=digest,
            size=size,
            datasets=tuple(trained_on),
            parameters=check_parameters(parameters or {}),
            run=run,
        ),
    )
    return get_model_version(work.session, work.project, VersionRef(name, version))


def record_evaluation(
    work: UnitOfWork,
    model: str | VersionRef,
    *,
    dataset: str | VersionRef,
    metrics: Metrics,
    slices: Mapping[str, Metrics] | None = None,
    classes: Mapping[str, Metrics] | None = None,
) -> Evaluation:
    """Record how a model version did on a dataset version: metrics overall, by slice and by class.

    Raises `InputError` for no metric, a metric that is not a finite number, or an unknown version.
    """
    get_project(work.session, work.project)
    model_version = get_model_version(work.session, work.project, model)
    dataset_version = get_dataset_version(work.session, work.project, dataset)
    if not metrics:
        raise InputError(
            "an evaluation needs at least one metric", slug="no-metric", hint="Give --metric NAME=NUMBER."
        )
    event = EvaluationRecorded(
        id=next_id(work.session, work.project, EvaluationRow, "evaluation"),
        model=model_version.ref,
        dataset=dataset_version.ref,
        metrics=_checked(metrics),
        slices=_parts(slices),
        classes=_parts(classes),
    )
    append(work, event)
    return get_view(work.session, EvaluationRow, (work.project, event.id), Evaluation)


def promote_model(
    work: UnitOfWork, model: str | VersionRef, *, alias: str, gates: Sequence[GateDecision], note: str = ""
) -> Promotion:
    """Let a model version take over an alias, through gates that are open or overridden; the history is kept.

    `gates` are the decisions on the version, made by `lifecycle`. Raises `InputError` for an unknown version, an
    alias that cannot be a name or that the version holds already; `Refused` when a gate is blocked.
    """
    version = get_model_version(work.session, work.project, model)
    check_name("alias", alias)
    held = [one for one in list_promotions(work.session, work.project, version.model) if one.alias == alias]
    if held and held[-1].ref == version.ref:
        raise InputError(
            f"{version.ref} is the {alias} already, since {held[-1].recorded_at[:10]}", slug="exists"
        )
    refuse_blocked(f"become the {alias}", [version.ref], gates)
    event = ModelVersionPromoted(
        id=next_id(work.session, work.project, PromotionRow, "promotion"),
        model=version.model,
        version=version.version,
        alias=alias,
        note=check_text("the note", note, required=False),
        gates=tuple(gates),
    )
    append(work, event)
    return get_view(work.session, PromotionRow, (work.project, event.id), Promotion)


def _exists(work: UnitOfWork, ref: VersionRef) -> bool:
    return find_model_version(work.session, work.project, ref) is not None


def _parts(parts: Mapping[str, Metrics] | None) -> tuple[Part, ...]:
    return tuple(
        Part(check_text("the name of a slice or class", name, most=200), _checked(metrics))
        for name, metrics in (parts or {}).items()
    )


def _checked(metrics: Metrics) -> dict[str, float]:
    return {
        check_name("metric", name): check_number(f"the metric {name}", value)
        for name, value in metrics.items()
    }
