"""The ledger: its log and head, proofs, verification. What only some of these need is imported by them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from crisplens.binding import Command, Noun
from crisplens.core import clock
from crisplens.core.errors import InputError
from crisplens.ledger import proofs
from crisplens.ledger import queries as ledger
from crisplens.ledger.model import Envelope
from crisplens.ledger.notes import Checkpoint, NoteSigner, sign_note
from crisplens.ledger.points import last_point, resolve_point
from crisplens.ledger.queries import EventFilter, TreeHead
from crisplens.ledger.service import correct_clock
from crisplens.ledger.verdict import Progress, Verdict
from crisplens.registry.keys.files import SignedLast
from crisplens.registry.keys.queries import check_signer
from crisplens.registry.projects.queries import list_projects

if TYPE_CHECKING:
    from crisplens.api import Registry
    from crisplens.audit import Verification
    from crisplens.bundles.export import Exported
    from crisplens.changes.content import Difference


class Audit(Noun):
    """`crisplens audit`"""

    _registry: Registry

    correct_clock = Command(correct_clock)

    def log(
        self, wanted: EventFilter | None = None, *, after: int = -1, last: int | None = None
    ) -> list[Envelope]:
        """Entries with a sequence number above `after` that pass the filter, in order; only the `last` n if given."""
        point = self._registry.point
        with self._registry.reading_log() as session:
            return ledger.read_events(
                session, wanted or EventFilter(), after=after, last=last, size=point.size if point else None
            )

    def head(self, size: int | None = None) -> TreeHead:
        """The newest tree head (of a registry as of a point: the head then), or that of the first `size` events."""
        if size is None and self._registry.point:
            size = self._registry.point.size
        with self._registry.reading_log() as session:
            return ledger.tree_head(session) if size is None else proofs.head_at(session, size)

    def diff(
        self,
        a: str | int,
        b: str | int | None = None,
        *,
        project: str | None = None,
        progress: Progress | None = None,
    ) -> Difference:
        """What changed between two points (event numbers or times), the earlier first; without `b`, until now.

        With a `project`, only what is its own. Raises `InputError` for what is no point of the log, or no project.
        """
        from crisplens.changes.diff import diff_points

        with self._registry.reading_log() as session:
            first = resolve_point(session, a)
            now = self._registry.point or last_point(session)
            second = now if b is None else resolve_point(session, b)
            return diff_points(session, first, second, project=project, progress=progress)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        whole: bool = False,
        evidence: str = "full",
        force: bool = False,
        progress: Progress | None = None,
    ) -> Exported:
        """Write a bundle of the project, or of the `whole` registry, that anyone can check without crisplens.

        With `evidence` "digests" the files themselves are left out. Its head and manifest are signed when there is a
        signing key. Raises `InputError` when the file cannot be written or is there already (unless `force`).
        """
        from crisplens.bundles.export import EVIDENCE_CHOICES, Contents, export_bundle

        if evidence not in EVIDENCE_CHOICES:
            accepted = f"Accepted: {', '.join(EVIDENCE_CHOICES)}."
            raise InputError(
                f"there is no way {evidence!r} to export evidence", slug="bad-choice", hint=accepted
            )
        registry = self._registry
        with registry.reading() as session:
            project = None if whole else registry.require_project(session)
            projects = [one.project for one in list_projects(session)] if whole else [project or ""]
        head, signer = self._head_to_export()
        found = proofs.read_note_head(head)
        names = {name: f"report-{name}.html" if whole else "report.html" for name in projects}
        contents = Contents(
            project=project,
            size=found.size,
            root=found.root.hex(),
            head=head,
            signer=signer,
            store=registry.configuration.open_evidence() if evidence == "full" else None,
            reports={file: registry.on_project(name).report.audit() for name, file in names.items()},
            created_at=clock.to_text(clock.now()),
        )
        with registry.reading_log() as session:
            return export_bundle(session, contents, Path(path), overwrite=force, progress=progress)

    def _head_to_export(self) -> tuple[str, NoteSigner | None]:
        """The note of the head, and its signer; without a signing key its text alone."""
        registry = self._registry
        try:
            signer = registry.signer
        except InputError as error:
            if error.slug != "no-signing-key":
                raise
            head = self.head()
            return str(Checkpoint("crisplens", head.size, bytes.fromhex(head.root))), None
        if registry.point is None:
            return self.sign_head(), signer
        self._refuse_unfit(signer)
        past = Checkpoint(signer.name, registry.point.size, bytes.fromhex(self.head().root))
        return sign_note(str(past), [signer]), signer

    def sign_head(self) -> str:
        """The newest tree head, signed with the log's key: a C2SP tlog-checkpoint.

        Raises `RegistryError` when the log is no continuation of the head that this key signed last, `Refused`
        when the registry does not trust the key.
        """
        signer = self._registry.signer
        self._refuse_unfit(signer)
        last = SignedLast(self._registry.configuration.signing_key, self._registry.configuration.folder)
        with self._registry.reading_log() as session:
            note = proofs.sign_head(session, [signer], last=last.read())
        last.write(note)
        return note

    def _refuse_unfit(self, signer: NoteSigner) -> None:
        with self._registry.reading_log() as session:
            check_signer(session, signer)

    def prove(self, thing: str, *, head: str | None = None) -> proofs.Proof:
        """A proof that an event is in the log: by its number or id, or that of a checkpoint or approval.

        The proof is against `head` (a signed note), or against the newest one, signed with the log's key.
        """
        from crisplens.audit import find_event

        note = head if head is not None else self.sign_head()
        with self._registry.reading_log() as session:
            seq = find_event(session, self._registry.configuration.project, thing)
            return proofs.prove_inclusion(session, seq, note)

    def verify(
        self,
        progress: Progress | None = None,
        *,
        against: Sequence[str | os.PathLike[str]] = (),
        keys: Sequence[str] = (),
        authority: str | os.PathLike[str] | None = None,
    ) -> Verification:
        """Check the log, the tables, the evidence and the signatures: verdicts that are never blended.

        `against` are files with tree heads that were kept elsewhere (signed notes, proofs, bundles), `keys` the
        verifier keys that alone are taken for the log's. With root certificates (PEM) of time-stamp authorities in
        `authority`, each kept head must have a time stamp beside it. Raises `InputError` for files and keys that
        are none.
        """
        from crisplens.audit import verify_registry
        from crisplens.ledger.kept_heads import read_kept_head, read_pinned_key

        files = [Path(path) for path in against]
        kept = [read_kept_head(file) for file in files]
        pinned = [read_pinned_key(key) for key in keys]
        stamped = [_verify_timestamps(files, Path(authority))] if authority else []
        with self._registry.reading_log() as session:
            found = verify_registry(
                session, self._registry.configuration.open_evidence(), progress, kept=kept, pinned=pinned
            )
        return msgspec.structs.replace(found, verdicts=(*found.verdicts, *stamped))


def _verify_timestamps(heads: Sequence[Path], authority: Path) -> Verdict:
    from crisplens.ledger.timestamps import read_certificates, verify_timestamps

    return verify_timestamps(heads, read_certificates(authority))
