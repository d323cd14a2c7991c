"""How a violation is made and worded, and when a share counts as too high. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from crisplens.monitors.quality.binomial import at_least
from crisplens.monitors.quality.model import SEVERITIES, Constraints, Rule, Violation

MOST_NAMED = 5


def violation(
    constraints: Constraints,
    rule: Rule,
    reason: str,
    observed: float | str | None = None,
    allowed: float | str | None = None,
    *,
    column: str | None = None,
) -> Violation:
    """A violation of `rule`, as severe as the constraints say."""
    severity = constraints.severities.get(rule, SEVERITIES[rule])
    return Violation(
        column=column, rule=rule, observed=observed, allowed=allowed, reason=reason, severity=severity
    )


def is_above(k: int, n: int, most: float, error: float) -> bool:
    """Whether `k` of `n` are more than the share `most`, beyond what a sample has with a chance of `error`."""
    if k == 0 or k <= most * n:
        return False
    return most <= 0 or at_least(k, n, most) < error


def short(text: str) -> str:
    """A name or value in at most 60 characters."""
    return text if len(text) <= 60 else f"{text[:57]}..."


def named(names: Sequence[str]) -> str:
    """The first five names, and how many more there are."""
    shown = ", ".join(short(name) for name in names[:MOST_NAMED])
    more = len(names) - MOST_NAMED
    return f"{shown} and {more:,} more" if more > 0 else shown


def part_of(k: int, n: int, what: str) -> str:
    """`3 of 200 rows (1.5 %)`."""
    return f"{k:,} of {n:,} {what} ({_percent(k / n)})"


def at_most(share: float) -> str:
    """How many may be, as the end of a sentence."""
    return "none may be" if share <= 0 else f"at most {_percent(share)} may be"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"
