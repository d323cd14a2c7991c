"""Attacks by someone who holds the database but no key: the gates stay shut, and `audit verify` says what and where.

They write through the ledger itself, triggers and all, or replace the log by another that is consistent in itself.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session

from crisplens.api import Registry
from crisplens.audit import Verification, verify_registry
from crisplens.core.canonical import canonical_json
from crisplens.ledger.model import Event
from crisplens.ledger.notes import NoteKey, NoteSigner
from crisplens.ledger.service import append, next_seq
from crisplens.lifecycle.events import ApprovalDecided, GateDemanded
from crisplens.lifecycle.model import ApprovalSignature, Decision, Signatures
from crisplens.lifecycle.tables import GateDemandRow
from crisplens.lifecycle.verify_signatures import verify_signatures
from crisplens.nouns.audit import Audit
from crisplens.registry.keys.events import KeyRevoked, KeyTrusted
from crisplens.registry.keys.model import Endorsement, Keyring, Purpose, endorse, read_key
from tests.bundles.verifying import assert_same_verdicts
from tests.conftest import ANA, BO, LOG_NAME, SshPerson, failed, found, log_of, opened, state_goal, unmet

pytestmark = pytest.mark.stored

PHASE, OTHER = "business-goal", "problem-framing"
MALLORY = "mallory@example.org"
Relog = Callable[[Registry, Iterable[str]], Registry]


@pytest.fixture(autouse=True)
def _the_bundle_s_verifier_agrees(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Whatever `audit verify` says here of a log, the independent verifier says of its bundle."""
    verify = Audit.verify

    def verify_both(audit: Audit, *given: Any, **options: Any) -> Verification:
        verification = verify(audit, *given, **options)
        against = [str(path) for path in options.get("against", ())]
        file = tmp_path / "compared.zip"
        assert_same_verdicts(
            audit._registry, verification, file, keys=options.get("keys", ()), against=against
        )
        return verification

    monkeypatch.setattr(Audit, "verify", verify_both)


def prepare(registry: Registry) -> Registry:
    """A goal whose checkpoint waits for Bo's signature, which its gate demands."""
    state_goal(registry)
    registry.key.generate(LOG_NAME)
    registry.key.trust(SshPerson(BO).public, owner=BO)
    registry.gate.demand(PHASE, "required", reason="audited")
    registry.checkpoint.record(PHASE, summary="as it is")
    return registry


@pytest.fixture
def waiting(registry: Registry) -> Registry:
    """A registry with a log key and Bo's key, in which a checkpoint waits for Bo's signature."""
    return prepare(registry)


@pytest.fixture
def approved(waiting: Registry) -> Registry:
    """The same, approved and signed by Bo as approval-1."""
    SshPerson(BO).approve(waiting.acting_as(BO), PHASE)
    return waiting


def forge(registry: Registry, event: Event, *, actor: str = BO) -> str:
    """Append an event as someone would who holds the database; returns `event N`."""
    with registry.acting_as(actor).writing() as work:
        return f"event {append(work, event).seq}"


def decided(registry: Registry, armoured: str | None, phase: str = PHASE, **stated: str) -> ApprovalDecided:
    """The event of Bo's approval of a phase as it stands, with this signature."""
    statement = registry.acting_as(BO).approval.statement(phase, **stated)
    signature = None
    if armoured is not None:
        signature = ApprovalSignature(basis_digest=statement.basis_digest, signature=armoured)
    return ApprovalDecided(
        id=f"approval-{len(registry.approval.list()) + 1}",
        checkpoint=statement.checkpoint,
        checkpoint_digest=statement.checkpoint_digest,
        phase=phase,
        cycle=statement.cycle,
        decision=Decision(statement.decision),
        reason=statement.reason,
        basis=dict(statement.basis),
        signature=signature,
    )


def lifted(endorsement: Endorsement | None, phase: str = PHASE) -> GateDemanded:
    """The event that lets a gate take unsigned approvals."""
    return GateDemanded(
        phase=phase, signatures=Signatures.OPTIONAL, reason="why not", endorsement=endorsement
    )


def trusted(public: str, owner: str | None, endorsement: Endorsement | None) -> KeyTrusted:
    """The event that a key is trusted."""
    facts = read_key(public, owner)
    return KeyTrusted(
        id=facts.id,
        purpose=facts.purpose,
        owner=facts.owner,
        public_key=facts.public_key,
        endorsement=endorsement,
    )


def signed_by(person: SshPerson, registry: Registry, **stated: str) -> str:
    """A person's signature on what Bo would state."""
    return person.sign(registry.acting_as(BO).approval.statement(PHASE, **stated).message())


def said(event: Event) -> dict[str, Any]:
    """What an endorsement of `event` is about."""
    fields: dict[str, Any] = msgspec.to_builtins(event)
    del fields["endorsement"]
    return {"type": event.TYPE, **fields}


def endorsed(registry: Registry, make: Callable[[Endorsement | None], Event], signer: NoteSigner) -> Event:
    """An event that `signer` endorses at the place that it will have."""
    event = make(None)
    with registry.reading_log() as session:
        seq = next_seq(session)
    project = registry.configuration.project if isinstance(event, GateDemanded) else None
    return make(endorse(signer, seq, project, said(event)))


def assert_only_signatures_fail(registry: Registry, *expected: tuple[str, str]) -> None:
    """Exactly the signatures verdict fails: at each place (`event N (…)`) with words that say why, in this order."""
    verification = registry.audit.verify()
    assert failed(verification).keys() == {"signatures"}
    listed = found(verification, "signatures")
    assert len(listed) == len(expected), listed
    for line, (where, why) in zip(listed, expected, strict=True):
        assert line.startswith(f"{where} ("), line
        assert why in line


def assert_approval_fails(registry: Registry, where: str, why: str, gate: str | None = None) -> None:
    """Exactly the signatures verdict fails, at one place and for that reason; the gate says so too and is shut."""
    assert (gate or why) in unmet(registry, PHASE)["approved"]
    assert_only_signatures_fail(registry, (where, why))


def test_an_honest_log_passes(approved: Registry) -> None:
    assert unmet(approved, PHASE) == {}
    verification = approved.audit.verify()
    assert verification.passed
    assert "2 keys, 1 signed approval (0 unsigned)" in [one.checked for one in verification.verdicts]
    pinned = approved.key.list()[0].public_key
    assert approved.audit.verify(keys=[pinned]).passed


def test_an_approval_without_the_signature_that_is_demanded(waiting: Registry) -> None:
    where = forge(waiting, decided(waiting, None))
    assert_approval_fails(
        waiting, where, "is not signed, as its gate demanded", gate="did not sign approval-1"
    )


def test_an_approval_of_the_first_version_of_its_event_is_unsigned(
    waiting: Registry, relogged: Relog
) -> None:
    where = forge(waiting, decided(waiting, None))
    texts = log_of(waiting)
    old = json.loads(texts[-1])
    old["version"] = 1
    del old["payload"]["signature"]
    again = relogged(waiting, [*texts[:-1], canonical_json(old)])
    assert_approval_fails(again, where, "is not signed, as its gate demanded", gate="did not sign approval-1")


def test_an_unsigned_rejection_needs_no_signature(waiting: Registry) -> None:
    waiting.acting_as(BO).approval.reject(PHASE, reason="not yet")
    assert waiting.audit.verify().passed


def test_a_signature_by_a_key_that_nobody_trusted(waiting: Registry) -> None:
    armoured = signed_by(SshPerson(MALLORY), waiting)
    where = forge(waiting, decided(waiting, armoured))
    assert_approval_fails(waiting, where, f"{SshPerson(MALLORY).fingerprint} is no trusted key")


def test_a_signature_by_somebody_else_s_trusted_key(waiting: Registry) -> None:
    waiting.key.trust(SshPerson(MALLORY).public, owner=MALLORY)
    where = forge(waiting, decided(waiting, signed_by(SshPerson(MALLORY), waiting)))
    assert_approval_fails(waiting, where, f"is the key of {MALLORY}, not of {BO}")


def test_a_signature_that_the_key_of_the_log_made(waiting: Registry) -> None:
    class LogKey(SshPerson):
        """The log's key, in the clothes of an SSH key."""

        @property
        def key(self) -> Ed25519PrivateKey:
            """The private half."""
            return Ed25519PrivateKey.from_private_bytes(waiting.signer.seed)

    where = forge(waiting, decided(waiting, signed_by(LogKey("log"), waiting)))
    assert_approval_fails(waiting, where, "is no trusted key")


def test_a_signature_that_was_copied_from_another_approval(approved: Registry) -> None:
    copied = approved.approval.list()[0].signature
    assert copied
    approved.kpi.set("auc", target="0.1")
    approved.checkpoint.record(PHASE, summary="worse")
    where = forge(approved, decided(approved, copied.signature))
    assert_approval_fails(approved, where, "the signature is of another text")


@pytest.mark.parametrize("change", ["namespace", "hash", "cut off", "no armour", "empty"])
def test_a_signature_that_was_changed(waiting: Registry, change: str) -> None:
    person, message = SshPerson(BO), waiting.acting_as(BO).approval.statement(PHASE).message()
    whole = person.sign(message)
    forged = {
        "namespace": person.sign(message, namespace="file"),
        "hash": person.sign(message, hash="sha1"),
        "cut off": whole.replace(whole.splitlines()[2] + "\n", ""),
        "no armour": "".join(whole.splitlines()[1:-1]),
        "empty": "",
    }[change]
    where = forge(waiting, decided(waiting, forged))
    (line,) = found(waiting.audit.verify(), "signatures")
    assert_approval_fails(waiting, where, line.split(": ", 1)[1])


def replay(approved: Registry) -> str:
    """Bo rejects what he had approved, and the database's holder records the approval again."""
    first = approved.approval.list()[0]
    approved.acting_as(BO).approval.reject(PHASE, reason="on second thoughts")
    assert first.signature
    return forge(approved, decided(approved, first.signature.signature))


def test_an_approval_that_is_recorded_again_after_a_rejection(approved: Registry) -> None:
    genuine = approved.approval.list()[0].seq
    where = replay(approved)
    assert_only_signatures_fail(approved, (where, f"a copy of that in event {genuine}"))


def test_the_gate_takes_no_approval_that_is_recorded_again(approved: Registry) -> None:
    replay(approved)
    assert "copy" in unmet(approved, PHASE)["approved"]


def test_a_signature_by_a_key_that_was_revoked_before(waiting: Registry) -> None:
    waiting.key.revoke(SshPerson(BO).fingerprint, reason="lost")
    where = forge(waiting, decided(waiting, signed_by(SshPerson(BO), waiting)))
    assert_approval_fails(waiting, where, f"{SshPerson(BO).fingerprint} was revoked before")


def test_a_signature_by_a_key_that_was_trusted_only_afterwards(waiting: Registry) -> None:
    second = SshPerson("bo's second laptop")
    where = forge(waiting, decided(waiting, signed_by(second, waiting)))
    waiting.key.trust(second.public, owner=BO)
    assert_approval_fails(waiting, where, "is no trusted key", gate="was not trusted yet")


def test_what_a_key_signed_before_it_was_revoked_stays_signed(approved: Registry) -> None:
    approved.key.revoke(SshPerson(BO).fingerprint, reason="left")
    assert unmet(approved, PHASE) == {}
    assert approved.audit.verify().passed


def test_a_forged_revocation_does_not_undo_the_genuine_one(waiting: Registry) -> None:
    bo = SshPerson(BO)
    waiting.key.revoke(bo.fingerprint, reason="stolen")
    approval = forge(waiting, decided(waiting, signed_by(bo, waiting)))
    revoked = KeyRevoked(id=bo.fingerprint, reason="later", endorsement=Endorsement("nobody", ""))
    revocation = forge(waiting, revoked)
    assert "was revoked before" in unmet(waiting, PHASE)["approved"]
    assert_only_signatures_fail(waiting, (approval, "was revoked before"), (revocation, "is no trusted key"))


def test_a_forged_revocation_shuts_gates_and_is_named(waiting: Registry) -> None:
    bo = SshPerson(BO)
    where = forge(waiting, KeyRevoked(id=bo.fingerprint, reason="x", endorsement=Endorsement("nobody", "")))
    forge(waiting, decided(waiting, signed_by(bo, waiting)))
    assert "was revoked before" in unmet(waiting, PHASE)["approved"]
    assert_only_signatures_fail(waiting, (where, "nobody, which endorsed it, is no trusted log key"))


def mallory_s(endorsement: Endorsement | None) -> KeyTrusted:
    """The event that Mallory's key is trusted as Bo's."""
    return trusted(SshPerson(MALLORY).public, BO, endorsement)


def assert_slipped_in(registry: Registry, where: str, why: str) -> None:
    """A forged key counts nowhere: its event is named, and so is the approval that it signed; the gate is shut."""
    approval = forge(registry, decided(registry, signed_by(SshPerson(MALLORY), registry)))
    assert "is no trusted key" in unmet(registry, PHASE)["approved"]
    assert_only_signatures_fail(registry, (where, why), (approval, "is no trusted key"))


def test_a_key_that_was_slipped_in(waiting: Registry) -> None:
    where = forge(waiting, mallory_s(None), actor=ANA)
    assert_slipped_in(waiting, where, "no log key endorsed it")


@pytest.mark.parametrize("text", ["", "no base64", "AAAA", "é"])
def test_a_key_with_an_endorsement_that_is_none(waiting: Registry, text: str) -> None:
    genuine = waiting.key.list()[0].id
    where = forge(waiting, mallory_s(Endorsement(genuine, text)), actor=ANA)
    assert_slipped_in(waiting, where, "endorsement")


def test_a_key_with_the_endorsement_of_another(waiting: Registry) -> None:
    genuine = waiting.key.list()[1].endorsement
    where = forge(waiting, mallory_s(genuine), actor=ANA)
    assert_slipped_in(waiting, where, f"its endorsement by {waiting.signer.key.id} is of something else")


def test_a_key_that_an_approver_s_key_endorsed(waiting: Registry) -> None:
    by = SshPerson(BO)
    made = endorsed(waiting, mallory_s, NoteSigner("bo", by.key.private_bytes_raw()))
    assert isinstance(made, KeyTrusted)
    assert made.endorsement
    where = forge(waiting, mallory_s(Endorsement(by.fingerprint, made.endorsement.signature)), actor=ANA)
    assert_slipped_in(waiting, where, f"{by.fingerprint}, which endorsed it, is no trusted log key")


def test_a_key_that_mallory_s_own_log_key_endorsed(waiting: Registry) -> None:
    own = NoteSigner("example.org/mallory", b"m" * 32)
    first = forge(waiting, trusted(str(own.key), None, None), actor=ANA)
    second = forge(waiting, endorsed(waiting, mallory_s, own), actor=ANA)
    approval = forge(waiting, decided(waiting, signed_by(SshPerson(MALLORY), waiting)))
    assert "is no trusted key" in unmet(waiting, PHASE)["approved"]
    assert_only_signatures_fail(
        waiting,
        (first, "no log key endorsed it"),
        (second, f"{own.key.id}, which endorsed it, is no trusted log key"),
        (approval, "is no trusted key"),
    )


def test_a_key_that_a_revoked_log_key_endorsed(waiting: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    old = waiting.signer
    waiting.key.generate(LOG_NAME, key_file="second.key")
    monkeypatch.setenv("CRISPLENS_SIGNING_KEY", "second.key")
    with opened(
        str(waiting.engine.url.render_as_string(hide_password=False)), waiting.configuration.folder
    ) as now:
        now.key.revoke(old.key.id, reason="rotated")
        where = forge(now, endorsed(now, mallory_s, old), actor=ANA)
        assert_slipped_in(now, where, f"{old.key.id}, which endorsed it, was revoked")


def test_a_key_under_another_key_s_id(waiting: Registry) -> None:
    facts = read_key(SshPerson(MALLORY).public, BO)
    event = KeyTrusted(
        id="SHA256:mine", purpose=Purpose.APPROVER, owner=BO, public_key=facts.public_key, endorsement=None
    )
    where = forge(waiting, event, actor=ANA)
    assert_slipped_in(waiting, where, "SHA256:mine is not what its public key says")


def test_a_log_key_that_says_it_is_an_approver_s(waiting: Registry) -> None:
    key = NoteSigner("example.org/mallory", b"m" * 32).key
    event = KeyTrusted(id=key.id, purpose=Purpose.APPROVER, owner=BO, public_key=str(key), endorsement=None)
    assert_only_signatures_fail(
        waiting, (forge(waiting, event, actor=ANA), "is not what its public key says")
    )


def test_an_unsigned_approval_between_a_forged_lift_and_its_restoration(waiting: Registry) -> None:
    lift = forge(waiting, lifted(None))
    approval = forge(waiting, decided(waiting, None))
    restored = GateDemanded(phase=PHASE, signatures=Signatures.REQUIRED, reason="as before", endorsement=None)
    forge(waiting, restored)
    assert "did not sign approval-1" in unmet(waiting, PHASE)["approved"]
    assert_only_signatures_fail(waiting, (lift, "no log key endorsed it"), (approval, "is not signed"))


def test_a_demand_that_is_lifted_with_an_endorsement_that_was_used_before(waiting: Registry) -> None:
    waiting.gate.demand(PHASE, "optional", reason="why not")
    with waiting.reading_log() as session:
        row = session.get_one(GateDemandRow, ("churn", PHASE))
        used = row.endorsement
    waiting.gate.demand(PHASE, "required", reason="again")
    assert waiting.audit.verify().passed
    where = forge(waiting, lifted(used))
    assert_only_signatures_fail(waiting, (where, "is of something else"))


def test_a_demand_of_another_project_that_is_lifted_by_a_genuine_endorsement(waiting: Registry) -> None:
    other = waiting.acting_as(ANA, project="other")
    other.project.add("other")
    other.gate.demand(PHASE, "required", reason="here too")
    event = endorsed(waiting, lifted, waiting.signer)
    assert isinstance(event, GateDemanded)
    assert_only_signatures_fail(other, (forge(other, event), "is of something else"))


LIFTS: list[Callable[[Registry], GateDemanded]] = [
    lambda registry: lifted(None),
    lambda registry: lifted(Endorsement(registry.signer.key.id, "AAAA")),
]


@pytest.mark.parametrize("lift", LIFTS, ids=["unendorsed", "falsely endorsed"])
def test_the_gate_does_not_believe_a_forged_lift(
    waiting: Registry, lift: Callable[[Registry], GateDemanded]
) -> None:
    forge(waiting, lift(waiting))
    forge(waiting, decided(waiting, None))
    assert "did not sign approval-1" in unmet(waiting, PHASE)["approved"]


def changed(text: str, **payload: Any) -> str:
    """An entry whose payload says something else."""
    entry = json.loads(text)
    return canonical_json({**entry, "payload": {**entry["payload"], **payload}})


def place(texts: list[str], type: str, **payload: Any) -> int:
    """Where the last entry of a type with such a payload stands."""
    entries = [json.loads(text) for text in texts]
    return max(
        at
        for at, one in enumerate(entries)
        if one["type"] == type and all(one["payload"][name] == value for name, value in payload.items())
    )


def test_a_basis_whose_content_was_rewritten_with_everything_after_it(
    approved: Registry, relogged: Relog
) -> None:
    texts = log_of(approved)
    at = place(texts, "kpi.set", name="auc")
    forged = relogged(approved, [*texts[:at], changed(texts[at], target="0.5"), *texts[at + 1 :]])
    assert {one.name: one.target for one in forged.kpi.list()}["auc"] == "0.5"
    where = f"event {place(texts, 'approval.decided')}"
    assert_only_signatures_fail(forged, (where, "what it rests on is not what was signed"))


def test_a_checkpoint_that_was_rewritten_under_its_approval(approved: Registry, relogged: Relog) -> None:
    texts = log_of(approved)
    at = place(texts, "checkpoint.recorded")
    forged = relogged(approved, [*texts[:at], changed(texts[at], summary="all is well"), *texts[at + 1 :]])
    where = f"event {place(texts, 'approval.decided')}"
    assert_only_signatures_fail(forged, (where, "what it rests on is not what was signed"))


@pytest.mark.parametrize("field", ["reason", "decision", "phase", "cycle", "checkpoint_digest"])
def test_a_signed_approval_that_was_rewritten(approved: Registry, relogged: Relog, field: str) -> None:
    other = {
        "reason": "x",
        "decision": "rejected",
        "phase": OTHER,
        "cycle": 2,
        "checkpoint_digest": "sha256:0",
    }
    texts = log_of(approved)
    at = place(texts, "approval.decided")
    forged = relogged(approved, [*texts[:at], changed(texts[at], **{field: other[field]})])
    assert_only_signatures_fail(forged, (f"event {at}", "the signature is of another text"))
    assert "approved" in unmet(forged, PHASE)


def test_a_signed_approval_under_somebody_else_s_name(approved: Registry, relogged: Relog) -> None:
    texts = log_of(approved)
    entry = json.loads(texts[-1])
    entry["actor"]["id"] = MALLORY
    forged = relogged(approved, [*texts[:-1], canonical_json(entry)])
    assert_approval_fails(forged, f"event {entry['seq']}", "the signature is of another text")


def test_a_basis_that_lies_nowhere(approved: Registry, relogged: Relog) -> None:
    texts = log_of(approved)
    for seq in (-1, 10**6, 2**53 - 1):
        forged = relogged(approved, [*texts[:-1], changed(texts[-1], basis={"goal": seq})])
        assert_only_signatures_fail(
            forged, (f"event {len(texts) - 1}", "what it rests on is not what was signed")
        )


class Kept:
    """What an auditor kept of a log: heads of several sizes, proofs, a bundle."""

    def __init__(self, registry: Registry, folder: Path) -> None:
        self.folder, self.texts = folder, log_of(registry)
        self.note = registry.audit.sign_head()
        self.proofs = {seq: str(registry.audit.prove(str(seq))) for seq in range(len(self.texts))}
        self.heads = {size: registry.audit.head(size) for size in range(len(self.texts) + 1)}

    def file(self, name: str, text: str) -> Path:
        """A file with this text."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def head(self, size: int) -> Path:
        """What `audit head` printed when the log had this size."""
        return self.file(f"{size}.txt", f"{size} events\n{self.heads[size].root}\n")

    def proof(self, seq: int) -> Path:
        """The proof of one event."""
        return self.file(f"{seq}.tlog-proof", self.proofs[seq])

    def signed(self) -> Path:
        """The signed head of the whole log."""
        return self.file("head.note", self.note)

    def bundle(self) -> Path:
        """A bundle of all events."""
        path = self.folder / "bundle.zip"
        with zipfile.ZipFile(path, "w") as bundle:
            manifest = {"format": "crisplens-bundle@1", "project": None, "size": len(self.texts), "files": {}}
            bundle.writestr("manifest.json", json.dumps(manifest))
            bundle.writestr("head.txt", self.note)
            bundle.writestr("events.jsonl", "".join(f"{text}\n" for text in self.texts))
        return path


@pytest.fixture
def kept(approved: Registry, tmp_path: Path) -> Kept:
    """What an auditor kept of the approved log."""
    return Kept(approved, tmp_path)


@pytest.fixture
def rewritten(approved: Registry, relogged: Relog, kept: Kept) -> Registry:
    """The log without its last events, from the checkpoint on, and others instead: more of them."""
    at = place(kept.texts, "checkpoint.recorded")
    forged = relogged(approved, kept.texts[:at])
    forged.checkpoint.record(PHASE, summary="as Mallory likes it")
    for number in range(5):
        forged.kpi.set(f"kpi-{number}", target=1)
    assert forged.audit.verify().passed
    return forged


def test_a_rewritten_tail_shows_in_one_kept_head_as_a_range(rewritten: Registry, kept: Kept) -> None:
    size = len(kept.texts)
    for head in (kept.head(size), kept.signed()):
        verification = rewritten.audit.verify(against=[head])
        assert [one.name for one in verification.verdicts][1] == "consistency"
        assert failed(verification) == {"consistency": [f"some of events 0 to {size - 1}"]}
        assert head.name in found(verification, "consistency")[0]


def test_a_rewritten_tail_shows_more_narrowly_in_several_heads(rewritten: Registry, kept: Kept) -> None:
    at = place(kept.texts, "checkpoint.recorded")
    heads = [kept.head(size) for size in (len(kept.texts), 3, at, 0, at - 1)]
    verification = rewritten.audit.verify(against=heads)
    assert failed(verification) == {"consistency": [f"some of events {at} to {len(kept.texts) - 1}"]}
    exact = rewritten.audit.verify(against=[kept.head(at), kept.head(at + 1)])
    assert failed(exact) == {"consistency": [f"some of event {at}"]}


def test_a_rewritten_tail_shows_in_a_proof_and_in_a_bundle_to_the_event(
    rewritten: Registry, kept: Kept
) -> None:
    at = place(kept.texts, "checkpoint.recorded")
    assert failed(rewritten.audit.verify(against=[kept.bundle()])) == {"consistency": [f"event {at}"]}
    assert failed(rewritten.audit.verify(against=[kept.proof(at + 1)])) == {
        "consistency": [f"event {at + 1}"]
    }
    earlier = failed(rewritten.audit.verify(against=[kept.proof(at - 1)]))
    assert earlier == {"consistency": [f"some of events 0 to {len(kept.texts) - 1}"]}


def test_heads_before_the_rewriting_are_still_those_of_the_log(rewritten: Registry, kept: Kept) -> None:
    at = place(kept.texts, "checkpoint.recorded")
    assert rewritten.audit.verify(against=[kept.head(size) for size in range(at + 1)]).passed


def test_a_tail_that_was_cut_off_is_missed(approved: Registry, relogged: Relog, kept: Kept) -> None:
    size = len(kept.texts)
    forged = relogged(approved, kept.texts[:-2])
    assert forged.audit.verify().passed
    for head in (kept.head(size), kept.signed(), kept.bundle(), kept.proof(size - 1)):
        verification = forged.audit.verify(against=[head])
        assert failed(verification) == {"consistency": [f"events {size - 2} to {size - 1}"]}
        assert "are gone" in found(verification, "consistency")[0]


def test_a_log_that_only_grew_passes_against_all_that_was_kept(approved: Registry, kept: Kept) -> None:
    approved.kpi.set("later", target=1)
    every = [kept.head(size) for size in range(len(kept.texts) + 1)]
    verification = approved.audit.verify(against=[*every, kept.signed(), kept.bundle(), kept.proof(3)])
    assert verification.passed
    notes = [note.what for note in verification.verdicts[1].notes]
    assert f"signed by {approved.signer.key.id}" in notes[-1]
    assert "not signed" in notes[0]


@pytest.fixture
def replaced(
    approved: Registry, migrated: str, copied: Callable[[str], str], tmp_path: Path
) -> Iterator[Registry]:
    """Another log with the same story, told by Mallory with her own keys."""
    folder = tmp_path / "mallory"
    folder.mkdir()
    with opened(copied(migrated), folder) as forged:
        forged.project.add("churn", title="Churn")
        prepare(forged)
        SshPerson(BO).approve(forged.acting_as(BO), PHASE)
        forged.kpi.set("more", target=1)
        assert forged.audit.verify().passed
        yield forged


def test_a_replaced_log_does_not_pass_for_that_of_a_pinned_key(
    approved: Registry, replaced: Registry
) -> None:
    genuine, forged = approved.key.list()[0], replaced.key.list()[0]
    assert genuine.owner == forged.owner
    verification = replaced.audit.verify(keys=[genuine.public_key])
    assert failed(verification).keys() == {"signatures"}
    listed = found(verification, "signatures")
    assert f"event {forged.seq} (key of {LOG_NAME}): no log key endorsed it" in listed
    assert any("is no key of this log" in line and genuine.id in line for line in listed)
    assert replaced.audit.verify(keys=[forged.public_key]).passed


def test_a_replaced_log_shows_in_whatever_was_kept(replaced: Registry, kept: Kept) -> None:
    for head in (kept.signed(), kept.bundle(), kept.proof(0), kept.head(1)):
        assert failed(replaced.audit.verify(against=[head])).keys() == {"consistency"}
    listed = found(replaced.audit.verify(against=[kept.signed()]), "consistency")
    assert any("is signed by no log key that this registry trusts" in line for line in listed)
    assert failed(replaced.audit.verify(against=[kept.bundle()]))["consistency"][1:] == ["event 0"]


def test_a_log_without_any_key_does_not_pass_for_that_of_a_pinned_key(
    approved: Registry, relogged: Relog
) -> None:
    pin = approved.key.list()[0].public_key
    forged = relogged(approved, log_of(approved)[:4])
    assert forged.audit.verify().passed
    verification = forged.audit.verify(keys=[pin])
    assert failed(verification).keys() == {"signatures"}
    assert "is no key of this log" in found(verification, "signatures")[0]


def test_a_replaced_log_that_names_the_genuine_key_shows_in_kept_heads_alone(
    approved: Registry, relogged: Relog, kept: Kept
) -> None:
    # A public key is no secret: a pin says whose endorsements count, and not that the log is the one that was kept.
    pin = approved.key.list()[0]
    at = place(kept.texts, "kpi.set", name="auc")
    texts = [*kept.texts[:at], changed(kept.texts[at], target="0.5"), *kept.texts[at + 1 : pin.seq + 1]]
    forged = relogged(approved, texts)
    forged.checkpoint.record(PHASE, summary="as Mallory likes it")
    forged.acting_as(BO).approval.grant(PHASE)
    assert forged.audit.verify(keys=[pin.public_key]).passed
    found = failed(forged.audit.verify(keys=[pin.public_key], against=[kept.signed(), kept.proof(at)]))
    assert found.keys() == {"consistency"}
    assert f"event {at}" in found["consistency"]


def collide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give all keys of one name one id, as someone can who makes 2**32 keys."""
    monkeypatch.setattr(NoteKey, "hash", property(lambda self: b"same"))


def test_a_pinned_key_is_not_mistaken_for_another_with_its_id(
    bare: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    collide(monkeypatch)
    genuine, forged = (NoteSigner(LOG_NAME, seed * 32) for seed in (b"g", b"f"))
    forge(bare, trusted(str(forged.key), None, None))
    assert genuine.key.id == forged.key.id
    with bare.reading_log() as session:
        assert not passes(session, genuine.key)
        assert passes(session, forged.key)


def passes(session: Session, pin: NoteKey) -> bool:
    """Whether the signatures of a log pass by a pinned key."""
    return verify_signatures(session, [str(pin)])[0].passed


def test_verification_pins_whole_keys(bare: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    collide(monkeypatch)
    genuine, forged = (NoteSigner(LOG_NAME, seed * 32) for seed in (b"g", b"f"))
    forge(bare, trusted(str(forged.key), None, None))
    with bare.reading_log() as session:
        assert not verify_registry(session, bare.configuration.open_evidence(), pinned=[genuine.key]).passed


def test_only_pinned_keys_are_roots(approved: Registry) -> None:
    first = approved.signer.key
    second = approved.key.generate(LOG_NAME, key_file="second.key")
    assert approved.audit.verify(keys=[str(first)]).passed
    assert approved.audit.verify(keys=[second.public_key, str(first)]).passed
    alone = approved.audit.verify(keys=[second.public_key])
    assert f"(key of {LOG_NAME}): no log key endorsed it" in found(alone, "signatures")[0]


def test_a_keyring_takes_a_key_once_and_ends_it_once() -> None:
    keyring, signer = Keyring(), NoteSigner("log", b"1" * 32)
    facts = read_key(str(signer.key), None)
    assert keyring.trust(0, facts, None) == ""
    assert "was trusted before" in keyring.trust(1, facts, None)
    said = {"type": "key.revoked", "id": facts.id, "reason": "old"}
    assert keyring.revoke(2, facts.id, "old", endorse(signer, 2, None, said)) == ""
    assert "is no trusted key" in keyring.revoke(3, facts.id, "old", endorse(signer, 3, None, said))
    again = {
        "type": "key.trusted",
        "id": facts.id,
        "purpose": "log",
        "owner": "log",
        "public_key": facts.public_key,
    }
    assert "was trusted before" in keyring.trust(4, facts, endorse(signer, 4, None, again))
