"""Reads of model versions and evaluations."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.registry.model import GateDecision, Scalar, VersionRef, parse_reference
from crisplens.registry.models.model import Part
from crisplens.registry.models.tables import EvaluationRow, ModelVersionRow, PromotionRow
from crisplens.registry.views import View, find_view, views


class ModelVersion(View, frozen=True, kw_only=True):
    """A model's artefact (`sha256:<hex>`, size in bytes), what it was trained on and the run that made it."""

    model: str
    version: int
    location: str
    digest: str
    size: int
    datasets: tuple[VersionRef, ...]
    parameters: dict[str, Scalar]
    run: str | None

    @property
    def ref(self) -> VersionRef:
        """`name@version`."""
        return VersionRef(self.model, self.version)


class Evaluation(View, frozen=True, kw_only=True):
    """A model version measured on a dataset version."""

    id: str
    model: VersionRef
    dataset: VersionRef
    metrics: dict[str, float]
    slices: tuple[Part, ...]
    classes: tuple[Part, ...]


class Promotion(View, frozen=True, kw_only=True):
    """A model version that took over an alias, and what the gates said before."""

    id: str
    model: str
    version: int
    alias: str
    note: str
    gates: tuple[GateDecision, ...]

    @property
    def ref(self) -> VersionRef:
        """`name@version`."""
        return VersionRef(self.model, self.version)


def list_model_versions(session: Session, project: str, model: str | None = None) -> list[ModelVersion]:
    """Versions of the project's models, or of one, in the order of registration."""
    query = select(ModelVersionRow).filter_by(project=project)
    if model is not None:
        query = query.filter_by(model=model)
    return views(session.connection().execute(query.order_by(ModelVersionRow.seq)), ModelVersion)


def newest_model_version(session: Session, project: str, model: str) -> int:
    """The highest version of a model; 0 when it has none."""
    query = select(func.max(ModelVersionRow.version)).filter_by(project=project, model=model)
    return session.scalar(query) or 0


def find_model_version(session: Session, project: str, ref: VersionRef) -> ModelVersion | None:
    """The project's model version of this reference, if any."""
    return find_view(session, ModelVersionRow, (project, ref.name, ref.version), ModelVersion)


def get_model_version(session: Session, project: str, reference: str | VersionRef) -> ModelVersion:
    """One model version. Raises `InputError` with the nearest names when there is none."""
    ref = parse_reference("model", reference)
    found = find_model_version(session, project, ref)
    if found is None:
        refs = [str(version.ref) for version in list_model_versions(session, project)]
        raise unknown_name(
            "model version",
            str(ref),
            refs,
            none_yet="Register one with `crisplens model register NAME FILE`.",
        )
    return found


def check_model(session: Session, project: str, name: str) -> str:
    """`name` if the project has a model of that name, else `InputError` with the nearest names."""
    if not newest_model_version(session, project, name):
        names = session.scalars(select(ModelVersionRow.model).filter_by(project=project))
        raise unknown_name(
            "model", name, names, none_yet="Register one with `crisplens model register NAME FILE`."
        )
    return name


def list_evaluations(session: Session, project: str) -> list[Evaluation]:
    """The project's evaluations, in the order of recording."""
    query = select(EvaluationRow).filter_by(project=project).order_by(EvaluationRow.seq)
    return views(session.connection().execute(query), Evaluation)


def list_promotions(session: Session, project: str, model: str | None = None) -> list[Promotion]:
    """Promotions of the project's models, or of one, in the order of recording; the last one of an alias holds it."""
    query = select(PromotionRow).filter_by(project=project)
    if model is not None:
        query = query.filter_by(model=check_model(session, project, model))
    return views(session.connection().execute(query.order_by(PromotionRow.seq)), Promotion)
