"""Signatures: are keys, approvals and lifted demands vouched for by those who alone could?

Read from the log, event by event: the keys that count are those that the log had trusted by then.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.text import count
from crisplens.ledger.model import Recorded, decode
from crisplens.ledger.queries import leaf_hashes
from crisplens.ledger.tables import LedgerEvent
from crisplens.ledger.verdict import Finding, Findings, Verdict
from crisplens.lifecycle.events import ApprovalDecided, GateDemanded
from crisplens.lifecycle.model import Decision, Signatures
from crisplens.lifecycle.signatures import ApprovalStatement, digest_basis, signature_fault
from crisplens.registry.keys.events import KeyRevoked, KeyTrusted
from crisplens.registry.keys.model import KeyFacts, Keyring

# As many leaves as one statement asks for.
_LEAVES = 500
_TYPES = (KeyTrusted.TYPE, KeyRevoked.TYPE, GateDemanded.TYPE, ApprovalDecided.TYPE)


@dataclass
class _Reading:
    """What the log has said so far."""

    session: Session
    keyring: Keyring
    # Projects and phases whose gates take signed approvals only.
    demanded: set[tuple[str | None, str]] = field(default_factory=set)
    # Where each statement was signed: a signature that is recorded again is a copy.
    signed: dict[bytes, int] = field(default_factory=dict)


def verify_signatures(session: Session, pinned: Collection[str] = ()) -> tuple[Verdict, Keyring]:
    """Check every key, every lifted demand and every signed approval of the log; the keys, as they stand after it.

    `pinned` are log keys that the reader got elsewhere (their texts); without any, the first log key is taken for
    genuine.
    """
    findings, reading = Findings(), _Reading(session, Keyring(pinned))
    counts = {"keys": 0, "signed": 0, "unsigned": 0}
    query = select(LedgerEvent.envelope).where(LedgerEvent.type.in_(_TYPES)).order_by(LedgerEvent.seq)
    for text in session.scalars(query):
        try:
            recorded = decode(text)
        # The integrity verdict says what became of it.
        except (ValueError, TypeError):
            continue
        counts[_kind(recorded)] = counts.get(_kind(recorded), 0) + 1
        if fault := _fault(reading, recorded):
            findings.add(f"event {recorded.seq} ({_about(recorded)})", fault)
    if pinned and not reading.keyring.log_keys():
        for key in pinned:
            findings.add(key, "is no key of this log: it is another log, or its keys were replaced")
    keys, signed = count(counts["keys"], "key"), count(counts["signed"], "signed approval")
    checked = f"{keys}, {signed} ({counts['unsigned']} unsigned)"
    return findings.verdict("signatures", checked, notes=_notes(reading.keyring)), reading.keyring


def _notes(keyring: Keyring) -> tuple[Finding, ...]:
    if keyring.pinned:
        return ()
    root = next((str(key) for key in keyring.log_keys()), None)
    said = "taken for genuine because it came first; compare it with the one you were given, or pass that as --key"
    return (Finding(root, said),) if root else ()


def _kind(recorded: Recorded) -> str:
    match recorded.event:
        case KeyTrusted():
            return "keys"
        case ApprovalDecided(signature=signature):
            return "signed" if signature else "unsigned"
    return "others"


def _about(recorded: Recorded) -> str:
    match recorded.event:
        case KeyTrusted(owner=owner) | KeyRevoked(id=owner):
            return f"key of {owner}"
        case ApprovalDecided(id=id):
            return f"{recorded.envelope.project} {id} by {recorded.actor}"
    return f"{recorded.envelope.project} {recorded.envelope.type}"


def _fault(reading: _Reading, recorded: Recorded) -> str:
    seq, keyring, project = recorded.seq, reading.keyring, recorded.envelope.project
    match recorded.event:
        case KeyTrusted(id=id, purpose=purpose, owner=owner, public_key=key, endorsement=endorsement):
            return keyring.trust(
                seq, KeyFacts(id=id, purpose=purpose, owner=owner, public_key=key), endorsement
            )
        case KeyRevoked(id=id, reason=reason, endorsement=endorsement):
            return keyring.revoke(seq, id, reason, endorsement)
        case GateDemanded(phase=phase, signatures=Signatures.REQUIRED):
            reading.demanded.add((project, phase))
        case GateDemanded() as demand:
            said = {"type": GateDemanded.TYPE, "phase": demand.phase, "reason": demand.reason}
            said["signatures"] = demand.signatures.value
            fault = keyring.endorsement_fault(seq, project, said, demand.endorsement)
            if not fault:
                reading.demanded.discard((project, demand.phase))
            return fault
        case ApprovalDecided() as approval:
            return _approval_fault(reading, recorded, approval)
    return ""


def _approval_fault(reading: _Reading, recorded: Recorded, approval: ApprovalDecided) -> str:
    if recorded.envelope.project is None:
        return "is about no project"
    if approval.signature is None:
        demanded = (recorded.project, approval.phase) in reading.demanded
        approved = approval.decision == Decision.APPROVED
        return "is not signed, as its gate demanded by then" if demanded and approved else ""
    # A basis lies before its approval; what does not is not asked for.
    before = {seq for seq in approval.basis.values() if 0 <= seq < recorded.seq}
    if digest_basis(_leaves(reading.session, before).items()) != approval.signature.basis_digest:
        return "what it rests on is not what was signed"
    fields = {name: getattr(approval, name) for name in _STATED}
    statement = ApprovalStatement(
        project=recorded.project,
        actor=recorded.actor,
        basis_digest=approval.signature.basis_digest,
        **fields,
    )
    if fault := signature_fault(statement, approval.signature, reading.keyring, seq=recorded.seq):
        return fault
    first = reading.signed.setdefault(statement.message(), recorded.seq)
    return "" if first == recorded.seq else f"its signature is a copy of that in event {first}"


def _leaves(session: Session, seqs: Collection[int]) -> dict[int, bytes]:
    """The leaf hashes of these events that are hashes: SQLite keeps values of any type."""
    wanted = sorted(seqs)
    found: dict[int, bytes] = {}
    for start in range(0, len(wanted), _LEAVES):
        found |= leaf_hashes(session, wanted[start : start + _LEAVES])
    return {seq: leaf for seq, leaf in found.items() if isinstance(leaf, bytes)}


_STATED = ("checkpoint", "checkpoint_digest", "phase", "cycle", "decision", "reason", "basis")
