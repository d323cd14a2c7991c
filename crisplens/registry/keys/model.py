"""Which keys are genuine: a chain of endorsements from the first log key, or from those that a reader pins. Pure.

A log key signs tree heads and endorses what must not be slipped in by whoever holds the database: further
keys, revocations, and the lifting of a gate's demand for signatures. An approver's key signs approvals.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from crisplens.core import ssh
from crisplens.core.canonical import canonical_json
from crisplens.core.ed25519 import is_signed
from crisplens.core.errors import InputError
from crisplens.ledger import notes


class Purpose(StrEnum):
    """What a key's signatures are good for."""

    LOG = "log"
    APPROVER = "approver"


class Endorsement(msgspec.Struct, frozen=True):
    """A log key's signature (base64) on what an event says, at its place in the log; `key` is the key's id."""

    key: str
    signature: str


class KeyFacts(msgspec.Struct, frozen=True, kw_only=True):
    """A key as it was trusted. `owner` is the log's origin, or the approver's identity.

    `public_key` is a C2SP verifier key for a log, an OpenSSH public key for an approver.
    """

    id: str
    purpose: Purpose
    owner: str
    public_key: str


class Keyring:
    """The keys of a registry as its log tells them, event by event in order.

    With `pinned` (log keys that the reader got elsewhere) only those are roots; else the first log key is.
    Pin a key by its text: its id holds but 32 bits of it, so that someone can make another key with the same id.
    Each method returns what is wrong with the event, or an empty text.
    """

    def __init__(self, pinned: Collection[str] = ()) -> None:
        self.pinned = frozenset(pinned)
        self.trusted: dict[str, KeyFacts] = {}
        self.revoked: dict[str, int] = {}
        self._since: dict[str, int] = {}
        self._has_root = bool(pinned)

    def trust(self, seq: int, facts: KeyFacts, endorsement: Endorsement | None) -> str:
        """Take a key in, if it is what it says and may be trusted."""
        if fault := _key_fault(facts):
            return fault
        if facts.id in self.trusted:
            return f"{facts.id} was trusted before"
        root = bool(self.pinned & {facts.id, facts.public_key}) or not self._has_root
        if not (facts.purpose == Purpose.LOG and root):
            said = {"type": "key.trusted", **msgspec.to_builtins(facts)}
            if fault := self.endorsement_fault(seq, None, said, endorsement):
                return fault
        if facts.purpose == Purpose.LOG:
            self._has_root = True
        self.trusted[facts.id], self._since[facts.id] = facts, seq
        return ""

    def revoke(self, seq: int, id: str, reason: str, endorsement: Endorsement | None) -> str:
        """End a key's trust from event `seq` on; a key may endorse its own end."""
        if id not in self.trusted or id in self.revoked:
            return f"{id} is no trusted key"
        said = {"type": "key.revoked", "id": id, "reason": reason}
        if fault := self.endorsement_fault(seq, None, said, endorsement):
            return fault
        self.revoked[id] = seq
        return ""

    def endorsement_fault(
        self, seq: int, project: str | None, said: Mapping[str, Any], endorsement: Endorsement | None
    ) -> str:
        """What is wrong with a log key's endorsement of what event `seq` says."""
        if endorsement is None:
            return "no log key endorsed it"
        facts = self.trusted.get(endorsement.key)
        if facts is None or facts.purpose != Purpose.LOG:
            return f"{endorsement.key}, which endorsed it, is no trusted log key"
        if self._since[endorsement.key] >= seq:
            return f"{endorsement.key}, which endorsed it, was not trusted yet"
        if self.revoked.get(endorsement.key, seq) < seq:
            return f"{endorsement.key}, which endorsed it, was revoked"
        try:
            signature = base64.b64decode(endorsement.signature.encode(), validate=True)
            message = endorsement_message(seq, project, said)
        except (UnicodeError, binascii.Error):
            return "its endorsement is not base64"
        except InputError as error:
            return str(error)
        key = notes.parse_key(facts.public_key)
        if not is_signed(key.public, signature, message):
            return f"its endorsement by {endorsement.key} is of something else"
        return ""

    def log_keys(self) -> list[notes.NoteKey]:
        """The log keys that heads may be signed with, revoked ones too: a head does not say when it was signed."""
        return [
            notes.parse_key(one.public_key) for one in self.trusted.values() if one.purpose == Purpose.LOG
        ]

    def signer_fault(self, key: ssh.SshKey, actor: str, seq: int) -> str:
        """What keeps `key` from signing for `actor` in event `seq`."""
        facts = self.trusted.get(key.fingerprint)
        if facts is None or facts.purpose != Purpose.APPROVER:
            return f"{key.fingerprint} is no trusted key"
        if facts.owner.casefold() != actor.casefold():
            return f"{key.fingerprint} is the key of {facts.owner}, not of {actor}"
        if self._since[key.fingerprint] >= seq:
            return f"{key.fingerprint} was not trusted yet"
        if self.revoked.get(key.fingerprint, seq) < seq:
            return f"{key.fingerprint} was revoked before"
        return ""


def endorsement_message(seq: int, project: str | None, said: Mapping[str, Any]) -> bytes:
    """The bytes that an endorsement signs: what the event says, its project, and its place in the log."""
    content = canonical_json({"project": project, "said": dict(said), "seq": seq})
    return f"crisplens endorsement\n{content}\n".encode()


def endorse(signer: notes.NoteSigner, seq: int, project: str | None, said: Mapping[str, Any]) -> Endorsement:
    """A log key's endorsement of what event `seq` says."""
    signature = signer.sign(endorsement_message(seq, project, said))
    return Endorsement(signer.key.id, base64.b64encode(signature).decode())


def read_key(text: str, owner: str | None) -> KeyFacts:
    """A key from its text: a C2SP verifier key is a log's, an OpenSSH public key that of the approver `owner`.

    Raises `ValueError`.
    """
    # A log's verifier key is one word.
    if len(text.split(maxsplit=1)) == 2:
        if not owner:
            raise ValueError("an SSH key is someone's: say whose")
        key = ssh.parse_public_key(text)
        return KeyFacts(id=key.fingerprint, purpose=Purpose.APPROVER, owner=owner, public_key=str(key))
    log_key = notes.parse_key(text)
    return KeyFacts(id=log_key.id, purpose=Purpose.LOG, owner=log_key.name, public_key=str(log_key))


def _key_fault(facts: KeyFacts) -> str:
    try:
        read = read_key(facts.public_key, facts.owner)
    except ValueError as error:
        return str(error)
    return "" if read == facts else f"{facts.id} is not what its public key says"
