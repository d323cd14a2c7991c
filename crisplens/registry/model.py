"""Values that every part of the registry shares: references to versions, and the decision of a gate."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from crisplens.core.errors import InputError, Refused

_REFERENCE = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)@([1-9][0-9]{0,8})")

Scalar = str | int | float | bool
MOST_EXACT_INTEGER = 2**53 - 1
# From here on ECMAScript, and so RFC 8785, writes a number with an exponent.
LEAST_WITH_EXPONENT = 1e21


class VersionRef(msgspec.Struct, frozen=True, order=True):
    """One version of a dataset or model; written `name@version`."""

    name: str
    version: int

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"


def parse_reference(kind: str, text: str | VersionRef) -> VersionRef:
    """Read `name@version`. Raises `InputError` naming the `kind` of thing that was expected."""
    if isinstance(text, VersionRef):
        return text
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise InputError(
            f"{text!r} does not name a {kind} version",
            slug="bad-reference",
            hint=f"Write the {kind}'s name, @ and a version, such as {text.partition('@')[0] or 'name'}@1.",
        )
    return VersionRef(match[1], int(match[2]))


def check_parameters(parameters: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Parameters that read back from the ledger as they were given.

    Raises `InputError` for whole numbers beyond ±(2**53 - 1) that canonical JSON writes in full and a reader
    would take for integers that cannot be held exactly.
    """
    for name, value in parameters.items():
        if not isinstance(value, float) or not value.is_integer():
            continue
        if MOST_EXACT_INTEGER < abs(value) < LEAST_WITH_EXPONENT:
            raise InputError(
                f"the parameter {name} is {value:g}, which JSON cannot hold exactly",
                slug="not-exact",
                hint=f'Give it as text: "{value:g}".',
            )
    return dict(parameters)


class GateDecision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a gate said when something asked to pass it; recorded with what it let through.

    `subject` is what asked, `unmet` the rules that were not met, in words; `override` is the id of what let it pass
    all the same, `policy` the one (`name@version`) that it was judged by.
    """

    phase: str
    subject: str
    open: bool
    unmet: tuple[str, ...] = ()
    override: str = ""
    policy: str = ""

    @property
    def passes(self) -> bool:
        """Whether what asked may pass: the gate is open, or overridden."""
        return self.open or bool(self.override)


def refuse_blocked(what: str, subjects: Iterable[VersionRef], gates: Sequence[GateDecision]) -> None:
    """Raise `Refused` unless every subject has a decision, and none of its decisions stops it.

    `what` is the end of "visits@1 may not ...".
    """
    for subject in subjects:
        decisions = [gate for gate in gates if gate.subject == str(subject)]
        if not decisions:
            raise Refused(f"{subject} may not {what}: no gate was asked", slug="gate-blocked")
        for gate in decisions:
            if not gate.passes:
                raise Refused(
                    f"{subject} may not {what}: its {gate.phase} gate is blocked\n"
                    + "\n".join(f"  - {rule}" for rule in gate.unmet),
                    slug="gate-blocked",
                    hint=f"See `crisplens gate check {gate.phase}`.",
                )
