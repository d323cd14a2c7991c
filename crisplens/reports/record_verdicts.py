"""The verdicts on the record itself, each with what it shows; never blended with the one on the project."""

from __future__ import annotations

from crisplens.audit import Verification
from crisplens.reports.content import RegistryVerdict

_SHOWS = {
    "integrity": (
        "Every event is the text that was hashed when it was recorded, none is missing or added, and the tree"
        " head is the root over all of them.",
        "That the log was not rewritten as a whole since the last tree head that someone else keeps.",
    ),
    "projection": (
        "Replaying the events gives exactly the tables that this report was made from.",
        "That what the events state is true; they are what people and systems recorded.",
    ),
    "evidence": (
        "Every evidence file is there and is, byte for byte, what was recorded.",
        "Anything about data and model artefacts: of those the record keeps digests, not the files.",
    ),
    "signatures": (
        "Every key was vouched for by a key before it, every signed approval is its approver's on exactly what was"
        " approved, and no gate that demands signatures was passed without.",
        "Who took the decisions that nobody signed; their actors are names.",
    ),
}


def registry_verdicts(verification: Verification) -> tuple[RegistryVerdict, ...]:
    """The verification's verdicts, each with what it shows."""
    return tuple(
        RegistryVerdict(
            name=one.name,
            passed=one.passed,
            checked=one.checked,
            found=one.found,
            findings=one.findings,
            shows=_SHOWS.get(one.name, ("", ""))[0],
            does_not_show=_SHOWS.get(one.name, ("", ""))[1],
        )
        for one in verification.verdicts
    )
