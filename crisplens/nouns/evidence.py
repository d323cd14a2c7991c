"""Evidence and its content."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crisplens.binding import Command, Noun, ProjectQuery
from crisplens.core.content_store import open_store
from crisplens.core.errors import InputError
from crisplens.ledger.verdict import Progress
from crisplens.registry.evidence import content as evidence_content
from crisplens.registry.evidence import queries as evidence_queries
from crisplens.registry.evidence import service as evidence

if TYPE_CHECKING:
    from crisplens.api import Registry


class EvidenceFiles(Noun):
    """`crisplens evidence`"""

    _registry: Registry

    add = Command(evidence.add_evidence)
    list = ProjectQuery(evidence_queries.list_evidence)
    show = ProjectQuery(evidence_queries.get_evidence)

    def get(self, which: str) -> bytes:
        """The content of an evidence file, checked; `which` is its name or the beginning of its digest.

        Raises `Refused` when it was redacted, `RegistryError` when it is gone or is not what was recorded.
        """
        store = self._registry.configuration.open_evidence()
        return evidence_content.read_evidence(store, self._today(which))

    def save(
        self, which: str, output: str | os.PathLike[str], *, overwrite: bool = False
    ) -> evidence_queries.Evidence:
        """Write the content of an evidence file to the file `output`, whole and checked, or not at all.

        Raises `InputError` when `output` is there (unless `overwrite`) or cannot be written, and what `get` does.
        """
        store = self._registry.configuration.open_evidence()
        return evidence_content.save_evidence(store, self._today(which), Path(output), overwrite=overwrite)

    def check(self) -> Sequence[evidence_queries.Evidence]:
        """Read every evidence file of the project and record which are damaged or gone, and which are back.

        Returns those that are not as recorded; what was approved on them is stale until they are.
        """
        store = self._registry.configuration.open_evidence()
        # Reading takes long; nobody waits for it.
        with self._registry.reading_log() as session:
            project = self._registry.require_project(session)
            faults = evidence_queries.content_faults(session, project, store)
        with self._registry.writing() as work:
            return evidence.record_faults(work, faults)

    def redact(self, which: str, *, reason: str) -> evidence.Redaction:
        """Forget the content of an evidence file for good: its digest and the reason stay in the record.

        Every project that has the same content is concerned. Raises `Refused` when it was done before,
        `HalfDone` when the content cannot be removed; to do it again removes it then. Within a transaction
        it is an `InputError`: content that is removed does not come back when the transaction is given up.
        """
        if self._registry.in_transaction:
            raise InputError(
                "evidence is not redacted within a transaction",
                slug="stands-alone",
                hint="Removed content would not come back if the transaction were given up. Redact it before or after.",
            )
        with self._registry.writing() as work:
            decided = evidence.redact_evidence(work, which, reason=reason)
        return evidence.forget_content(self._registry.configuration.open_evidence(), decided)

    def copy(
        self, to: str | os.PathLike[str], progress: Progress | None = None
    ) -> evidence_content.EvidenceCopied:
        """Copy the evidence of every project to the store at `to` (a folder or URL), and check all of it there.

        What is there already is not copied again. Raises `RegistryError` when a store cannot be used or
        content is lost.
        """
        target = open_store(os.fspath(to), Path.cwd())
        with self._registry.reading_log() as session:
            contents = evidence_queries.list_contents(session)
        store = self._registry.configuration.open_evidence()
        return evidence_content.copy_evidence(contents, store, target, progress)

    def _today(self, which: str) -> evidence_queries.Evidence:
        # What is named may be of the past; whether it was redacted is asked of the record as it is now.
        named = self.show(which)
        with self._registry.reading_log() as session:
            return evidence_queries.find_evidence(session, named.project, named.digest) or named
