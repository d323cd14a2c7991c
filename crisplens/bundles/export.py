"""Writing a bundle: events, their tree head, evidence and reports in one zip file, with its own verifier.

The format is described in docs/bundles.md; `verify_bundle.py` beside this module reads it and shares no code with it.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

import msgspec
from sqlalchemy.orm import Session

from crisplens.core.canonical import canonical_json
from crisplens.core.content_store import ContentLost, ContentStore, content_key
from crisplens.core.decoding import decode_json
from crisplens.core.errors import InputError
from crisplens.core.files import written_whole
from crisplens.ledger import merkle
from crisplens.ledger.kept_heads import EVENTS_FILE, HEAD_FILE
from crisplens.ledger.notes import NoteSigner, sign_note
from crisplens.ledger.proofs import node_hashes
from crisplens.ledger.replay import log_texts
from crisplens.ledger.verdict import STREAM_ROWS, Progress

FORMAT = "crisplens-bundle@1"
MANIFEST, MANIFEST_NOTE, TREE_FILE, VERIFIER = (
    "manifest.json",
    "manifest.note",
    "tree.jsonl",
    "verify_bundle.py",
)
EVIDENCE_CHOICES = ("full", "digests")
# Equal content gives equal files.
_DATE = (1980, 1, 1, 0, 0, 0)
_PLACES = 10_000
_README = """This is a part of a crisplens record: {what}, up to event {last}.

To check it, Python 3.11 or newer is enough; to check its signatures, also `pip install cryptography`:

    python verify_bundle.py BUNDLE.zip --key KEY

KEY is the public key of the log. Take it from whom you trust, and not from this bundle.
If you do not trust whoever made this bundle, take verify_bundle.py from the source of crisplens as well.
With --against HEAD it also compares the log with a tree head that you kept.

manifest.json   what is in here, with digests    manifest.note   the log key's signature on it
events.jsonl    the events, as they were hashed  tree.jsonl      hashes that stand for events of other projects
head.txt        the tree head over the log       evidence/       files by their SHA-256
report*.html    for people
"""


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """A bundle that was written: what it is of (no project: the whole registry), and how much is in it.

    `lost` are digests of evidence that the store does not have, or has with another content.
    """

    path: str
    project: str | None
    size: int
    root: str
    signed: bool
    events: int
    evidence: int
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    """What a bundle is made of: the log's first `size` events, all or those of a project, and what goes with them.

    `head` is the note (or, unsigned, the text) of the tree head over them; `reports` maps file names to HTML.
    """

    project: str | None
    size: int
    root: str
    head: str
    signer: NoteSigner | None
    store: ContentStore | None
    reports: dict[str, str]
    created_at: str


@dataclass
class _Writer:
    """A zip file that notes the digest and size of what is written to it."""

    zip: zipfile.ZipFile
    members: dict[str, dict[str, str | int]] = field(default_factory=dict)

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write one member, chunk by chunk."""
        info, hasher, size = zipfile.ZipInfo(name, _DATE), hashlib.sha256(), 0
        info.compress_type = zipfile.ZIP_DEFLATED
        with self.zip.open(info, "w", force_zip64=True) as member:
            for chunk in chunks:
                member.write(chunk)
                hasher.update(chunk)
                size += len(chunk)
        self.members[name] = {"sha256": hasher.hexdigest(), "bytes": size}


@dataclass
class _Seen:
    """What is learnt from the events while they are written."""

    count: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)
    evidence: dict[str, None] = field(default_factory=dict)


class _Entry(msgspec.Struct):
    seq: int
    type: str
    payload: msgspec.Raw


class _Digest(msgspec.Struct):
    digest: str


def export_bundle(
    session: Session,
    contents: Contents,
    file: Path,
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a bundle to `file`, whole or not at all; memory does not grow with the log or the evidence.

    `session` reads the database itself. Raises `InputError` when the file cannot be written or is there
    and not to be overwritten, `RegistryError` when a node of the tree is gone.
    """
    seen, lost = _Seen(), []
    with written_whole(file, overwrite=overwrite) as part, zipfile.ZipFile(part, "w") as opened:
        writer = _Writer(opened)
        writer.add(EVENTS_FILE, _events(session, contents, seen, progress))
        if contents.project is not None:
            writer.add(TREE_FILE, _tree(session, seen.gaps))
        writer.add(HEAD_FILE, [contents.head.encode()])
        if contents.store is not None:
            lost = _add_evidence(writer, contents.store, list(seen.evidence), progress)
        for name, html in contents.reports.items():
            writer.add(name, [html.encode()])
        writer.add(VERIFIER, [files("crisplens.bundles").joinpath(VERIFIER).read_bytes()])
        what = f"project {contents.project}" if contents.project else "the whole registry"
        writer.add("README.txt", [_README.format(what=what, last=contents.size - 1).encode()])
        _add_manifest(writer, contents)
    return Exported(
        path=str(file),
        project=contents.project,
        size=contents.size,
        root=contents.root,
        signed=contents.signer is not None,
        events=seen.count,
        evidence=sum(name.startswith("evidence/") for name in writer.members),
        lost=tuple(lost),
    )


def _events(session: Session, contents: Contents, seen: _Seen, progress: Progress | None) -> Iterator[bytes]:
    expected = 0
    for text in log_texts(session, size=contents.size, project=contents.project):
        entry = decode_json(text, _Entry)
        if entry.seq > expected:
            seen.gaps.append((expected, entry.seq))
        expected = entry.seq + 1
        if entry.type == "evidence.added":
            seen.evidence[decode_json(entry.payload, _Digest).digest] = None
        seen.count += 1
        if progress and seen.count % STREAM_ROWS == 0:
            progress("writing events", seen.count)
        yield f"{text}\n".encode()
    if expected < contents.size:
        seen.gaps.append((expected, contents.size))


def _tree(session: Session, gaps: list[tuple[int, int]]) -> Iterator[bytes]:
    places = [place for start, end in gaps for place in merkle.peaks(start, end)]
    for first in range(0, len(places), _PLACES):
        chosen = places[first : first + _PLACES]
        hashes = node_hashes(session, chosen)
        for level, index in chosen:
            line = {"level": level, "index": index, "hash": hashes[level, index].hex()}
            yield f"{canonical_json(line)}\n".encode()


def _add_evidence(
    writer: _Writer, store: ContentStore, digests: list[str], progress: Progress | None
) -> list[str]:
    """Add what the store has of these; returns those that it has not, or not with the right content."""
    lost = []
    for count, digest in enumerate(digests, start=1):
        if progress:
            progress("writing evidence", count)
        try:
            # Read twice: a member of a zip file cannot be taken back.
            store.check(digest)
        except (ContentLost, InputError):
            lost.append(digest)
            continue
        writer.add(f"evidence/{content_key(digest)}", store.checked_chunks(digest))
    return lost


def _add_manifest(writer: _Writer, contents: Contents) -> None:
    manifest = {
        "format": FORMAT,
        "project": contents.project,
        "size": contents.size,
        "created_at": contents.created_at,
        "evidence": "digests" if contents.store is None else "full",
        "files": dict(writer.members),
    }
    text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode()
    writer.add(MANIFEST, [text])
    if contents.signer is not None:
        statement = f"crisplens bundle\n{hashlib.sha256(text).hexdigest()}\n"
        writer.add(MANIFEST_NOTE, [sign_note(statement, [contents.signer]).encode()])
