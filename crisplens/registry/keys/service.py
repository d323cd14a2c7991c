"""Use cases of keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from crisplens.core.actor import resolve_actor
from crisplens.core.errors import InputError, Refused
from crisplens.core.names import unknown_name
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.notes import NoteSigner
from crisplens.ledger.service import append, next_seq
from crisplens.registry.keys.events import KeyRevoked, KeyTrusted
from crisplens.registry.keys.model import Endorsement, Keyring, Purpose, endorse, read_key
from crisplens.registry.keys.queries import Key, list_keys, load_keyring
from crisplens.registry.keys.tables import SigningKeyRow
from crisplens.registry.views import get_view

Said = Mapping[str, object]
# Gives the log's signing key when it is needed; raises `InputError` when there is none.
Signer = Callable[[], NoteSigner]


def trust_key(work: UnitOfWork, key: str, *, owner: str | None = None, signer: Signer) -> Key:
    """Let signatures of a public key count: a log's (C2SP verifier key) or that of the approver `owner` (OpenSSH).

    Every key but the registry's first log key is endorsed with the log's signing key. Raises `InputError` for
    what is no key and for one that is known, `Refused` when the signing key may not endorse.
    """
    try:
        facts = read_key(key, None if owner is None else resolve_actor(owner, {}, None).id)
    except ValueError as error:
        raise InputError(
            f"that is no key to trust: {error}",
            slug="bad-key",
            hint="Give the line of a .pub file with --for WHO, or a log's verifier key (NAME+HASH+KEY).",
        ) from None
    known = {one.id: one for one in list_keys(work.session)}
    if same := known.get(facts.id):
        state = f"was revoked on {same.revoked_at[:10]}" if same.revoked_at else f"is {same.owner}'s already"
        raise InputError(f"{facts.id} {state}", slug="exists", hint="A revoked key is never trusted again.")
    is_root = facts.purpose == Purpose.LOG and not known
    said = {"type": KeyTrusted.TYPE, **msgspec.to_builtins(facts)}
    endorsement = None if is_root else endorse_in(work, said, signer, project=None)
    event = KeyTrusted(**msgspec.structs.asdict(facts), endorsement=endorsement)
    append(work, event)
    return get_view(work.session, SigningKeyRow, (facts.id,), Key)


def revoke_key(work: UnitOfWork, id: str, *, reason: str, signer: Signer) -> Key:
    """Let signatures of a key count no more; what it signed before stays signed. `id` may be its beginning.

    Raises `InputError` for an unknown key, `Refused` for the only log key and when the signing key may not endorse it.
    """
    check_text("the reason", reason)
    active = [one.id for one in list_keys(work.session) if one.revoked_at is None]
    found = [one for one in active if one == id] or [one for one in active if id and one.startswith(id)]
    if len(found) != 1:
        raise unknown_name("active key", id, active, none_yet="Make one with `crisplens key generate NAME`.")
    _refuse_last(work, found[0])
    said = {"type": KeyRevoked.TYPE, "id": found[0], "reason": reason}
    endorsement = endorse_in(work, said, signer, project=None)
    append(work, KeyRevoked(id=found[0], reason=reason, endorsement=endorsement))
    return get_view(work.session, SigningKeyRow, (found[0],), Key)


def endorse_in(work: UnitOfWork, said: Said, signer: Signer, *, project: str | None) -> Endorsement:
    """The log key's endorsement of what the next event of this transaction says.

    Raises `InputError` when there is no signing key, `Refused` when it is none that the registry trusts.
    """
    keyring = load_keyring(work.session)
    if not keyring.log_keys():
        raise InputError(
            "the registry has no log key yet, which would have to endorse this",
            slug="no-signing-key",
            hint="Make one first: crisplens key generate NAME",
        )
    seq = next_seq(work.session)
    endorsement = endorse(signer(), seq, project, said)
    _refuse_unfit(keyring, seq, project, said, endorsement)
    return endorsement


def _refuse_last(work: UnitOfWork, id: str) -> None:
    keys = [one for one in list_keys(work.session) if one.purpose == Purpose.LOG and one.revoked_at is None]
    if [one.id for one in keys] == [id]:
        raise Refused(
            f"{id} is the only log key: without one nothing could be endorsed again",
            slug="last-key",
            hint="Make the next one first: crisplens key generate NAME --key-file FILE",
        )


def _refuse_unfit(
    keyring: Keyring, seq: int, project: str | None, said: Said, endorsement: Endorsement
) -> None:
    if fault := keyring.endorsement_fault(seq, project, said, endorsement):
        raise Refused(
            f"the signing key cannot endorse this: {fault}",
            slug="bad-endorsement",
            hint="Use the private half of a log key in `crisplens key list`: signing_key in crisplens.toml, or "
            "CRISPLENS_SIGNING_KEY.",
        )
