"""Use cases of monitors: adding one, checking a window, recording what was found.

A check is three steps, so that no writer waits while data is read: load the monitor (`get_monitor`),
look at the data (`carry_out_check`, which touches no database), record what was found (`record_check`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import msgspec

from crisplens.core.content_store import ContentStore
from crisplens.core.decimals import check_number
from crisplens.core.errors import InputError
from crisplens.core.names import check_name
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.monitors.engines.by_name import get_engine
from crisplens.monitors.engines.interface import Attachment, Engine, EngineResult, Reference
from crisplens.monitors.events import IncidentOpened, MonitorAdded, MonitorChecked, TriggerRaised
from crisplens.monitors.model import CheckSettings, Profile, Verdict
from crisplens.monitors.queries import (
    Check,
    Incident,
    Monitor,
    Trigger,
    get_incident,
    get_monitor,
    get_trigger,
    list_incidents,
    list_monitors,
)
from crisplens.monitors.states import IncidentKind, Window
from crisplens.monitors.tables import CheckRow, IncidentRow, TriggerRow
from crisplens.registry.data.content import Bytes, digest_location
from crisplens.registry.data.tabular import open_table
from crisplens.registry.evidence.service import add_evidence_bytes
from crisplens.registry.models.queries import check_model
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import get_view, next_id

DEFAULT_ENGINE = "duckdb"
PROFILE_MEDIA_TYPE = "application/vnd.crisplens.profile+json"
KINDS = {Verdict.DRIFT: IncidentKind.DRIFT, Verdict.BAD_DATA: IncidentKind.BAD_DATA}


@dataclass(frozen=True)
class CheckFindings:
    """What `carry_out_check` found, ready to be recorded."""

    monitor: Monitor
    window: Window
    found: EngineResult


class CheckRecorded(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded check; `incident` and `trigger` are there when the check opened or belongs to an incident."""

    check: Check
    incident: Incident | None
    trigger: Trigger | None


def add_monitor(
    work: UnitOfWork,
    name: str,
    *,
    model: str,
    reference: str | os.PathLike[str],
    current: str,
    columns: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    methods: Mapping[str, str] | None = None,
    drift_share: float = CheckSettings().drift_share,
    minimum_rows: int = CheckSettings().minimum_rows,
    engine: str = DEFAULT_ENGINE,
) -> Monitor:
    """Watch a model's data: profile the reference once and keep the profile as evidence.

    `reference` and `current` are paths or globs of CSV or Parquet files. No `columns` means all of the
    reference's; `thresholds` and `methods` override the defaults per column; the window drifts when at
    least `drift_share` of the columns do.
    Raises `InputError` for data that cannot be read, unknown columns, models, methods or engines, or a
    name that is taken.
    """
    settings = _settings(columns, thresholds, methods, drift_share, minimum_rows)
    # Reading comes before the first statement, so that no other writer waits for it.
    window, profile = _profile_reference(os.fspath(reference), settings, get_engine(engine))
    get_project(work.session, work.project)
    check_name("monitor", name)
    check_model(work.session, work.project, model)
    if name in {monitor.name for monitor in list_monitors(work.session, work.project)}:
        raise InputError(f"monitor {name!r} exists already", slug="exists", hint="Choose another name.")
    kept = add_evidence_bytes(
        work,
        msgspec.json.encode(profile),
        name=f"{name}-reference-profile.json",
        media_type=PROFILE_MEDIA_TYPE,
    )
    event = MonitorAdded(
        name=name,
        model=model,
        reference=window,
        reference_profile=kept.digest,
        current=current,
        engine=engine,
        settings=settings,
    )
    append(work, event)
    return get_monitor(work.session, work.project, name)


def carry_out_check(
    monitor: Monitor, *, evidence: ContentStore, engine: str | None = None, current: str | None = None
) -> CheckFindings:
    """Compare the monitor's current data (or `current`) with its reference; no database is touched.

    Raises `InputError` when the data cannot be read at all, `RegistryError` when the engine fails.
    """
    location = current or monitor.current
    profile = msgspec.json.decode(evidence.read(monitor.reference_profile), type=Profile)
    chosen = get_engine(engine or monitor.engine)
    table = open_table(monitor.reference.location) if chosen.name != DEFAULT_ENGINE else None
    if table is not None and digest_location(monitor.reference.location).digest != monitor.reference.digest:
        raise InputError(
            f"the reference {monitor.reference.location} is not the data that the monitor was added with",
            slug="reference-changed",
            hint=f"Engine {chosen.name} needs its rows: restore the file, or use --engine {DEFAULT_ENGINE}.",
        )
    window = open_table(location)
    with ThreadPoolExecutor(max_workers=1) as pool:
        digesting = pool.submit(digest_location, location)
        found = chosen.check(Reference(table=table, profile=profile), window, monitor.settings)
        content = digesting.result()
    return CheckFindings(monitor, _window(location, content, found.check.current_rows), found)


def record_check(work: UnitOfWork, findings: CheckFindings) -> CheckRecorded:
    """Record what a check found. Drift or bad data opens an incident, unless one is open for that cause;
    a new drift incident raises a retraining trigger."""
    monitor, found = findings.monitor, findings.found
    check_id = next_id(work.session, work.project, CheckRow, "check")
    attachments = [*found.attachments]
    if found.current_profile is not None:
        profile = msgspec.json.encode(found.current_profile)
        attachments.insert(0, Attachment("profile.json", PROFILE_MEDIA_TYPE, profile))
    digests = tuple(
        add_evidence_bytes(
            work, kept.content, name=f"{check_id}-{kept.name}", media_type=kept.media_type
        ).digest
        for kept in attachments
    )
    kind = KINDS.get(found.check.verdict)
    known = _open_incident(work, monitor.name, kind) if kind else None
    incident = (
        known.id if known else next_id(work.session, work.project, IncidentRow, "incident") if kind else None
    )
    append(
        work,
        MonitorChecked(
            id=check_id,
            monitor=monitor.name,
            window=findings.window,
            result=found.check,
            attachments=digests,
            incident=incident,
        ),
    )
    trigger = None
    if kind and incident and not known:
        trigger = _open(work, monitor, check_id, incident, kind, found.check.reason)
    return CheckRecorded(
        check=get_view(work.session, CheckRow, (work.project, check_id), Check),
        incident=get_incident(work.session, work.project, incident) if incident else None,
        trigger=get_trigger(work.session, work.project, trigger) if trigger else None,
    )


def _open(
    work: UnitOfWork, monitor: Monitor, check_id: str, incident: str, kind: IncidentKind, summary: str
) -> str | None:
    opened = IncidentOpened(
        id=incident, monitor=monitor.name, model=monitor.model, check_id=check_id, kind=kind, summary=summary
    )
    append(work, opened)
    if kind is not IncidentKind.DRIFT:
        return None
    trigger = next_id(work.session, work.project, TriggerRow, "trigger")
    reason = f"{check_id} of {monitor.name}: {summary}"
    append(
        work,
        TriggerRaised(
            id=trigger, incident=incident, monitor=monitor.name, model=monitor.model, reason=reason
        ),
    )
    return trigger


def _open_incident(work: UnitOfWork, monitor: str, kind: IncidentKind) -> Incident | None:
    incidents = list_incidents(work.session, work.project)
    same = (one for one in incidents if one.is_open and one.monitor == monitor and one.kind == kind)
    return next(same, None)


def _settings(
    columns: Sequence[str],
    thresholds: Mapping[str, float] | None,
    methods: Mapping[str, str] | None,
    drift_share: float,
    minimum_rows: int,
) -> CheckSettings:
    checked = {
        name: check_number(f"the threshold of {name}", value) for name, value in (thresholds or {}).items()
    }
    return CheckSettings(
        columns=tuple(columns),
        thresholds=checked,
        methods=dict(methods or {}),
        drift_share=check_number("the drift share", drift_share),
        minimum_rows=minimum_rows,
    )


def _profile_reference(location: str, settings: CheckSettings, engine: Engine) -> tuple[Window, Profile]:
    from crisplens.monitors.engines.duckdb_engine import profile_reference

    content = digest_location(location)
    profile = profile_reference(open_table(location), settings.columns)
    engine.check_settings(profile, settings)
    return _window(location, content, profile.rows), profile


def _window(location: str, content: Bytes, rows: int) -> Window:
    return Window(location=location, digest=content.digest, size=content.size, files=content.files, rows=rows)
