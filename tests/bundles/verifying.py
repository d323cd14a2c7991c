"""Running the independent verifier inside a test, beside the registry's own verification."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crisplens.api import Registry
from crisplens.audit import Verification
from crisplens.bundles import verify_bundle
from crisplens.bundles.export import Contents, export_bundle
from crisplens.ledger.notes import Checkpoint

COMPARED = ("integrity", "consistency", "evidence", "signatures")


def bundle_of(registry: Registry, file: Path) -> Path:
    """A whole registry's bundle without reports or a signature, whatever state the registry is in."""
    head = registry.audit.head()
    contents = Contents(
        project=None,
        size=head.size,
        root=head.root,
        head=str(Checkpoint("crisplens", head.size, bytes.fromhex(head.root))),
        signer=None,
        store=registry.configuration.open_evidence(),
        reports={},
        created_at="2026-01-01T00:00:00Z",
    )
    with registry.reading_log() as session:
        export_bundle(session, contents, file, overwrite=True)
    return file


def verdicts_on(
    file: Path, *, keys: Sequence[str] = (), against: Sequence[str] = (), required: bool = False
) -> dict[str, verify_bundle.Verdict]:
    """The independent verifier's verdicts on a bundle or proof, by name. Raises what makes it exit with 2."""
    options = argparse.Namespace(
        bundle=str(file), key=list(keys), against=list(against), require_signatures=required
    )
    return {verdict.name: verdict for verdict in verify_bundle.check(options)[1]}


def passed(file: Path, **options: Any) -> bool:
    """Whether every verdict on a bundle passed; False for what is no bundle."""
    try:
        return all(one.passed is not False for one in verdicts_on(file, **options).values())
    except Exception:
        return False


def assert_same_verdicts(
    registry: Registry,
    verification: Verification,
    file: Path,
    *,
    keys: Sequence[str] = (),
    against: Sequence[str] = (),
) -> None:
    """The verifier says of a bundle what the registry says of itself: which verdicts fail, and at which events."""
    theirs = verdicts_on(bundle_of(registry, file), keys=keys, against=against)
    for ours in verification.verdicts:
        if ours.name in COMPARED:
            other = theirs[ours.name]
            assert bool(other.passed) == ours.passed, (ours, other)
            if ours.name == "signatures":
                assert places(finding.where for finding in ours.findings) == places(
                    finding["where"] for finding in other.findings
                ), (ours, other)


def places(found: Any) -> set[str]:
    """The events that findings name."""
    return {where.partition(" (")[0] for where in found if where.startswith("event ")}
