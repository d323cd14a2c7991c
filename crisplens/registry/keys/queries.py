"""Reads of keys."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.errors import Refused
from crisplens.ledger.notes import NoteSigner
from crisplens.registry.keys.model import Endorsement, KeyFacts, Keyring, Purpose
from crisplens.registry.keys.tables import SigningKeyRow
from crisplens.registry.views import View, views


class Key(View, frozen=True, kw_only=True):
    """A public key whose signatures count, or counted until it was revoked."""

    id: str
    purpose: str
    owner: str
    public_key: str
    endorsement: Endorsement | None
    revoked_reason: str | None
    revoked_by: str | None
    revoked_at: str | None
    revoked_seq: int | None
    revocation_endorsement: Endorsement | None

    @property
    def facts(self) -> KeyFacts:
        """What was trusted."""
        return KeyFacts(
            id=self.id, purpose=Purpose(self.purpose), owner=self.owner, public_key=self.public_key
        )


def list_keys(session: Session) -> list[Key]:
    """Every key of the registry, in the order in which they were trusted."""
    return views(session.scalars(select(SigningKeyRow).order_by(SigningKeyRow.seq)), Key)


def load_keyring(session: Session) -> Keyring:
    """The keys that are genuine, with the first log key as the root.

    A key that is marked as revoked counts no more even if no log key endorsed that: the gates stay shut then,
    and `audit verify` names the event.
    """
    keyring = Keyring()
    steps: list[tuple[int, Callable[[], str]]] = []
    for key in list_keys(session):
        steps.append((key.seq, _trust(keyring, key)))
        if key.revoked_seq is not None:
            steps.append((key.revoked_seq, _revoke(keyring, key)))
    for _, step in sorted(steps, key=lambda one: one[0]):
        step()
    return keyring


def check_signer(session: Session, signer: NoteSigner) -> None:
    """Raise `Refused` unless the private key is that of a log key which the registry trusts and has not revoked."""
    keyring = load_keyring(session)
    if signer.key not in keyring.log_keys():
        said = f"{signer.key.id} is no log key of this registry"
    elif signer.key.id in keyring.revoked:
        said = f"{signer.key.id} was revoked"
    else:
        return
    raise Refused(
        f"heads are not signed with this key: {said}",
        slug="bad-endorsement",
        hint="Use the private half of an active log key in `crisplens key list`: signing_key in crisplens.toml, or "
        "CRISPLENS_SIGNING_KEY.",
    )


def _trust(keyring: Keyring, key: Key) -> Callable[[], str]:
    return lambda: keyring.trust(key.seq, key.facts, key.endorsement)


def _revoke(keyring: Keyring, key: Key) -> Callable[[], str]:
    seq, reason = key.revoked_seq or 0, key.revoked_reason or ""

    def step() -> str:
        fault = keyring.revoke(seq, key.id, reason, key.revocation_endorsement)
        if key.id in keyring.trusted:
            keyring.revoked.setdefault(key.id, seq)
        return fault

    return step
