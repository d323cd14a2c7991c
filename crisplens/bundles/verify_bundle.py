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
import math
import sys
import zipfile
from collections import Counter
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
ENVELOPE: dict[str, type | tuple[type, ...]] = {
    "actor": dict,
    "id": str,
    "occurred_at": str,
    "payload": dict,
    "project": (str, type(None)),
    "recorded_at": str,
    "seq": int,
    "type": str,
    "version": int,
}
# The fields of the events that evidence and signatures are checked by, and the newest version that is known.
ENDORSED = (dict, type(None))
CHECKED: dict[str, tuple[int, dict[str, type | tuple[type, ...]]]] = {
    "evidence.added": (1, {"digest": str, "name": str, "media_type": str, "size": int}),
    "evidence.redacted": (1, {"digest": str, "reason": str}),
    "key.trusted": (1, {"id": str, "purpose": str, "owner": str, "public_key": str, "endorsement": ENDORSED}),
    "key.revoked": (1, {"id": str, "reason": str, "endorsement": dict}),
    "gate.demanded": (1, {"phase": str, "signatures": str, "reason": str, "endorsement": ENDORSED}),
    "approval.decided": (
        2,
        {"id": str, "checkpoint": str, "checkpoint_digest": str, "phase": str, "cycle": int, "decision": str,
         "reason": str, "basis": dict, "signature": ENDORSED},
    ),
}  # fmt: skip
MOST_LINE, MOST_TEXT, MOST_LISTED, CHUNK = 4 << 20, 10_000_000, 20, 1 << 20
MOST_MEMBERS, MOST_EXACT = 1_000_000, 2**53 - 1
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
    found: int = 0
    notes: list[dict[str, str]] = field(default_factory=list)

    def add(self, where: str, what: str) -> None:
        """Something at `where` is wrong."""
        self.found += 1
        if self.found <= MOST_LISTED:
            self.findings.append({"where": where[:300], "what": what[:600]})

    def note(self, where: str, what: str) -> None:
        """Something to know that is no fault."""
        self.notes.append({"where": where, "what": what})

    @property
    def passed(self) -> bool | None:
        """Whether nothing was found; None when nothing was checked."""
        return False if self.found else None if self.skipped else True


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

    @property
    def text(self) -> str:
        """The verifier key."""
        encoded = base64.b64encode(b"\x01" + self.public)
        return f"{self.id}+{encoded.decode()}"


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
    named = key.name.isprintable() and 0 < len(key.name) <= 200 and not any(map(str.isspace, key.name))
    if not named or raw[:1] != b"\x01" or len(raw) != 33 or key.hash.hex() != parts[1]:
        raise Wrong(f"{text[:60]!r} is no Ed25519 verifier key, or a character of it was changed")
    return key


def read_number(text: str) -> int:
    """A number as it is written in a head or proof: ASCII digits, no zeros in front."""
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or str(int(text)) != text:
        raise Wrong(f"{text[:40]!r} is no number of events")
    return int(text)


def read_head(text: str) -> Head:
    """Read a tree head: a note, its text alone, or what `crisplens audit head` printed, as text or JSON."""
    words = text.split()
    if text.lstrip().startswith("{"):
        found = json.loads(text)
        if note := found.get("note"):
            if "\n\n" not in note or note.lstrip().startswith("{"):
                raise Wrong("its note is not signed")
            return read_head(note)
        return plain_head(str(found.get("size")), str(found.get("root")))
    if len(words) == 3 and words[1] == "events":
        return plain_head(words[0], words[2])
    body, signed, _ = text.partition("\n\n")
    if body != text.rpartition("\n\n")[0] and signed:
        raise Wrong("it has an empty line")
    lines = (f"{body}\n" if signed else text).split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise Wrong("it is no tree head: origin, size and root hash must stand on a line each")
    head = Head(read_number(lines[1]), from_base64(lines[2]), text if signed else None)
    if len(head.root) != 32:
        raise Wrong("the root hash has not 32 bytes")
    return head


def plain_head(size: str, root: str) -> Head:
    """A head of a size and a root in hexadecimal."""
    if len(root) != 64 or bytes.fromhex(root).hex() != root:
        raise Wrong("its root hash is not 64 hexadecimal digits")
    return Head(read_number(size), bytes.fromhex(root))


def split_note(note: str) -> tuple[str, list[tuple[str, bytes]]]:
    """A note's text and its signatures: the key's name, and the key's hash with the signature."""
    text, blank, tail = note.rpartition("\n\n")
    if not blank or not tail.endswith("\n") or any(ord(one) < 32 and one != "\n" for one in note):
        raise Wrong("it is no signed note: a blank line and signatures must follow the text")
    signatures: list[tuple[str, bytes]] = []
    for line in tail[:-1].split("\n"):
        dash, name, encoded = (*line.split(" ", 2), "", "")[:3]
        raw = from_base64(encoded)
        if dash != "\N{EM DASH}" or not name or len(raw) < 5 or len(signatures) >= 100:
            raise Wrong("it has a line that is no signature, or too many")
        signatures.append((name, raw))
    return f"{text}\n", signatures


def note_signers(note: str, keys: Sequence[Key]) -> list[Key]:
    """The keys among `keys` that signed a note. `Wrong` when the signature of one of them is not right."""
    text, signatures = split_note(note)
    known = {(key.name, key.hash): key for key in keys}
    signed_by = []
    for name, raw in signatures:
        key = known.get((name, raw[:4]))
        if key is not None:
            if not is_signed(key.public, raw[4:], text.encode()):
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
    """Base64 as it is written: nothing else in it, and one text for each content."""
    try:
        content = base64.b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        raise Wrong(f"{text[:40]!r} is not base64") from None
    if base64.b64encode(content).decode() != text:
        raise Wrong(f"{text[:40]!r} is not base64 as it is written: its last character was changed")
    return content


# --- SSH signatures: PROTOCOL.sshsig of OpenSSH ---------------------------------------------------------------------


def ssh_signer(armoured: str, message: bytes) -> bytes:
    """The public key, as a blob, that signed `message` with `ssh-keygen -Y sign -n crisplens-approval`."""
    text, begin, end = armoured.strip(), *(f"-----{one} SSH SIGNATURE-----" for one in ("BEGIN", "END"))
    if len(text) > 10_000 or not (text.startswith(begin) and text.endswith(end)):
        raise Wrong(f"it is no SSH signature: it must stand between {begin} and {end}")
    raw = from_base64("".join(text[len(begin) : -len(end)].split()))
    if raw[:10] != b"SSHSIG\x00\x00\x00\x01":
        raise Wrong("it is no SSH signature of version 1")
    blob, namespace, _, hash_name, signature = unpack(raw[10:], 5)
    if namespace != NAMESPACE.encode() or hash_name not in (b"sha256", b"sha512"):
        raise Wrong("the signature was made for something else")
    public, (signed_as, bare) = ssh_public(blob), unpack(signature, 2)
    if signed_as != b"ssh-ed25519" or len(bare) != 64:
        raise Wrong("it is no Ed25519 signature")
    digest = hashlib.new(hash_name.decode(), message).digest()
    signed = b"SSHSIG" + b"".join(map(pack, (namespace, b"", hash_name, digest)))
    if not is_signed(public, bare, signed):
        raise Wrong("the signature is of another text, or was changed")
    return blob


def ssh_public(blob: bytes) -> bytes:
    """The 32 bytes of an Ed25519 key."""
    kind, public = unpack(blob, 2)
    if kind != b"ssh-ed25519" or len(public) != 32:
        raise Wrong("it is no Ed25519 SSH key")
    return public


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


# --- Canonical JSON: RFC 8785 ---------------------------------------------------------------------------------------


def canonical(value: Any) -> str:
    """The one text of a JSON value. `Wrong` for what no event can hold: NUL, numbers that are not exact."""
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{canonical(key)}:{canonical(value[key])}" for key in keys) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(canonical, value)) + "]"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str) and "\0" in value:
        raise Wrong("it holds a NUL character")
    if isinstance(value, int) and abs(value) > MOST_EXACT:
        raise Wrong(f"{str(value)[:40]} is no exact number")
    return json.dumps(value, ensure_ascii=False)


def number(value: float) -> str:
    """A number as ECMAScript writes it: the digits that Python writes too, with the point elsewhere."""
    if not math.isfinite(value):
        raise Wrong("it holds a number that is not finite")
    if value == 0:
        return "0"
    mantissa, _, exponent = f"{abs(value)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    point = len(whole) + int(exponent or 0)
    digits = whole + fraction
    point -= len(digits) - len(digits.lstrip("0"))
    digits = digits.strip("0")
    sign, count = "-" if value < 0 else "", len(digits)
    if count <= point <= 21:
        return f"{sign}{digits}{'0' * (point - count)}"
    if 0 < point <= 21:
        return f"{sign}{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"{sign}0.{'0' * -point}{digits}"
    return f"{sign}{digits[0]}{'.' if count > 1 else ''}{digits[1:]}e{point - 1:+d}"


def read_json(line: bytes) -> Any:
    """A line that must be canonical JSON, byte for byte."""
    value = json.loads(line.decode())
    if canonical(value).encode() != line:
        raise Wrong("it is not written as canonical JSON: a character was changed")
    return value


def has_fields(value: Any, kinds: dict[str, type | tuple[type, ...]]) -> bool:
    """Whether this is an object of exactly these fields and their types."""
    return (
        isinstance(value, dict)
        and value.keys() == kinds.keys()
        and all(isinstance(value[name], kind) and value[name] is not True and value[name] is not False
                for name, kind in kinds.items())
    )  # fmt: skip


# --- The events -------------------------------------------------------------------------------------------------------


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


def read_event(line: bytes) -> dict[str, Any]:
    """One line of events.jsonl."""
    event = read_json(line)
    if not has_fields(event, ENVELOPE) or not has_fields(event["actor"], {"id": str, "source": str}):
        raise Wrong("its fields are not those of an event")
    return dict(event)


def read_events(chunks: Iterator[bytes], bundle: Bundle, verdict: Verdict) -> None:
    """Read the lines of events.jsonl; what is wrong with one goes into the integrity verdict."""
    project = bundle.manifest["project"]
    before, time, ids = -1, "", set()
    for number, line in enumerate(lines_of(chunks)):
        where = f"line {number + 1} (events.jsonl)"
        try:
            event = read_event(line)
            seq, at = event["seq"], event["recorded_at"]
            where = f"event {seq}"
            if seq <= before or (project is None and seq != before + 1):
                raise Wrong(f"it stands after event {before}: events are missing, doubled or out of order")
            if project is not None and event["project"] not in (project, None):
                raise Wrong(f"it is of project {event['project']!r}")
            if event["id"] in ids:
                raise Wrong("another event has its id")
            if at < time and event["type"] != "clock.corrected":
                raise Wrong("it was recorded before the event before it")
        except (Wrong, ValueError, RecursionError) as error:
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
            node = read_json(line)
            if not has_fields(node, {"hash": str, "index": int, "level": int}):
                raise Wrong("its fields are not those of a hash")
            level, index, hash = node["level"], node["index"], bytes.fromhex(node["hash"])
            if not (0 <= level < 64 and index >= 0 and len(hash) == 32):
                raise Wrong("it is no node of a tree")
        except (Wrong, ValueError, RecursionError) as error:
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
        if len(self.names) > MOST_MEMBERS:
            raise NotABundle("it has too many members")
        for name, count in Counter(self.names).items():
            if count > 1:
                raise NotABundle(f"it has {name[:80]!r} more than once")
        for one in archive.infolist():
            if one.flag_bits & 1 or one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise NotABundle(f"{one.filename[:80]!r} is encrypted, or packed in an unusual way")

    def text(self, name: str) -> str:
        """A small member, as text."""
        if self.zip.getinfo(name).file_size > MOST_TEXT:
            raise NotABundle(f"{name} is too large")
        return b"".join(self.chunks(name)).decode()

    def chunks(self, name: str, most: int = MOST_TEXT) -> Iterator[bytes]:
        """A member piece by piece; its digest and size are compared with the manifest on the way."""
        listed = self.listed.get(name)
        most = int(listed["bytes"]) if listed else most
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
        if manifest.get("evidence") not in ("full", "digests"):
            raise NotABundle("its manifest does not say whether it holds evidence")
        if not isinstance(manifest.get("project", 0), str | None):
            raise NotABundle("its manifest does not say which project it is of")
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
                if name == f"evidence/sha256/{kept[:2]}/{kept}":
                    bundle.evidence[f"sha256:{kept}"] = digest.hexdigest() == kept
                else:
                    bundle.evidence[name] = False
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


def check_consistency(bundle: Bundle, paths: Sequence[str], known: Sequence[Key]) -> Verdict:
    """The log is a continuation of the ones whose heads were kept."""
    verdict = Verdict("consistency", f"{len(paths)} kept heads")
    same = 0
    kept = [(*read_kept(Path(path)), Path(path).name) for path in paths]
    for head, leaves, name in sorted(kept, key=lambda one: one[0].size):
        verdict.note(name, f"{head.size} events, root {head.root.hex()}")
        if head.note is not None and CAN_CHECK:
            check_note(name, head.note, known, verdict, required=True)
        elif head.note is not None:
            verdict.note(name, "its signature was not checked: install the library `cryptography`")
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
        return read_older(path)
    text = read_small(path)
    if text.startswith(PROOF):
        head, index, line, _ = read_proof(text)
        return head, {index: leaf_hash(line)}
    return read_head(text), {}


def read_older(path: Path) -> tuple[Head, dict[int, bytes]]:
    """The head of a bundle that was kept, and the leaf hashes of its events; nothing else of it matters here."""
    with zipfile.ZipFile(path) as archive:
        reader, leaves = Reader(archive, Verdict("files")), {}
        head = read_head(reader.text("head.txt"))
        for line in lines_of(reader.chunks("events.jsonl", most=archive.getinfo("events.jsonl").file_size)):
            leaves[read_event(line)["seq"]] = leaf_hash(line)
    return head, leaves


def check_evidence(bundle: Bundle) -> Verdict:
    """The files are those that the events name."""
    verdict, left_out, redacted = Verdict("evidence"), 0, 0
    named: dict[str, dict[str, Any]] = {}
    gone: dict[str, dict[str, Any]] = {}
    for event in bundle.events:
        if event["type"].startswith("evidence."):
            if not has_fields(event["payload"], CHECKED[event["type"]][1]):
                verdict.add(f"event {event['seq']}", "its fields are not as they should be")
                continue
            chosen = named if event["type"] == "evidence.added" else gone
            chosen.setdefault(event["payload"]["digest"], event)
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
        endorsement, seq = event["payload"]["endorsement"], event["seq"]
        if endorsement is None:
            raise Wrong("no log key endorsed it")
        if not has_fields(endorsement, {"key": str, "signature": str}):
            raise Wrong("its endorsement has other fields than a key and a signature")
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
            right = said["public_key"] == key.text and (key.id, key.name) == (said["id"], said["owner"])
        else:
            kind, _, encoded = said["public_key"].partition(" ")
            blob = from_base64(encoded)
            ssh_public(blob)
            right = (said["purpose"], kind, said["id"]) == ("approver", "ssh-ed25519", fingerprint(blob))
            right = right and bool(said["owner"])
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
        if said["signatures"] not in ("required", "optional"):
            raise Wrong("it demands neither of what a gate can demand")
        if said["signatures"] == "required":
            self.demanded.add(place)
            return
        self.endorsed(event, {"type": "gate.demanded", **said})
        self.demanded.discard(place)

    def approve(self, event: dict[str, Any], leaves: dict[int, bytes]) -> None:
        """`Wrong` unless an approval is signed by its actor where it is signed, and signed where it must be."""
        payload, seq, actor = event["payload"], event["seq"], event["actor"]["id"]
        signature = payload["signature"]
        if event["project"] is None:
            raise Wrong("is about no project")
        if payload["decision"] not in ("approved", "rejected", "changes-requested"):
            raise Wrong("its decision is neither approved, rejected nor changes-requested")
        if not has_fields(payload["basis"], dict.fromkeys(payload["basis"], int)):
            raise Wrong("what it rests on is not events")
        if signature is None:
            if (event["project"], payload["phase"]) in self.demanded and payload["decision"] == "approved":
                raise Wrong("is not signed, as its gate demanded by then")
            return
        if not has_fields(signature, {"basis_digest": str, "signature": str}):
            raise Wrong("its signature has other fields than a digest and a signature")
        places = {place for place in payload["basis"].values() if 0 <= place < seq}
        basis = sorted((place, leaves[place]) for place in places if place in leaves)
        lines = "".join(f"{place} {leaf.hex()}\n" for place, leaf in basis)
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


def check_signatures(bundle: Bundle, keys: Sequence[str], *, required: bool) -> tuple[Verdict, list[Key]]:
    """Keys, signed approvals, lifted demands, the head and the manifest are vouched for; and the log keys."""
    verdict, pins = Verdict("signatures"), [read_key(key) for key in keys]
    if not CAN_CHECK:
        verdict.skipped = "not checked: install the library `cryptography`"
        if required:
            verdict.add("signatures", verdict.skipped)
        return verdict, pins
    ring, leaves = Keyring(frozenset(pin.text for pin in pins)), bundle.leaves
    counts = {"signed": 0, "unsigned": 0}
    for event in bundle.events:
        if event["type"] == "approval.decided":
            counts["signed" if event["payload"].get("signature") else "unsigned"] += 1
        try:
            check_event(event, ring, leaves)
        except (Wrong, ValueError, RecursionError) as error:
            verdict.add(f"event {event['seq']} ({about(event)})", str(error))
    if pins and not ring.log_keys():
        for pin in pins:
            verdict.add(pin.text, "is no key of this log: it is another log, or its keys were replaced")
    known = [*ring.log_keys(), *pins]
    for name, note in (("head.txt", bundle.head.note), ("manifest.note", bundle.note)):
        check_note(name, note, known, verdict, required=required)
    if not keys and (first := ring.log_keys()[:1]):
        said = "taken for genuine because it came first; pass the one you were given as --key"
        verdict.note(first[0].text, said)
    signed = f"{counts['signed']} signed approvals ({counts['unsigned']} unsigned)"
    verdict.checked = f"{len(ring.trusted)} keys, {signed}"
    return verdict, known


def about(event: dict[str, Any]) -> str:
    """What an event is about, in words."""
    said = event["payload"].get("owner") or event["payload"].get("id") or event["project"]
    return f"{event['type']} {said}"


def check_event(event: dict[str, Any], ring: Keyring, leaves: dict[int, bytes]) -> None:
    """What one event has to be vouched for."""
    if event["type"].startswith("evidence."):
        return
    newest, fields = CHECKED[event["type"]]
    if not 1 <= event["version"] <= newest:
        raise Wrong(f"its version {event['version']} is not known to this verifier: take a newer one")
    if event["type"] == "approval.decided" and event["version"] == 1:
        event = {**event, "payload": {**event["payload"], "signature": None}}
    if not has_fields(event["payload"], fields):
        raise Wrong("its fields are not as they should be")
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
    """A proof's head, the event's place, its line, and the audit path."""
    top, _, note = text.partition("\n\n")
    lines = top.split("\n")
    if len(lines) < 3 or lines[0] != PROOF or lines[1][:6] != "extra " or lines[2][:6] != "index ":
        raise Wrong("it is no proof of an event")
    path = [from_base64(one) for one in lines[3:]]
    if any(len(hash) != 32 for hash in path):
        raise Wrong("its path holds what has not 32 bytes")
    return read_head(note), read_number(lines[2][6:]), from_base64(lines[1][6:]), path


def check_proof(text: str, keys: Sequence[str], *, required: bool) -> tuple[Head, list[Verdict]]:
    """A proof leads to its head's root, and the head is signed by one of the keys."""
    head, index, line, path = read_proof(text)
    integrity, signatures = (
        Verdict("integrity", f"event {index} of a log of {head.size}"),
        Verdict("signatures"),
    )
    try:
        if root_from_path(index, head.size, leaf_hash(line), path) != head.root:
            raise Wrong("its path does not lead to the head's root: the event or the path was changed")
        event = read_event(line)
        if event["seq"] != index:
            raise Wrong(f"it calls itself event {event['seq']}")
        said = f"{event['type']} by {event['actor']['id']} on {event['occurred_at'][:10]}"
        integrity.note(f"event {index}", f"{said}, project {event['project']}")
    except (Wrong, ValueError, RecursionError) as error:
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
    for given in (path, *map(Path, options.against)):
        if not given.is_file():
            raise NotABundle(f"{given} is no file")
    if not zipfile.is_zipfile(path):
        text = read_small(path)
        if not text.startswith(PROOF):
            raise NotABundle("it is neither a zip file nor a proof")
        if options.against:
            raise NotABundle("a proof is of one event; compare a bundle with --against")
        return check_proof(text, options.key, required=options.require_signatures)
    files, integrity = Verdict("files"), Verdict("integrity")
    bundle = read_bundle(path, files, integrity)
    check_integrity(bundle, integrity)
    signatures, known = check_signatures(bundle, options.key, required=options.require_signatures)
    consistency = [check_consistency(bundle, options.against, known)] if options.against else []
    tables = Verdict("projection", skipped="not part of a bundle: there are no tables in it")
    verdicts = [files, integrity, *consistency, tables, check_evidence(bundle), signatures]
    return bundle.head, verdicts


def read_small(path: Path) -> str:
    """A small text file."""
    with path.open("rb") as file:
        content = file.read(MOST_TEXT + 1)
    if len(content) > MOST_TEXT:
        raise NotABundle(f"{path} is too long")
    return content.decode()


def show(head: Head, verdicts: Sequence[Verdict]) -> None:
    """Print verdicts for people; control characters from the bundle are not printed."""
    for verdict in verdicts:
        mark = {True: "ok", False: "NO", None: "--"}[verdict.passed]
        lines = [f"{mark}  {verdict.name:<11} {verdict.skipped or verdict.checked}"]
        lines += [f"      {one['where']}: {one['what']}" for one in verdict.findings]
        if verdict.found > MOST_LISTED:
            lines.append(f"      and {verdict.found - MOST_LISTED} more")
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
    for stream in (sys.stdout, sys.stderr):
        # What the terminal cannot show must not end the check.
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
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
             "found": one.found, "findings": one.findings, "notes": one.notes}
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
