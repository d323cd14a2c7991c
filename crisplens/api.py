"""The Python API: a registry whose nouns and verbs are those of the command line."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

import crisplens.areas  # noqa: F401  (registers every projection)
from crisplens import migrations
from crisplens.audit import Verification, verify_registry
from crisplens.binding import Command, Noun, ProjectQuery, Query
from crisplens.core import clock
from crisplens.core.actor import Actor, resolve_actor
from crisplens.core.configuration import Configuration, load_configuration, write_configuration
from crisplens.core.database import open_engine, read_session, write_session
from crisplens.core.errors import CrisplensError, InputError
from crisplens.core.work import UnitOfWork, no_project
from crisplens.ledger import queries as ledger
from crisplens.ledger.service import lock_head
from crisplens.ledger.verdict import Progress
from crisplens.lifecycle import gate_queries
from crisplens.lifecycle import queries as lifecycle_queries
from crisplens.lifecycle import service as lifecycle
from crisplens.monitors import answers
from crisplens.monitors import queries as monitor_queries
from crisplens.monitors import service as monitors
from crisplens.registry.data import queries as data_queries
from crisplens.registry.data import service as data
from crisplens.registry.deployments import queries as deployment_queries
from crisplens.registry.evidence import queries as evidence_queries
from crisplens.registry.evidence import service as evidence
from crisplens.registry.lineage import queries as lineage_queries
from crisplens.registry.lineage import service as lineage
from crisplens.registry.models import queries as model_queries
from crisplens.registry.models import service as models
from crisplens.registry.projects import queries as project_queries
from crisplens.registry.projects import service as projects
from crisplens.registry.runs import queries as run_queries


def init(folder: str | os.PathLike[str] = ".") -> Registry:
    """Make `folder` the home of a registry: `crisplens.toml` and `.crisplens/registry.db`.

    What is there already is kept. Returns the registry, open.
    """
    home = Path(folder)
    try:
        home.mkdir(parents=True, exist_ok=True)
        configuration = load_configuration(home, parents=False)
        if configuration.registry.startswith("sqlite:///"):
            (configuration.folder / configuration.registry.removeprefix("sqlite:///")).parent.mkdir(
                parents=True, exist_ok=True
            )
    except OSError as error:
        raise InputError(f"cannot create a registry in {home}: {error.strerror}", slug="unwritable") from None
    migrations.upgrade(open_engine(configuration.registry, folder=configuration.folder, create=True))
    # Written last, so that it never names a registry that could not be made.
    write_configuration(home)
    return connect(folder=home)


def connect(
    registry: str | None = None,
    *,
    project: str | None = None,
    actor: str | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> Registry:
    """Open a registry: the one at URL `registry`, or the one that the configuration at `folder` names.

    `project` and `actor` override the configuration for every command given through it.
    Raises `RegistryError` when the registry is missing, is none, or has another release's schema.
    """
    configuration = load_configuration(Path(folder) if folder is not None else None)
    if registry is not None:
        configuration = replace(configuration, registry=registry)
    if project is not None:
        configuration = replace(configuration, project=project)
    opened = Registry(configuration, open_engine(configuration.registry, folder=configuration.folder), actor)
    try:
        with read_session(opened.engine) as session:
            migrations.check_schema(session.connection())
    except CrisplensError:
        opened.engine.dispose()
        raise
    return opened


class Registry:
    """An open registry. Every method of its nouns is one transaction, or one consistent read."""

    def __init__(self, configuration: Configuration, engine: Engine, actor: str | None = None) -> None:
        self.configuration = configuration
        self.engine = engine
        self._actor = actor
        self.project = Projects(self)
        self.goal = Goals(self)
        self.kpi = Kpis(self)
        self.source = Sources(self)
        self.data = Data(self)
        self.run = Runs(self)
        self.model = Models(self)
        self.evaluation = Evaluations(self)
        self.evidence = EvidenceFiles(self)
        self.lineage = Lineage(self)
        self.checkpoint = Checkpoints(self)
        self.gate = Gates(self)
        self.approval = Approvals(self)
        self.cycle = Cycles(self)
        self.deployment = Deployments(self)
        self.monitor = Monitors(self)
        self.incident = Incidents(self)
        self.trigger = Triggers(self)
        self.report = Reports(self)
        self.audit = Audit(self)

    def acting_as(self, actor: str, *, project: str | None = None) -> Registry:
        """The same registry, used by another actor (and on another project, if named)."""
        configuration = replace(self.configuration, project=project or self.configuration.project)
        return Registry(configuration, self.engine, actor)

    @property
    def actor(self) -> Actor:
        """Who commands are recorded as. Raises `InputError` when nobody is named anywhere."""
        if self._actor is not None:
            return resolve_actor(self._actor, {}, None)
        return resolve_actor(None, os.environ, self.configuration.actor)

    @contextmanager
    def writing(self) -> Iterator[UnitOfWork]:
        """A unit of work: what is done in it is committed together at its end, or not at all."""
        actor = self.actor
        with write_session(self.engine, lock=lock_head) as session:
            yield UnitOfWork(
                session=session,
                actor=actor,
                now=clock.now(),
                evidence_folder=self.configuration.evidence_folder,
                project_name=self.configuration.project,
            )

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on one consistent state."""
        with read_session(self.engine) as session:
            yield session

    def require_project(self, session: Session) -> str:
        """The project that reads are about. Raises `InputError` when none is named or it does not exist."""
        if self.configuration.project is None:
            raise no_project()
        return project_queries.get_project(session, self.configuration.project).project


class Projects(Noun):
    """`crisplens project`"""

    add = Command(projects.add_project)
    list = Query(project_queries.list_projects)
    show = Query(project_queries.get_project)


class Goals(Noun):
    """`crisplens goal`"""

    set = Command(projects.set_goal)
    show = ProjectQuery(project_queries.find_goal)


class Kpis(Noun):
    """`crisplens kpi`"""

    set = Command(projects.set_kpi)
    list = ProjectQuery(project_queries.list_kpis)


class Sources(Noun):
    """`crisplens source`"""

    set = Command(data.set_data_source)
    list = ProjectQuery(data_queries.list_data_sources)


class Data(Noun):
    """`crisplens data`"""

    add = Command(data.add_data)
    list = ProjectQuery(data_queries.list_dataset_versions)
    show = ProjectQuery(data_queries.get_dataset_version)


class Runs(Noun):
    """`crisplens run`"""

    record = Command(lineage.record_run)
    list = ProjectQuery(run_queries.list_runs)
    show = ProjectQuery(run_queries.get_run)


class Models(Noun):
    """`crisplens model`"""

    register = Command(models.register_model)
    list = ProjectQuery(model_queries.list_model_versions)
    show = ProjectQuery(model_queries.get_model_version)


class Evaluations(Noun):
    """`crisplens evaluation`"""

    record = Command(models.record_evaluation)
    list = ProjectQuery(model_queries.list_evaluations)


class EvidenceFiles(Noun):
    """`crisplens evidence`"""

    add = Command(evidence.add_evidence)
    list = ProjectQuery(evidence_queries.list_evidence)


class Lineage(Noun):
    """`crisplens lineage`"""

    show = ProjectQuery(lineage_queries.show_lineage)


class Checkpoints(Noun):
    """`crisplens checkpoint`"""

    record = Command(lifecycle.record_checkpoint)
    list = ProjectQuery(lifecycle_queries.list_checkpoints)


class Gates(Noun):
    """`crisplens gate`"""

    check = ProjectQuery(gate_queries.query_gate)
    list = ProjectQuery(gate_queries.list_gates)


class Approvals(Noun):
    """`crisplens approval`"""

    grant = Command(lifecycle.grant_approval)
    reject = Command(lifecycle.reject_approval)
    list = ProjectQuery(lifecycle_queries.list_approvals)


class Cycles(Noun):
    """`crisplens cycle`"""

    open = Command(lifecycle.open_cycle)
    list = ProjectQuery(lifecycle_queries.list_cycles)


class Deployments(Noun):
    """`crisplens deployment`"""

    record = Command(lifecycle.record_deployment)
    list = ProjectQuery(deployment_queries.list_deployments)


class Monitors(Noun):
    """`crisplens monitor`"""

    _registry: Registry

    add = Command(monitors.add_monitor)
    list = ProjectQuery(monitor_queries.list_monitors)
    history = ProjectQuery(monitor_queries.list_checks)
    _get = ProjectQuery(monitor_queries.get_monitor)

    def run(
        self, name: str, *, engine: str | None = None, current: str | None = None
    ) -> monitors.CheckRecorded:
        """Check a monitor's current data (or `current`) now, and record what was found.

        Raises `InputError` when the data cannot be read at all, `RegistryError` when the engine fails.
        """
        self._registry.actor  # noqa: B018  (refuse before the work, not after it)
        found = monitors.carry_out_check(
            self._get(name),
            evidence_folder=self._registry.configuration.evidence_folder,
            engine=engine,
            current=current,
        )
        with self._registry.writing() as work:
            return monitors.record_check(work, found)


class Incidents(Noun):
    """`crisplens incident`"""

    acknowledge = Command(answers.acknowledge_incident)
    resolve = Command(answers.resolve_incident)
    list = ProjectQuery(monitor_queries.list_incidents)


class Triggers(Noun):
    """`crisplens trigger`"""

    acknowledge = Command(answers.acknowledge_trigger)
    resolve = Command(lifecycle.resolve_trigger)
    dismiss = Command(answers.dismiss_trigger)
    list = ProjectQuery(monitor_queries.list_triggers)


class Reports(Noun):
    """`crisplens report`"""

    _registry: Registry

    def audit(self, *, format: str = "html") -> str:
        """The audit report of the project as text: `html` (one self-contained file) or `json`."""
        from crisplens.reports.audit_report import build_audit_report
        from crisplens.reports.rendering import render_html, render_json

        if format not in ("html", "json"):
            raise InputError(
                f"there is no report format {format!r}", slug="bad-choice", hint="Accepted: html, json."
            )
        with self._registry.reading() as session:
            report = build_audit_report(
                session,
                self._registry.require_project(session),
                evidence_folder=self._registry.configuration.evidence_folder,
                now=clock.now(),
            )
        return render_html(report) if format == "html" else render_json(report)


class Audit(Noun):
    """`crisplens audit`"""

    _registry: Registry

    head = Query(ledger.tree_head)
    log = Query(ledger.read_events)

    def verify(self, progress: Progress | None = None) -> Verification:
        """Check the log, the tables and the evidence: verdicts that are never blended."""
        with self._registry.reading() as session:
            return verify_registry(session, self._registry.configuration.evidence_folder, progress)
