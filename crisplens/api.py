"""The Python API: a registry whose nouns and verbs are those of the command line."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from crisplens import migrations
from crisplens.binding import Noun
from crisplens.core import clock
from crisplens.core.actor import Actor, resolve_actor
from crisplens.core.configuration import Configuration, load_configuration, write_configuration
from crisplens.core.database import disposing, open_engine, read_session, write_session
from crisplens.core.errors import CrisplensError, InputError
from crisplens.core.work import UnitOfWork, no_project
from crisplens.ledger.past import Past
from crisplens.ledger.points import Point, resolve_point
from crisplens.ledger.service import flush, lock_head
from crisplens.lifecycle.roles.service import authorise
from crisplens.nouns import NOUNS
from crisplens.registry.projects.queries import get_project
from crisplens.transactions import JoinedCommands

if TYPE_CHECKING:
    from crisplens.ledger.notes import NoteSigner
    from crisplens.nouns.audit import Audit
    from crisplens.nouns.checkpoints import Checkpoints
    from crisplens.nouns.evidence import EvidenceFiles
    from crisplens.nouns.governance import Controls, Frameworks, Policies, Status
    from crisplens.nouns.incidents import Incidents, Triggers
    from crisplens.nouns.keys import Keys
    from crisplens.nouns.lifecycle import Approvals, Cycles, Deployments, Gates, Overrides, Risks, Roles
    from crisplens.nouns.monitors import Monitors
    from crisplens.nouns.notifications import Notifications
    from crisplens.nouns.registry import (
        Costs,
        Data,
        Evaluations,
        Goals,
        Kpis,
        Lineage,
        Models,
        Projects,
        Runs,
        Sources,
    )
    from crisplens.nouns.reports import Reports
    from crisplens.nouns.schedules import Schedules
    from crisplens.nouns.scheduling import Scheduler


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
    with disposing(open_engine(configuration.registry, folder=configuration.folder, create=True)) as engine:
        migrations.upgrade(engine)
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

    project: Projects
    goal: Goals
    kpi: Kpis
    cost: Costs
    source: Sources
    data: Data
    run: Runs
    model: Models
    evaluation: Evaluations
    evidence: EvidenceFiles
    key: Keys
    lineage: Lineage
    checkpoint: Checkpoints
    control: Controls
    policy: Policies
    role: Roles
    risk: Risks
    gate: Gates
    override: Overrides
    approval: Approvals
    cycle: Cycles
    status: Status
    coverage: Frameworks
    deployment: Deployments
    monitor: Monitors
    incident: Incidents
    trigger: Triggers
    schedule: Schedules
    scheduler: Scheduler
    notification: Notifications
    report: Reports
    audit: Audit

    def __init__(
        self,
        configuration: Configuration,
        engine: Engine,
        actor: str | None = None,
        past: Past | None = None,
        joined: JoinedCommands | None = None,
    ) -> None:
        self.configuration = configuration
        self.engine = engine
        self._actor = actor
        self._past = past
        self._joined = joined

    def __getattr__(self, name: str) -> Noun:
        """The noun of that name, imported now."""
        if name not in NOUNS:
            raise AttributeError(f"a registry has no {name}", name=name, obj=self)
        module, kind = NOUNS[name]
        noun: Noun = getattr(importlib.import_module(f"crisplens.nouns.{module}"), kind)(self)
        setattr(self, name, noun)
        return noun

    def __dir__(self) -> list[str]:
        """Its attributes, nouns included."""
        return sorted({*super().__dir__(), *NOUNS})

    def acting_as(self, actor: str, *, project: str | None = None) -> Registry:
        """The same registry, used by another actor (and on another project, if named)."""
        configuration = replace(self.configuration, project=project or self.configuration.project)
        return Registry(configuration, self.engine, actor, self._past, self._joined)

    @contextmanager
    def transaction(self) -> Iterator[Registry]:
        """The same registry, whose commands are committed together when the `with` statement ends, or not at all.

        Ten thousand recordings take a tenth of the time each this way. Queries see what was recorded before them.
        Other writers wait meanwhile. A command that fails ends it: the error must leave the `with` statement.
        Within another transaction it is a part of that one. Commands of this thread that are given to another
        registry meanwhile, and not to this one, raise `InputError`: they would wait for themselves.
        """
        if self._joined:
            with self._joined.command():
                yield self
            return
        with write_session(self.engine, lock=lock_head, finish=flush) as session:
            joined = JoinedCommands(session)
            yield Registry(self.configuration, self.engine, self._actor, self._past, joined)
            joined.check()

    def on_project(self, project: str) -> Registry:
        """The same registry, used on another project."""
        configuration = replace(self.configuration, project=project)
        return Registry(configuration, self.engine, self._actor, self._past, self._joined)

    def as_of(self, point: str | int) -> Registry:
        """The same registry for reading, as the record was at a point: an event's number, or a time (ISO 8601).

        Event 41 means the log of events 0 to 41, a time the longest beginning of the log that was recorded by then.
        Commands are refused. Close it, or use it in a `with` statement: it replays the log into a database of its
        own when something is first read. Raises `InputError` for what is no point of the log.
        """
        # Replaying reads events of every area.
        import crisplens.areas  # noqa: F401

        with self.reading_log() as session:
            chosen = resolve_point(session, point)
        return Registry(self.configuration, self.engine, self._actor, Past(chosen, self.reading_log))

    @property
    def in_transaction(self) -> bool:
        """Whether commands share a transaction, so that they are not committed when they return."""
        return self._joined is not None

    @property
    def point(self) -> Point | None:
        """The point of the log that reads are as of; None when they are of the record as it is now."""
        return self._past.point if self._past else None

    def close(self) -> None:
        """Close the database's connections; of a registry as of a point, only what it made for itself."""
        if self._past:
            self._past.close()
        else:
            self.engine.dispose()

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def actor(self) -> Actor:
        """Who commands are recorded as.

        Raises `InputError` when nobody is named anywhere, or the registry is as of a point: nobody acts in the past.
        """
        if self._past:
            raise InputError(
                f"nothing is recorded in the past: this is the record as of {self._past.point}",
                slug="as-of",
                hint="Give commands to the registry as it is now.",
            )
        if self._actor is not None:
            return resolve_actor(self._actor, {}, None)
        return resolve_actor(None, os.environ, self.configuration.actor)

    @contextmanager
    def writing(self) -> Iterator[UnitOfWork]:
        """A unit of work: what is done in it is committed together at its end, or not at all."""
        actor = self.actor
        alone = write_session(self.engine, lock=lock_head, finish=flush)
        with self._joined.command() if self._joined else alone as session:
            yield UnitOfWork(
                session=session,
                actor=actor,
                now=clock.now(),
                evidence=self.configuration.open_evidence(),
                project_name=self.configuration.project,
                authorise=authorise,
            )

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on one consistent state of the record: now, or as of the registry's point."""
        with self._past.reading() if self._past else self.reading_log() as session:
            yield session

    @contextmanager
    def reading_log(self) -> Iterator[Session]:
        """A session on the database itself, which alone has the log, as it is now."""
        with self._joined.query() if self._joined else read_session(self.engine) as session:
            yield session

    @property
    def signer(self) -> NoteSigner:
        """The log's private key, from the file or the environment. Raises `InputError` when there is none."""
        from crisplens.registry.keys.files import load_signer

        return load_signer(self.configuration.signing_key, self.configuration.folder)

    def require_project(self, session: Session) -> str:
        """The project that reads are about. Raises `InputError` when none is named or it does not exist."""
        if self.configuration.project is None:
            raise no_project()
        return get_project(session, self.configuration.project).project
