"""What each projected table is to a reader: the noun, how a row is named, and how its coming is told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from crisplens.changes.values import join_values, show_value
from crisplens.core.text import count

Row = Mapping[str, Any]


def _nothing(row: Row) -> str:
    return ""


@dataclass(frozen=True)
class Noun:
    """How a table's rows are told. Templates take the row's columns, and `name`, `by` and `at`.

    `key` is what a reader calls the row by, `name` the key with its noun, `added` the sentence on a new row and
    `detail` what follows it. `labels` are columns whose name is no word for a reader. Rows that events change in
    place name those `events`, the field (`named_by`) of theirs that holds the row's key, and the columns that are
    told otherwise (`silent`): by `moved`, the sentence on such a change.
    """

    what: str
    key: str
    name: str
    added: str
    detail: Callable[[Row], str] = _nothing
    labels: Mapping[str, str] | None = None
    events: tuple[str, ...] = ()
    named_by: tuple[str, ...] = ("id",)
    silent: frozenset[str] = frozenset()
    moved: Callable[[Row, Row], str] | None = None

    def key_of(self, row: Row) -> str:
        """What a reader calls this row by."""
        return self.key.format_map(row)

    def name_of(self, row: Row) -> str:
        """The row's key with its noun."""
        return self.name.format_map({**row, "key": self.key_of(row)})

    def touched_by(self, read: Callable[[str], Any]) -> str:
        """The key of the row that an event is about, or of a row: `read` gives a field of either."""
        return "@".join(str(read(field)) for field in self.named_by)

    def label(self, column: str) -> str:
        """What a reader calls a column."""
        return (self.labels or {}).get(column, column.replace("_", " "))


def _reference(value: Any) -> str:
    return f"{value['name']}@{value['version']}"


def _kpi(row: Row) -> str:
    sign = "at least" if row["direction"] == "higher" else "at most"
    return f"{sign} {row['target']} {row['unit']}".rstrip()


def _dataset(row: Row) -> str:
    rows = "" if row["rows"] is None else f", {count(row['rows'], 'row')}"
    return f"{row['location']}{rows}"


def _evaluation(row: Row) -> str:
    metrics = join_values(row["metrics"])
    return f"{_reference(row['model'])} on {_reference(row['dataset'])}, {metrics}"


def _deployment(row: Row) -> str:
    served = ", ".join(f"{_reference(one['model'])} ({one['traffic']}%)" for one in row["variants"])
    return f"{served} {row['kind']} in {row['environment']}"


def _check(row: Row) -> str:
    incident = f", {row['incident']}" if row["incident"] else ""
    return f"{row['verdict'].replace('-', ' ')}{incident}. {row['result']['reason']}"


def _evidence(row: Row) -> str:
    since = f", redacted since: {row['redacted_reason']}" if row["redacted_at"] else ""
    return f"{row['size']:,} bytes, {row['digest'][:19]}…{since}"


def _key(row: Row) -> str:
    since = f", revoked since: {row['revoked_reason']}" if row["revoked_at"] else ""
    return f"{row['purpose']} key of {row['owner']}{since}"


def _answered(said: str) -> Callable[[Row], str]:
    def detail(row: Row) -> str:
        since = "" if row["state"] == "open" else f" It is {row['state']} now{_answer(row)}"
        return f"{row[said]}{since}"

    return detail


def _answer(row: Row) -> str:
    version = row.get("resolved_by")
    by = f" by {_reference(version)}" if version else ""
    return f"{by}: {row['note']}" if row["note"] else by


def _state_moved(before: Row, after: Row) -> str:
    return f"{after['id']} went from {before['state']} to {after['state']}{_answer(after)}"


def _incident_moved(before: Row, after: Row) -> str:
    said = [_state_moved(before, after)] if before["state"] != after["state"] else []
    handed_up = after["escalations"][len(before["escalations"]) :]
    said += [f"{after['id']} was handed up to {one['to']}: {one['reason']}" for one in handed_up]
    linked = after["links"][len(before["links"]) :]
    said += [f"{after['id']} belongs with {one['target']}{_note(one)}" for one in linked]
    return "; ".join(said)


def _note(link: Row) -> str:
    return f" ({link['note']})" if link["note"] else ""


def _cost(row: Row) -> str:
    return f"{row['kind']}, {row['amount']} {row['currency']}, {_days(row)}"


def _observation(row: Row) -> str:
    worth = f", worth {row['worth']} {row['currency']}" if row["worth"] else ""
    return f"{row['kpi']} {row['value']}, {_days(row)}{worth}"


def _days(row: Row) -> str:
    return str(row["start"]) if row["start"] == row["end"] else f"{row['start']} to {row['end']}"


def _risk(row: Row) -> str:
    since = f". It is closed now: {row['close_reason']}" if row["closed_at"] else ""
    return f"{row['title']}, {row['likelihood']} and {row['impact']}, owner {row['owner']}{since}"


def _risk_moved(before: Row, after: Row) -> str:
    parts = []
    if before["reviewed_at"] != after["reviewed_at"]:
        parts.append(f"{after['id']} was reviewed by {after['reviewed_by']}: {after['review_note']}")
    if before["state"] != after["state"]:
        parts.append(
            f"{after['id']} went from {before['state']} to {after['state']}: {after['close_reason']}"
        )
    parts += [
        f"its {field} went from {before[field]} to {after[field]}"
        for field in ("likelihood", "impact")
        if before[field] != after[field]
    ]
    return "; ".join(parts) or f"{after['id']} was stated again as it was"


def _for_phases(row: Row) -> str:
    return f" for {', '.join(row['phases'])}" if row["phases"] else ""


def _since(row: Row, said: str) -> str:
    return f"{said}. Withdrawn since: {row['withdrawn_reason']}" if row["withdrawn_at"] else said


def _withdrawn(before: Row, after: Row) -> str:
    return f"{after['id']} was withdrawn by {after['withdrawn_by']}: {after['withdrawn_reason']}"


def _override(row: Row) -> str:
    about = f" of {row['subject']}" if row["subject"] else ""
    found = f". Found {row['outcome']}: {row['review_note']}" if row["outcome"] else ""
    return f"{row['phase']}{about} until {row['until']}, as {row['role']}: {row['reason']}{found}"


def _gates(row: Row) -> str:
    overridden = [one["override"] for one in row["gates"] if one.get("override")]
    told = f"through {len(row['gates'])} gates" + (f", {', '.join(overridden)}" if overridden else "")
    return f"{told}: {row['note']}" if row["note"] else told


def _evidence_moved(before: Row, after: Row) -> str:
    parts = []
    if before["redacted_at"] != after["redacted_at"]:
        parts.append(f"evidence {after['name']} was redacted: {after['redacted_reason']}")
    if before["fault"] != after["fault"]:
        parts.append(
            f"a check found that evidence {after['name']} {after['fault']}"
            if after["fault"]
            else f"evidence {after['name']} was found to be as recorded again"
        )
    return "; ".join(parts)


def _checkpoint(row: Row) -> str:
    about = f"on {row['subject']}, " if row["subject"] else ""
    answers = ", ".join(f"{one['control']} {one['answer']}" for one in row["answers"])
    told = "; ".join(part for part in (row["summary"], answers) if part)
    return f"{about}cycle {row['cycle']}" + (f": {told}" if told else "")


_RETIRED = frozenset({"retired_by", "retired_at", "retired_reason"})
_ENDED = frozenset({"ended_by", "ended_at", "ended_reason"})
_ANSWERED = frozenset({"state", "acknowledged_by", "acknowledged_at", "closed_by", "closed_at", "note"})
_REDACTED = frozenset({"redacted_reason", "redacted_by", "redacted_at", "fault", "fault_seq"})
_WITHDRAWN = frozenset({"withdrawn_reason", "withdrawn_by", "withdrawn_at", "withdrawn_seq"})
_REPLACED = frozenset({"replaced_by", "replaced_reason", "replaced_seq"})
_REVIEWED = frozenset(
    {
        "state",
        "reviewed_by",
        "reviewed_at",
        "review_note",
        "closed_by",
        "closed_at",
        "close_reason",
        "changed_seq",
    }
)
_OVERRIDE_REVIEWED = frozenset({"outcome", "review_note", "reviewed_by", "reviewed_at"})
_REVOKED = frozenset({"revoked_reason", "revoked_by", "revoked_at", "revoked_seq", "revocation_endorsement"})

# By table, in the order in which a reader is told.
NOUNS: dict[str, Noun] = {
    "signing_key": Noun(
        "key",
        "{id}",
        "key {key}",
        "{name} was trusted by {by} on {at}",
        _key,
        events=("key.revoked",),
        silent=_REVOKED,
        moved=lambda before, after: f"key {after['id']} was revoked: {after['revoked_reason']}",
    ),
    "project": Noun(
        "project",
        "{project}",
        "project {key}",
        "{name} came under the record by {by} on {at}",
        lambda row: f"{row['title']}, owner {row['owner']}, risk {row['risk']}",
    ),
    "goal": Noun(
        "goal", "goal", "the goal", "{name} was stated by {by} on {at}", lambda row: str(row["problem"])
    ),
    "kpi": Noun("KPI", "{name}", "KPI {key}", "{name} was set by {by} on {at}", _kpi),
    "kpi_observation": Noun(
        "KPI observation", "{id}", "{key}", "{name} was recorded by {by} on {at}", _observation
    ),
    "cost": Noun("cost", "{id}", "{key}", "{name} was recorded by {by} on {at}", _cost),
    "catalogue": Noun(
        "catalogue",
        "{name}",
        "catalogue {key}",
        "{name} was imported by {by} on {at}",
        lambda row: (
            f"{row['content']['title']}, {count(len(row['content']['controls']), 'control')}, from {row['file']}"
        ),
    ),
    "policy_adoption": Noun(
        "policy",
        "{name}@{version}",
        "policy {key}",
        "{name} was adopted by {by} on {at}",
        lambda row: str(row["reason"]),
    ),
    "role": Noun(
        "role",
        "{id}",
        "{key}",
        "{name}: {by} made {person} {role} on {at}",
        lambda row: _since(row, f"{row['role']}{_for_phases(row)}"),
        events=("role.withdrawn",),
        silent=_WITHDRAWN,
        moved=_withdrawn,
    ),
    "delegation": Noun(
        "delegation",
        "{id}",
        "{key}",
        "{name}: {by} lets {to} decide until {until}, since {at}",
        lambda row: _since(row, f"{row['reason']}{_for_phases(row)}"),
        events=("approval.delegation-ended",),
        silent=_WITHDRAWN,
        moved=_withdrawn,
    ),
    "risk": Noun(
        "risk",
        "{id}",
        "{key}",
        "{name} was recorded by {by} on {at}",
        _risk,
        labels={"review_by": "next review"},
        events=("risk.updated", "risk.reviewed", "risk.closed"),
        silent=_REVIEWED,
        moved=_risk_moved,
    ),
    "data_source": Noun(
        "data source",
        "{name}",
        "data source {key}",
        "{name} was described by {by} on {at}",
        lambda row: f"owner {row['owner']}" if row["owner"] else "",
    ),
    "dataset_version": Noun(
        "dataset version",
        "{dataset}@{version}",
        "dataset version {key}",
        "{name} was added by {by} on {at}",
        _dataset,
        events=("dataset-version.replaced",),
        named_by=("dataset", "version"),
        silent=_REPLACED,
        moved=lambda before, after: (
            f"{after['dataset']}@{after['version']} was replaced by {_reference(after['replaced_by'])}:"
            f" {after['replaced_reason']}"
        ),
    ),
    "run": Noun(
        "run",
        "{name}",
        "run {key}",
        "{name} was recorded by {by} on {at}",
        lambda row: str(row["activity"]),
    ),
    "model_version": Noun(
        "model version",
        "{model}@{version}",
        "model version {key}",
        "{name} was registered by {by} on {at}",
        lambda row: f"from run {row['run']}" if row["run"] else "",
    ),
    "evaluation": Noun("evaluation", "{id}", "{key}", "{name} was recorded by {by} on {at}", _evaluation),
    "evidence": Noun(
        "evidence",
        "{name}",
        "evidence {key}",
        "{name} was added by {by} on {at}",
        _evidence,
        events=("evidence.redacted", "evidence.failed", "evidence.restored"),
        named_by=("digest",),
        silent=_REDACTED,
        moved=_evidence_moved,
    ),
    "checkpoint": Noun(
        "checkpoint", "{id}", "{key}", "{name} on {phase} was recorded by {by} on {at}", _checkpoint
    ),
    "approval": Noun(
        "approval",
        "{id}",
        "{key}",
        "{name}: {by} {decision} {checkpoint} on {phase}{signed} on {at}",
        lambda row: _since(row, str(row["reason"])),
        events=("approval.withdrawn",),
        silent=_WITHDRAWN,
        moved=_withdrawn,
    ),
    "approval_request": Noun(
        "request for approval",
        "{id}",
        "{key}",
        "{name}: {by} asked for {checkpoint} on {phase} to be approved, on {at}",
        lambda row: _since(row, str(row["note"])),
        events=("approval.withdrawn",),
        silent=_WITHDRAWN,
        moved=_withdrawn,
    ),
    "gate_override": Noun(
        "override",
        "{id}",
        "{key}",
        "{name}: {by} overrode a gate on {at}",
        _override,
        events=("gate.override-reviewed",),
        silent=_OVERRIDE_REVIEWED,
        moved=lambda before, after: (
            f"{after['id']} was found {after['outcome']} by {after['reviewed_by']}: {after['review_note']}"
        ),
    ),
    "gate_demand": Noun(
        "gate demand",
        "{phase}",
        "the {key} gate's demand",
        "signatures on the {key} gate became {signatures}, by {by} on {at}",
        lambda row: str(row["reason"]),
        silent=frozenset({"signatures", "reason", "endorsement"}),
        moved=lambda before, after: (
            f"signatures on the {after['phase']} gate went from {before['signatures']} to {after['signatures']}:"
            f" {after['reason']}"
        ),
    ),
    "cycle": Noun(
        "cycle",
        "{number}",
        "cycle {key}",
        "{name} was opened from {from_phase} by {by} on {at}",
        lambda row: f"{row['trigger']}: {row['reason']}" if row["trigger"] else str(row["reason"]),
    ),
    "cycle_end": Noun(
        "end of a cycle",
        "cycle {number}",
        "the end of {key}",
        "cycle {number} was closed by {by} on {at}",
        _gates,
    ),
    "promotion": Noun(
        "promotion",
        "{id}",
        "{key}",
        "{name}: {model}@{version} became the {alias}, by {by} on {at}",
        _gates,
    ),
    "deployment": Noun("deployment", "{id}", "{key}", "{name} was recorded by {by} on {at}", _deployment),
    "monitor": Noun(
        "monitor",
        "{name}",
        "monitor {key}",
        "{name} was added by {by} on {at}",
        lambda row: (
            f"{row['current']} of {row['model']} against {row['reference']['location'] or 'no reference'}"
        ),
        events=("monitor.changed", "monitor.retired"),
        named_by=("name",),
        silent=_RETIRED,
        moved=lambda before, after: f"monitor {after['name']} was retired: {after['retired_reason']}",
    ),
    "monitor_mute": Noun(
        "mute",
        "{id}",
        "{key}",
        "{name}: {by} muted monitor {monitor} on {at}",
        lambda row: f"from {row['start'][:16]} until {row['end'][:16]}: {row['reason']}",
        events=("monitor.unmuted",),
        silent=_ENDED,
        moved=lambda before, after: f"{after['id']} was ended: {after['ended_reason']}",
    ),
    "monitor_check": Noun(
        "check", "{id}", "{key}", "{name} of monitor {monitor} was recorded by {by} on {at}", _check
    ),
    "incident": Noun(
        "incident",
        "{id}",
        "{key}",
        "{name} was opened by {by} on {at}",
        _answered("summary"),
        events=(
            "incident.acknowledged",
            "incident.assigned",
            "incident.escalated",
            "incident.linked",
            "incident.resolved",
        ),
        silent=_ANSWERED | {"escalations", "links"},
        moved=_incident_moved,
    ),
    "retraining_trigger": Noun(
        "trigger",
        "{id}",
        "{key}",
        "{name} asked for {model} to be retrained, raised by {by} on {at}",
        _answered("reason"),
        events=("trigger.acknowledged", "trigger.resolved", "trigger.dismissed"),
        silent=_ANSWERED | {"resolved_by"},
        moved=_state_moved,
    ),
}


def tell_added(noun: Noun, row: Row, by: str, at: str) -> str:
    """The sentence on a row that was not there before."""
    signed = " (signed)" if row.get("signature") else ""
    words = {**row, "key": noun.key_of(row), "name": noun.name_of(row), "by": by, "at": at, "signed": signed}
    detail = noun.detail(row)
    return noun.added.format_map(words) + (f": {detail}" if detail else "")


def tell_changed(noun: Noun, before: Row, after: Row, fields: list[str], by: str, at: str) -> str:
    """The sentence on a row that was there and is different in these fields, or was stated anew in none."""
    told = [name for name in fields if name not in noun.silent]
    name = noun.name_of(after)
    if noun.moved and len(told) < len(fields):
        said = noun.moved(before, after)
    elif not told:
        said = f"{name} was stated again as it was"
    elif len(told) == 1:
        said = f"the {noun.label(told[0])} of {name} changed {_from_to(before, after, told[0])}"
    else:
        parts = (f"{noun.label(field)} {_from_to(before, after, field)}" for field in told)
        said = f"{name} changed: {', '.join(parts)}"
    return f"{said} (by {by} on {at})"


def tell_removed(noun: Noun, row: Row) -> str:
    """The sentence on a row that is no longer there."""
    return f"{noun.name_of(row)} is no longer there"


def _from_to(before: Row, after: Row, field: str) -> str:
    return f"from {show_value(before[field])} to {show_value(after[field])}"
