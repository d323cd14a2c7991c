"""Checks a crisplens bundle, or one proof, without crisplens.

    python verify_bundle.py BUNDLE.zip [--key KEY]... [--against HEAD]... [--require-signatures] [--json]

One file of Python's standard library, written to be read. It shares no code with crisplens, takes nothing out of
the bundle onto the disk, and believes nothing that it has not computed. Signatures are checked with the library
`cryptography` where that is installed, and are reported as not checked where it is not.

Exit codes: 0 every verdict passed, 1 one did not, 2 the file is no bundle or the usage is wrong.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    CAN_CHECK = True
except ImportError:
    CAN_CHECK = False

FORMAT, PROOF = "crisplens-bundle@1", "c2sp.org/tlog-proof@v1"
ENVELOPE = ["actor", "id", "occurred_at", "payload", "project", "recorded_at", "seq", "type", "version"]
CHECKED = {
    "evidence.added",
    "evidence.redacted",
    "key.trusted",
    "key.revoked",
    "gate.demanded",
    "approval.decided",
}
MOST_LINE, MOST_TEXT, MOST_LISTED, CHUNK = 4 << 20, 64 << 20, 20, 1 << 20
NAMESPACE = "crisplens-approval"


class NotABundle(Exception):
    """The file cannot be read as a bundle or proof; the message says why."""


class Wrong(Exception):
    """A text is not what it should be; the message says why."""


@dataclass
class Verdict:
    """What one kind of check found. `skipped` says why nothing was checked."""

    name: str
    checked: str = ""
    skipped: str = ""
    findings: list[dict[str, str]] = field(default_factory=list)
    notes: list[dict[str, str]] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """Something at `where` is wrong."""
        self.findings.append({"where": where, "what": what})

    def note(self, where: str, what: str) -> None:
        """Something to know that is no fault."""
        self.notes.append({"where": where, "what": what})

    @property
    def passed(self) -> bool | None:
        """Whether nothing was found; None when nothing was checked."""
        return False if self.findings else None if self.skipped else True


# --- Merkle tree hashes: RFC 6962, section 2.1 -------------------------------------------------------------------


def leaf_hash(content: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True)
class Piece:
    """The hash of a complete subtree: the 2**level leaves from `start` on. Level 0 is one leaf."""

    start: int
    level: int
    hash: bytes

    @property
    def end(self) -> int:
        """The first leaf after it."""
        return self.start + (1 << self.level)


def root_of(pieces: Sequence[Piece], size: int) -> bytes:
    """The root over the first `size` leaves, from pieces in order. `Wrong` when they do not cover them exactly."""
    stack: list[Piece] = []
    place = 0
    for piece in pieces:
        if piece.start >= size:
            break
        if piece.start != place or piece.start >> piece.level << piece.level != piece.start:
            raise Wrong(f"leaf {place} is not covered once and in order")
        place = piece.end
        while stack and stack[-1].level == piece.level and stack[-1].start >> piece.level & 1 == 0:
            left = stack.pop()
            piece = Piece(left.start, piece.level + 1, node_hash(left.hash, piece.hash))
        stack.append(piece)
    if place != size:
        raise Wrong(f"the hashes end at {place} leaves, not at {size}")
    root = stack.pop().hash if stack else hashlib.sha256(b"").digest()
    while stack:
        root = node_hash(stack.pop().hash, root)
    return root


def root_from_path(index: int, size: int, leaf: bytes, path: Sequence[bytes]) -> bytes:
    """The root that a leaf and its audit path lead to: RFC 9162, section 2.1.3.2."""
    if not 0 <= index < size:
        raise Wrong(f"a log of {size} events has no event {index}")
    hash, last, left = leaf, size - 1, list(path)[::-1]
    while last:
        if index & 1 or index < last:
            if not left:
                raise Wrong("the path is too short")
            other = left.pop()
            hash = node_hash(other, hash) if index & 1 else node_hash(hash, other)
        index, last = index >> 1, last >> 1
    if left:
        raise Wrong("the path is too long")
    return hash


# --- Signed notes, keys and tree heads: c2sp.org/signed-note, c2sp.org/tlog-checkpoint -----------------------------


@dataclass(frozen=True)
class Key:
    """A log's public key, of 32 bytes, with its name."""

    name: str
    public: bytes

    @property
    def hash(self) -> bytes:
        """Four bytes that tell keys of one name apart."""
        return hashlib.sha256(self.name.encode() + b"\n\x01" + self.public).digest()[:4]

    @property
    def id(self) -> str:
        """`name+hash`."""
        return f"{self.name}+{self.hash.hex()}"


@dataclass(frozen=True)
class Head:
    """A tree head: so many events, and the root hash over them. `note` is None when nothing was signed."""

    size: int
    root: bytes
    note: str | None = None


def read_key(text: str) -> Key:
    """Read a verifier key, `name+hash+base64`."""
    parts = text.strip().split("+", 2)
    if len(parts) != 3:
        raise Wrong(f"{text[:60]!r} is no verifier key (NAME+HASH+KEY)")
    raw = from_base64(parts[2])
    key = Key(parts[0], raw[1:])
    if raw[:1] != b"\x01" or len(raw) != 33 or key.hash.hex() != parts[1]:
        raise Wrong(f"{text[:60]!r} is no Ed25519 verifier key, or a character of it was changed")
    return key


def read_head(text: str) -> Head:
    """Read a tree head: a note, its text alone, or what `crisplens audit head` printed, as text or JSON."""
    words = text.split()
    if text.lstrip().startswith("{"):
        found = json.loads(text)
        if "note" in found:
            return read_head(str(found["note"]))
        return Head(int(found["size"]), bytes.fromhex(found["root"]))
    if len(words) == 3 and words[1] == "events":
        return Head(int(words[0]), bytes.fromhex(words[2]))
    body, blank, _ = text.partition("\n\n")
    lines = body.split("\n")
    if len(lines) < 3 or not lines[1].isdigit():
        raise Wrong("it is no tree head")
    head = Head(int(lines[1][:18]), from_base64(lines[2]), text if blank else None)
    if len(head.root) != 32:
        raise Wrong("the root hash has not 32 bytes")
    return head


def note_signers(note: str, keys: Sequence[Key]) -> list[Key]:
    """The keys among `keys` that signed a note. `Wrong` when the signature of one of them is not right."""
    text, _, tail = note.rpartition("\n\n")
    signed_by = []
    for line in tail.splitlines():
        dash, name, encoded = (*line.split(" "), "", "")[:3]
        raw = from_base64(encoded)
        if dash != "\N{EM DASH}" or len(raw) < 5:
            raise Wrong("it has a line that is no signature")
        for key in keys:
            if (key.name, key.hash) == (name, raw[:4]):
                if not is_signed(key.public, raw[4:], f"{text}\n".encode()):
                    raise Wrong(f"the signature of {key.id} is wrong")
                signed_by.append(key)
    return signed_by


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether this is the Ed25519 signature (RFC 8032) of `message`."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def from_base64(text: str) -> bytes:
    """Strict base64."""
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Wrong(f"{text[:40]!r} is not base64") from None


# --- SSH signatures: PROTOCOL.sshsig of OpenSSH ---------------------------------------------------------------------


def ssh_signer(armoured: str, message: bytes) -> bytes:
    """The public key, as a blob, that signed `message` with `ssh-keygen -Y sign -n crisplens-approval`."""
    lines = armoured.strip().splitlines()
    if len(lines) < 3 or "BEGIN SSH SIGNATURE" not in lines[0] or "END SSH SIGNATURE" not in lines[-1]:
        raise Wrong("it is no SSH signature")
    raw = from_base64("".join(lines[1:-1]))
    if raw[:10] != b"SSHSIG\x00\x00\x00\x01":
        raise Wrong("it is no SSH signature of version 1")
    blob, namespace, _, hash_name, signature = unpack(raw[10:], 5)
    if namespace != NAMESPACE.encode() or hash_name not in (b"sha256", b"sha512"):
        raise Wrong("the signature was made for something else")
    (kind, public), (signed_as, bare) = unpack(blob, 2), unpack(signature, 2)
    if kind != b"ssh-ed25519" or signed_as != kind:
        raise Wrong("it is no Ed25519 signature")
    digest = hashlib.new(hash_name.decode(), message).digest()
    signed = b"SSHSIG" + b"".join(map(pack, (namespace, b"", hash_name, digest)))
    if not is_signed(public, bare, signed):
        raise Wrong("the signature is of another text, or was changed")
    return blob


def fingerprint(blob: bytes) -> str:
    """`SHA256:…`, as `ssh-keygen -l` prints it."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def pack(content: bytes) -> bytes:
    """A string of the SSH protocol."""
    return len(content).to_bytes(4, "big") + content


def unpack(content: bytes, count: int) -> list[bytes]:
    """So many strings of the SSH protocol, and nothing after them."""
    parts = []
    for _ in range(count):
        end = 4 + int.from_bytes(content[:4], "big")
        if len(content) < max(4, end):
            raise Wrong("it is cut off")
        parts.append(content[4:end])
        content = content[end:]
    if content:
        raise Wrong("it is longer than it says")
    return parts


# --- The events -------------------------------------------------------------------------------------------------------


def canonical(value: Any) -> str:
    """Canonical JSON (RFC 8785) of values without fractions, which are all that is signed."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


@dataclass
class Bundle:
    """What was read of a bundle."""

    manifest: dict[str, Any]
    head: Head
    # Those that evidence and signatures are checked by, and how many there are in all.
    events: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    pieces: list[Piece] = field(default_factory=list)
    evidence: dict[str, bool] = field(default_factory=dict)
    note: str | None = None

    @property
    def leaves(self) -> dict[int, bytes]:
        """The leaf hashes of the events that it holds."""
        return {piece.start: piece.hash for piece in self.pieces if piece.level == 0}


def read_events(chunks: Iterator[bytes], bundle: Bundle, verdict: Verdict) -> None:
    """Read the lines of events.jsonl; what is wrong with one goes into the integrity verdict."""
    project, whole = bundle.manifest.get("project"), bundle.manifest.get("project") is None
    before, ids, time = -1, set(), ""
    for number, line in enumerate(lines_of(chunks)):
        where = f"line {number + 1} (events.jsonl)"
        try:
            event = json.loads(line)
            seq, at = event["seq"], event["recorded_at"]
            if (
                sorted(event) != ENVELOPE
                or not isinstance(seq, int)
                or not isinstance(event["payload"], dict)
            ):
                raise Wrong("its fields are not those of an event")
            where = f"event {seq}"
            if seq <= before or (whole and seq != before + 1):
                raise Wrong(f"it stands after event {before}: events are missing, doubled or out of order")
            if not whole and event["project"] not in (project, None):
                raise Wrong(f"it is of project {event['project']!r}")
            if event["id"] in ids:
                raise Wrong("another event has its id")
            if at < time and event["type"] != "clock.corrected":
                raise Wrong("it was recorded before the event before it")
        except (Wrong, ValueError, KeyError, TypeError, RecursionError) as error:
            verdict.add(where, str(error) if isinstance(error, Wrong) else f"it is no event: {error}")
            continue
        before, time = seq, at
        ids.add(event["id"])
        bundle.count += 1
        if event["type"] in CHECKED:
            bundle.events.append(event)
        bundle.pieces.append(Piece(seq, 0, leaf_hash(line)))


def read_tree(chunks: Iterator[bytes], bundle: Bundle, verdict: Verdict) -> None:
    """Read the lines of tree.jsonl: hashes that stand for events of other projects."""
    for number, line in enumerate(lines_of(chunks)):
        try:
            node = json.loads(line)
            level, index, hash = int(node["level"]), int(node["index"]), bytes.fromhex(node["hash"])
            if not (0 <= level < 64 and index >= 0 and len(hash) == 32):
                raise Wrong("it is no node of a tree")
        except (Wrong, ValueError, KeyError, TypeError) as error:
            verdict.add(f"line {number + 1} (tree.jsonl)", f"it is no hash of a subtree: {error}")
            continue
        bundle.pieces.append(Piece(index << level, level, hash))


def lines_of(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The lines of a member, each of a bounded length."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > MOST_LINE:
            raise NotABundle("a line is too long to be an event")
    if rest:
        yield rest


# --- Reading the zip file ---------------------------------------------------------------------------------------------


class Reader:
    """Members of a bundle, read once each, in pieces, and never longer than the manifest says."""

    def __init__(self, archive: zipfile.ZipFile, files: Verdict) -> None:
        self.zip, self.files = archive, files
        self.names = archive.namelist()
        self.listed: dict[str, Any] = {}
        for name in sorted({name for name in self.names if self.names.count(name) > 1}):
            raise NotABundle(f"it has {name[:80]!r} more than once")

    def text(self, name: str) -> str:
        """A small member, as text."""
        if self.zip.getinfo(name).file_size > MOST_TEXT:
            raise NotABundle(f"{name} is too large")
        return b"".join(self.chunks(name)).decode()

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member piece by piece; its digest and size are compared with the manifest on the way."""
        listed = self.listed.get(name)
        most = int(listed["bytes"]) if listed else MOST_TEXT
        hasher, size = hashlib.sha256(), 0
        with self.zip.open(name) as member:
            while chunk := member.read(CHUNK):
                size += len(chunk)
                hasher.update(chunk)
                if size > most:
                    break
                yield chunk
        if listed and (size != most or hasher.hexdigest() != listed["sha256"]):
            self.files.add(name, "its content is not what the manifest says")


def read_bundle(path: Path, files: Verdict, integrity: Verdict) -> Bundle:
    """Read a whole bundle. `NotABundle` when it cannot be."""
    with zipfile.ZipFile(path) as archive:
        reader = Reader(archive, files)
        manifest = json.loads(reader.text("manifest.json"))
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise NotABundle(f"its manifest does not say {FORMAT}")
        reader.listed = {name: {"bytes": int(one["bytes"]), "sha256": str(one["sha256"])}
                         for name, one in manifest["files"].items()}  # fmt: skip
        own = {"manifest.json", "manifest.note"}
        for name in sorted(set(reader.names) - reader.listed.keys() - own):
            files.add(name[:200], "the manifest does not list it")
        for name in sorted(reader.listed.keys() - set(reader.names)):
            files.add(name[:200], "the manifest lists it, and it is not there")
        head = read_head(reader.text("head.txt"))
        bundle = Bundle(manifest, head)
        read_events(reader.chunks("events.jsonl"), bundle, integrity)
        if "tree.jsonl" in reader.names:
            read_tree(reader.chunks("tree.jsonl"), bundle, integrity)
        bundle.pieces.sort(key=lambda piece: piece.start)
        for name in sorted(set(reader.names) - own - {"head.txt", "events.jsonl", "tree.jsonl"}):
            digest = hashlib.sha256()
            for chunk in reader.chunks(name):
                digest.update(chunk)
            if name.startswith("evidence/"):
                kept = name.rsplit("/", 1)[-1]
                right = name == f"evidence/sha256/{kept[:2]}/{kept}" and digest.hexdigest() == kept
                bundle.evidence[f"sha256:{kept}"] = right
        if "manifest.note" in reader.names:
            bundle.note = reader.text("manifest.note")
            text = hashlib.sha256(b"".join(reader.chunks("manifest.json"))).hexdigest()
            if not bundle.note.startswith(f"crisplens bundle\n{text}\n\n"):
                files.add("manifest.note", "it is the note of another manifest")
    files.checked = f"{len(reader.listed)} files against the manifest"
    return bundle


# --- The verdicts -----------------------------------------------------------------------------------------------------


def check_integrity(bundle: Bundle, verdict: Verdict) -> None:
    """The events, with the hashes that stand for others, lead to the head."""
    size = bundle.manifest.get("size")
    if size != bundle.head.size:
        verdict.add("manifest.json", f"says {size} events, the head {bundle.head.size}")
    try:
        if root_of(bundle.pieces, bundle.head.size) != bundle.head.root:
            verdict.add("head.txt", "its root is not that of the events: one of them, or a hash, was changed")
    except Wrong as error:
        verdict.add("events.jsonl", str(error))
    if bundle.pieces and bundle.pieces[-1].end > bundle.head.size:
        verdict.add(f"event {bundle.pieces[-1].start}", f"the head is of {bundle.head.size} events")
    verdict.checked = f"{bundle.count} events of a log of {bundle.head.size}"


def check_consistency(bundle: Bundle, paths: Sequence[str]) -> Verdict:
    """The log is a continuation of the ones whose heads were kept."""
    verdict = Verdict("consistency", f"{len(paths)} kept heads")
    same = 0
    kept = [(*read_kept(Path(path)), Path(path).name) for path in paths]
    for head, leaves, name in sorted(kept, key=lambda one: one[0].size):
        verdict.note(name, f"{head.size} events, root {head.root.hex()}")
        changed = [seq for seq, hash in sorted(leaves.items()) if bundle.leaves.get(seq, hash) != hash]
        if head.size > bundle.head.size:
            said = f"are gone: {name} is of {head.size} events"
            verdict.add(f"events {bundle.head.size} to {head.size - 1}", said)
        elif (root := root_if_known(bundle, head.size)) is None:
            verdict.note(name, "cannot be told from a project's bundle, which has not every hash")
            if not changed:
                continue
        elif root == head.root:
            same = head.size
            continue
        where = f"event {changed[0]}" if changed else f"some of events {same} to {head.size - 1}"
        if changed or head.size <= bundle.head.size:
            verdict.add(where, f"not those under the head that was kept ({name})")
    return verdict


def root_if_known(bundle: Bundle, size: int) -> bytes | None:
    """The root over the first `size` events, if the bundle's hashes do not reach across that place."""
    if any(piece.start < size < piece.end for piece in bundle.pieces):
        return None
    try:
        return root_of(bundle.pieces, size)
    except Wrong:
        return b""


def read_kept(path: Path) -> tuple[Head, dict[int, bytes]]:
    """A head that was kept, with the leaf hashes that were kept beside it."""
    if zipfile.is_zipfile(path):
        older = read_bundle(path, Verdict("files"), Verdict("integrity"))
        return older.head, older.leaves
    text = read_small(path)
    if text.startswith(PROOF):
        head, index, leaf, _ = read_proof(text)
        return head, {index: leaf}
    return read_head(text), {}


def check_evidence(bundle: Bundle) -> Verdict:
    """The files are those that the events name."""
    verdict, left_out, redacted = Verdict("evidence"), 0, 0
    named = {e["payload"].get("digest"): e for e in bundle.events if e["type"] == "evidence.added"}
    gone = {e["payload"].get("digest"): e for e in bundle.events if e["type"] == "evidence.redacted"}
    for digest, event in named.items():
        where, by = f"{event['payload'].get('name')} ({str(digest)[:19]}…)", gone.get(digest)
        if by is not None:
            redacted += 1
            said = f"redacted by {by['actor'].get('id')} on {by['occurred_at'][:10]}"
            verdict.note(where, f"{said}: {by['payload'].get('reason')}")
            if digest in bundle.evidence:
                verdict.add(where, "it was redacted, and its content is still here")
        elif digest in bundle.evidence:
            if not bundle.evidence[digest]:
                verdict.add(where, "its content is not what was recorded")
        elif bundle.manifest.get("evidence") == "full":
            verdict.add(where, "it is missing")
        else:
            left_out += 1
    for digest in sorted(bundle.evidence.keys() - named.keys()):
        verdict.add(digest[:80], "no event names it")
    out = f", {left_out} by their digests only" if left_out else ""
    out += f", {redacted} redacted" if redacted else ""
    verdict.checked = f"{len(bundle.evidence)} files against their digests{out}"
    return verdict


@dataclass
class Keyring:
    """The keys that the log has trusted so far: id -> (purpose, owner, public key, since), and when they ended."""

    pinned: frozenset[str]
    trusted: dict[str, tuple[str, str, str, int]] = field(default_factory=dict)
    revoked: dict[str, int] = field(default_factory=dict)
    demanded: set[tuple[str, str]] = field(default_factory=set)
    signed: dict[bytes, int] = field(default_factory=dict)
    has_root: bool = False

    def log_keys(self) -> list[Key]:
        """The log keys, revoked ones too."""
        return [read_key(public) for purpose, _, public, _ in self.trusted.values() if purpose == "log"]

    def endorsed(self, event: dict[str, Any], said: dict[str, Any]) -> None:
        """`Wrong` unless a log key that was trusted by then signed what the event says, and where."""
        endorsement, seq = event["payload"].get("endorsement"), event["seq"]
        if not endorsement:
            raise Wrong("no log key endorsed it")
        purpose, _, public, since = self.trusted.get(endorsement["key"], ("", "", "", seq))
        if purpose != "log" or since >= seq or self.revoked.get(endorsement["key"], seq) < seq:
            raise Wrong(f"{endorsement['key']}, which endorsed it, was no trusted log key")
        content = canonical({"project": event["project"], "said": said, "seq": seq})
        message = f"crisplens endorsement\n{content}\n".encode()
        if not is_signed(read_key(public).public, from_base64(endorsement["signature"]), message):
            raise Wrong(f"its endorsement by {endorsement['key']} is of something else")

    def trust(self, event: dict[str, Any]) -> None:
        """Take a key in, if it is what it says and may be trusted."""
        said = {name: event["payload"][name] for name in ("id", "purpose", "owner", "public_key")}
        if said["purpose"] == "log":
            key = read_key(said["public_key"])
            right = (key.id, key.name) == (said["id"], said["owner"])
        else:
            right = fingerprint(from_base64(said["public_key"].split(" ")[1])) == said["id"]
        if not right:
            raise Wrong(f"{said['id']} is not what its public key says")
        if said["id"] in self.trusted:
            raise Wrong(f"{said['id']} was trusted before")
        is_root = said["public_key"] in self.pinned if self.pinned else not self.has_root
        if not (said["purpose"] == "log" and is_root):
            self.endorsed(event, {"type": "key.trusted", **said})
        self.has_root = self.has_root or said["purpose"] == "log"
        self.trusted[said["id"]] = (said["purpose"], said["owner"], said["public_key"], event["seq"])

    def revoke(self, event: dict[str, Any]) -> None:
        """End a key's trust."""
        id, reason = event["payload"]["id"], event["payload"]["reason"]
        if id not in self.trusted or id in self.revoked:
            raise Wrong(f"{id} is no trusted key")
        self.endorsed(event, {"type": "key.revoked", "id": id, "reason": reason})
        self.revoked[id] = event["seq"]

    def demand(self, event: dict[str, Any]) -> None:
        """Note what a gate demands; lifting a demand takes an endorsement."""
        said = {name: event["payload"][name] for name in ("phase", "signatures", "reason")}
        place = (event["project"], said["phase"])
        if said["signatures"] == "required":
            self.demanded.add(place)
            return
        self.endorsed(event, {"type": "gate.demanded", **said})
        self.demanded.discard(place)

    def approve(self, event: dict[str, Any], leaves: dict[int, bytes]) -> None:
        """`Wrong` unless an approval is signed by its actor where it is signed, and signed where it must be."""
        payload, seq, actor = event["payload"], event["seq"], event["actor"]["id"]
        signature = payload.get("signature")
        if not signature:
            if (event["project"], payload["phase"]) in self.demanded and payload["decision"] == "approved":
                raise Wrong("is not signed, as its gate demanded by then")
            return
        basis = sorted({seq: leaves[seq] for seq in payload["basis"].values()}.items())
        lines = "".join(f"{seq} {leaf.hex()}\n" for seq, leaf in basis)
        if signature["basis_digest"] != f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}":
            raise Wrong("what it rests on is not what was signed")
        names = ("checkpoint", "checkpoint_digest", "phase", "cycle", "decision", "reason", "basis")
        statement = {name: payload[name] for name in names}
        statement |= {"project": event["project"], "actor": actor, "basis_digest": signature["basis_digest"]}
        message = f"{canonical(statement)}\n".encode()
        signer = fingerprint(ssh_signer(signature["signature"], message))
        purpose, owner, _, since = self.trusted.get(signer, ("", "", "", seq))
        if purpose != "approver" or since >= seq or self.revoked.get(signer, seq) < seq:
            raise Wrong(f"{signer}, which signed it, was no trusted key")
        if owner.casefold() != actor.casefold():
            raise Wrong(f"{signer} is the key of {owner}, not of {actor}")
        if self.signed.setdefault(message, seq) != seq:
            raise Wrong(f"its signature is a copy of that in event {self.signed[message]}")


def check_signatures(bundle: Bundle, keys: Sequence[str], *, required: bool) -> Verdict:
    """Keys, signed approvals, lifted demands, the head and the manifest are vouched for."""
    verdict = Verdict("signatures")
    if not CAN_CHECK:
        verdict.skipped = "not checked: install the library `cryptography`"
        if required:
            verdict.add("signatures", verdict.skipped)
        return verdict
    ring, leaves, signed = Keyring(frozenset(key.strip() for key in keys)), bundle.leaves, 0
    for event in bundle.events:
        signed += event["type"] == "approval.decided" and bool(event["payload"].get("signature"))
        try:
            check_event(event, ring, leaves)
        except Wrong as error:
            verdict.add(f"event {event['seq']} ({event['type']})", str(error))
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            verdict.add(
                f"event {event['seq']} ({event['type']})", f"its fields are not as they should be: {error}"
            )
    known = [*ring.log_keys(), *map(read_key, keys)]
    if keys and not any(one[2] in ring.pinned for one in ring.trusted.values()):
        verdict.add("keys", "the log trusts none of the keys that were given")
    for name, note in (("head.txt", bundle.head.note), ("manifest.note", bundle.note)):
        check_note(name, note, known, verdict, required=required)
    if not keys and (first := ring.log_keys()[:1]):
        verdict.note(
            first[0].id, "taken for genuine because it came first; pass the one you were given as --key"
        )
    verdict.checked = f"{len(ring.trusted)} keys, {signed} signed approvals"
    return verdict


def check_event(event: dict[str, Any], ring: Keyring, leaves: dict[int, bytes]) -> None:
    """What one event has to be vouched for."""
    match event["type"]:
        case "key.trusted":
            ring.trust(event)
        case "key.revoked":
            ring.revoke(event)
        case "gate.demanded":
            ring.demand(event)
        case "approval.decided":
            ring.approve(event, leaves)


def check_note(
    name: str, note: str | None, known: Sequence[Key], verdict: Verdict, *, required: bool
) -> None:
    """A note is signed by a log key that is known."""
    if note is None:
        (verdict.add if required else verdict.note)(name, "is not signed")
        return
    try:
        if not note_signers(note, known):
            verdict.add(name, "is signed by no log key that is known")
    except Wrong as error:
        verdict.add(name, str(error))


# --- One proof: c2sp.org/tlog-proof ---------------------------------------------------------------------------------


def read_proof(text: str) -> tuple[Head, int, bytes, list[bytes]]:
    """A proof's head, the event's place, its leaf hash, and the audit path."""
    top, _, note = text.partition("\n\n")
    lines = top.split("\n")
    if len(lines) < 3 or not lines[1].startswith("extra ") or not lines[2].removeprefix("index ").isdigit():
        raise Wrong("it is no proof of an event")
    leaf = leaf_hash(from_base64(lines[1].removeprefix("extra ")))
    return (
        read_head(note),
        int(lines[2].removeprefix("index ")[:18]),
        leaf,
        [from_base64(one) for one in lines[3:]],
    )


def check_proof(text: str, keys: Sequence[str], *, required: bool) -> tuple[Head, list[Verdict]]:
    """A proof leads to its head's root, and the head is signed by one of the keys."""
    head, index, leaf, path = read_proof(text)
    integrity, signatures = (
        Verdict("integrity", f"event {index} of a log of {head.size}"),
        Verdict("signatures"),
    )
    try:
        if root_from_path(index, head.size, leaf, path) != head.root:
            raise Wrong("its path does not lead to the head's root: the event or the path was changed")
    except Wrong as error:
        integrity.add(f"event {index}", str(error))
    if not CAN_CHECK or not keys:
        why = "give the log's key with --key" if CAN_CHECK else "install the library `cryptography`"
        signatures.skipped = f"not checked: {why}"
        if required:
            signatures.add("head", signatures.skipped)
    else:
        signatures.checked = "the head's signature"
        check_note("head", head.note, [read_key(key) for key in keys], signatures, required=True)
    return head, [integrity, signatures]


# --- The command ------------------------------------------------------------------------------------------------------


def check(options: argparse.Namespace) -> tuple[Head, list[Verdict]]:
    """Every verdict on what was given."""
    path = Path(options.bundle)
    for key in options.key:
        read_key(key)
    if not zipfile.is_zipfile(path):
        text = read_small(path)
        if not text.startswith(PROOF):
            raise NotABundle("it is neither a zip file nor a proof")
        return check_proof(text, options.key, required=options.require_signatures)
    files, integrity = Verdict("files"), Verdict("integrity")
    bundle = read_bundle(path, files, integrity)
    check_integrity(bundle, integrity)
    verdicts = [files, integrity]
    if options.against:
        verdicts.append(check_consistency(bundle, options.against))
    verdicts.append(Verdict("projection", skipped="not part of a bundle: there are no tables in it"))
    verdicts.append(check_evidence(bundle))
    verdicts.append(check_signatures(bundle, options.key, required=options.require_signatures))
    return bundle.head, verdicts


def read_small(path: Path) -> str:
    """A small text file."""
    with path.open("rb") as file:
        return file.read(MOST_TEXT).decode()


def show(head: Head, verdicts: Sequence[Verdict]) -> None:
    """Print verdicts for people; control characters from the bundle are not printed."""
    for verdict in verdicts:
        mark = {True: "ok", False: "NO", None: "--"}[verdict.passed]
        lines = [f"{mark}  {verdict.name:<11} {verdict.skipped or verdict.checked}"]
        lines += [f"      {one['where']}: {one['what']}" for one in verdict.findings[:MOST_LISTED]]
        if len(verdict.findings) > MOST_LISTED:
            lines.append(f"      and {len(verdict.findings) - MOST_LISTED} more")
        lines += [f"      ({one['where']}: {one['what']})" for one in verdict.notes[:MOST_LISTED]]
        for line in lines:
            print("".join(one if one.isprintable() else "?" for one in line))
    print(f"Tree head: {head.size} events, root {head.root.hex()}")


def main() -> int:
    """Check what the command line names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", help="a bundle, or a proof (.tlog-proof)")
    parser.add_argument("--key", action="append", default=[], help="the log's public key, got elsewhere")
    parser.add_argument(
        "--against", action="append", default=[], help="a head, proof or bundle that was kept"
    )
    parser.add_argument(
        "--require-signatures", action="store_true", help="fail where nothing is signed or checked"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    try:
        head, verdicts = check(options)
    # Whatever a hostile file makes the standard library raise means that it is no bundle.
    except Exception as error:
        reason = "".join(one if one.isprintable() else "?" for one in str(error))[:300]
        print(f"This cannot be checked: {type(error).__name__}: {reason}", file=sys.stderr)
        return 2
    passed = all(verdict.passed is not False for verdict in verdicts)
    if options.json:
        listed = [
            {"name": one.name, "passed": one.passed, "checked": one.skipped or one.checked,
             "findings": one.findings, "notes": one.notes}
            for one in verdicts
        ]  # fmt: skip
        print(
            json.dumps(
                {"passed": passed, "head": {"size": head.size, "root": head.root.hex()}, "verdicts": listed}
            )
        )
    else:
        show(head, verdicts)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
