"""The use case of checkpoints."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import msgspec

from crisplens.core.canonical import digest_json
from crisplens.core.errors import InputError
from crisplens.core.names import NAME_PATTERN, unknown_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.lifecycle.catalogues.model import Control
from crisplens.lifecycle.catalogues.queries import answerable, find_control
from crisplens.lifecycle.catalogues.shipped import shipped_catalogue
from crisplens.lifecycle.events import CheckpointRecorded
from crisplens.lifecycle.model import Answer, ControlAnswer, EvidenceLink
from crisplens.lifecycle.phases import SUBJECT_PHASES, Phase, get_phase
from crisplens.lifecycle.policies.queries import load_policy
from crisplens.lifecycle.queries import Checkpoint, current_cycle
from crisplens.lifecycle.tables import CheckpointRow
from crisplens.registry.evidence.service import add_evidence
from crisplens.registry.model import VersionRef
from crisplens.registry.models.queries import get_model_version, list_model_versions
from crisplens.registry.projects.model import choose
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import get_view, next_id

ControlGiven = str | tuple[str, str]
# A file, or the kind of evidence that it is and the file.
EvidenceGiven = str | os.PathLike[str] | tuple[str, str | os.PathLike[str]]


def record_checkpoint(
    work: UnitOfWork,
    phase: str,
    *,
    controls: Mapping[str, ControlGiven] | None = None,
    evidence: Sequence[EvidenceGiven] = (),
    links: Sequence[str] = (),
    summary: str = "",
    model: str | VersionRef | None = None,
) -> Checkpoint:
    """Record where a phase of the current cycle stands.

    `controls` maps a control's id, of any catalogue, to its answer (met, partial, not-met, not-applicable) or to the
    answer and its reason; an answer without a reason needs evidence, and the policy may demand one all the same.
    `evidence` are files to keep, or pairs of their kind and the file; `links` names of recorded things. Checkpoints on
    training and evaluation are about one model version: `model`, or the newest.
    Raises `InputError` for an unknown phase, control, answer,
    file or link, for an answer with neither reason nor evidence, and for a checkpoint that says nothing.
    """
    chosen = get_phase(phase)
    project = get_project(work.session, work.project)
    policy = load_policy(work.session, project).policy
    must_explain = policy.ref if policy.demands(chosen.id).reasons else ""
    answers = _answers(work, chosen, controls or {}, has_evidence=bool(evidence), must_explain=must_explain)
    if not (answers or evidence or summary.strip()):
        raise InputError(
            "the checkpoint says nothing",
            slug="empty-checkpoint",
            hint=f"Answer a control (--control {chosen.practices[0].id}=met:REASON), attach evidence or sum it up.",
        )
    _check_links(work, links)
    subject = _subject(work, chosen.id, model)
    kept = [(kind, add_evidence(work, file)) for kind, file in map(_kind_and_file, evidence)]
    content = CheckpointRecorded(
        id=next_id(work.session, work.project, CheckpointRow, "checkpoint"),
        phase=chosen.id,
        cycle=current_cycle(work.session, work.project),
        subject=subject,
        summary=check_text("the summary", summary, required=False),
        answers=answers,
        evidence=tuple(EvidenceLink(one.digest, one.name, kind) for kind, one in kept),
        links=tuple(links),
        digest="",
    )
    append(work, msgspec.structs.replace(content, digest=checkpoint_digest(content)))
    return get_view(work.session, CheckpointRow, (work.project, content.id), Checkpoint)


def checkpoint_digest(content: CheckpointRecorded) -> str:
    """`sha256:<hex>` of what a checkpoint says: the canonical JSON of its fields but the digest."""
    fields = msgspec.to_builtins(content)
    del fields["digest"]
    return digest_json(fields)


def _answers(
    work: UnitOfWork,
    phase: Phase,
    controls: Mapping[str, ControlGiven],
    *,
    has_evidence: bool,
    must_explain: str,
) -> tuple[ControlAnswer, ...]:
    answers: dict[str, ControlAnswer] = {}
    for given_id, given in controls.items():
        id, control = _control(work, phase, given_id)
        text, reason = (given, "") if isinstance(given, str) else given
        answer = Answer(choose(Answer, f"the answer to {control.id}", text))
        if not reason.strip() and (must_explain or not has_evidence):
            why = f", which {must_explain} demands of {phase.id}" if must_explain else " or evidence"
            raise InputError(
                f"{control.id} is answered {answer} without a reason{why}",
                slug="no-reason",
                hint=f'Write --control {control.id}={answer}:"why"'
                + (".", ", or attach --evidence FILE.")[not must_explain],
            )
        if id in answers:
            raise InputError(f"{control.id} is answered twice", slug="malformed-pair", hint="Answer it once.")
        reason = check_text(f"the reason of {control.id}", reason, required=False)
        answers[id] = ControlAnswer(id, answer, reason)
    return tuple(answers.values())


def _control(work: UnitOfWork, phase: Phase, given: str) -> tuple[str, Control]:
    """A control that can be answered at a checkpoint of `phase`, and the id that it is kept by.

    Raises `InputError` naming where it belongs, or the nearest ids.
    """
    own = {control.id: control for control in shipped_catalogue("crisplens").controls}
    if (mine := own.get(given.upper())) and phase.id in mine.phases:
        return mine.id, mine
    try:
        found = find_control(work.session, given)
    except InputError as error:
        practices = ", ".join(control.id for control in phase.practices)
        hint = (
            error.hint if error.hint.startswith("Did you mean") else f"Controls of {phase.id}: {practices}."
        )
        raise InputError(
            f"phase {phase.id} has no control {given[:100]!r}", slug=error.slug, hint=hint
        ) from None
    answerable(found, phase.id)
    return found.kept_id, found.control


def _kind_and_file(given: EvidenceGiven) -> tuple[str, str | os.PathLike[str]]:
    """The kind and file of evidence: `test-report=report.html` names both, unless that is a file."""
    if isinstance(given, tuple):
        kind, file = given
    else:
        kind, equals, rest = os.fspath(given).partition("=")
        if not equals or os.path.exists(given) or not NAME_PATTERN.fullmatch(kind):
            return "", given
        file = rest
    if not NAME_PATTERN.fullmatch(kind):
        raise InputError(
            f"{kind[:100]!r} cannot name a kind of evidence",
            slug="bad-name",
            hint="Such as test-report=FILE.",
        )
    return kind, file


def _subject(work: UnitOfWork, phase: str, model: str | VersionRef | None) -> str | None:
    if phase not in SUBJECT_PHASES:
        if model is not None:
            raise InputError(
                f"a checkpoint on {phase} is not about one model version",
                slug="bad-choice",
                hint=f"Only those on {' and '.join(sorted(SUBJECT_PHASES))} are; use links for the others.",
            )
        return None
    if model is not None:
        return str(get_model_version(work.session, work.project, model).ref)
    versions = list_model_versions(work.session, work.project)
    return str(versions[-1].ref) if versions else None


def _check_links(work: UnitOfWork, links: Sequence[str]) -> None:
    if not links:
        return
    # It reads every area, and few checkpoints have links.
    from crisplens.registry.lineage.queries import project_lineage

    names = [node.name for node in project_lineage(work.session, work.project).nodes]
    for link in links:
        if link not in names:
            raise unknown_name("recorded thing", link, names)
