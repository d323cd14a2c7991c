"""Approvals signed with the approver's own SSH key: what is signed, and whether a signature is right. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import msgspec

from crisplens.core import ssh
from crisplens.core.canonical import canonical_json
from crisplens.core.errors import InputError
from crisplens.lifecycle.model import ApprovalSignature
from crisplens.registry.keys.model import Keyring

NAMESPACE = "crisplens-approval"


class ApprovalStatement(msgspec.Struct, frozen=True, kw_only=True):
    """What an approver decides, all of it: the checkpoint by its digest, and what it rests on, event by event."""

    project: str
    actor: str
    checkpoint: str
    checkpoint_digest: str
    phase: str
    cycle: int
    decision: str
    reason: str
    basis: Mapping[str, int]
    basis_digest: str

    def message(self) -> bytes:
        """The bytes that are signed: canonical JSON and a newline, so that a text file can hold them."""
        return f"{canonical_json(msgspec.to_builtins(self))}\n".encode()


def digest_basis(leaves: Iterable[tuple[int, bytes]]) -> str:
    """`sha256:<hex>` of the basis's ledger entries, by their place and leaf hash in the order of the log."""
    lines = "".join(f"{seq} {leaf.hex()}\n" for seq, leaf in sorted(leaves))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def signature_fault(
    statement: ApprovalStatement, signature: ApprovalSignature, keyring: Keyring, *, seq: int
) -> str:
    """What is wrong with an approval's signature in event `seq`; empty when it is the approver's own."""
    try:
        key = ssh.check_signature(signature.signature, statement.message(), namespace=NAMESPACE)
    except (ssh.SshError, InputError) as error:
        return str(error)
    return keyring.signer_fault(key, statement.actor, seq)
