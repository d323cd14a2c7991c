"""How likely and how bad a risk is, and which level that makes. Pure.

The score is the product of likelihood (1 to 5) and impact (1 to 5); the level is where it falls:

    low 1 to 4, medium 5 to 9, high 10 to 16, critical 20 to 25

so that nothing severe is ever low, and nothing is critical that is not at least likely and major, and one of the
two at its worst:

    |                | negligible | minor  | moderate | major    | severe   |
    |----------------|------------|--------|----------|----------|----------|
    | rare           | low        | low    | low      | low      | medium   |
    | unlikely       | low        | low    | medium   | medium   | high     |
    | possible       | low        | medium | medium   | high     | high     |
    | likely         | low        | medium | high     | high     | critical |
    | almost-certain | medium     | high   | high     | critical | critical |
"""

from __future__ import annotations

from enum import StrEnum


class Likelihood(StrEnum):
    """How likely a risk is to come true, from 1 (rare) to 5 (almost certain)."""

    RARE = "rare"
    UNLIKELY = "unlikely"
    POSSIBLE = "possible"
    LIKELY = "likely"
    ALMOST_CERTAIN = "almost-certain"


class Impact(StrEnum):
    """How bad it would be, from 1 (negligible) to 5 (severe)."""

    NEGLIGIBLE = "negligible"
    MINOR = "minor"
    MODERATE = "moderate"
    MAJOR = "major"
    SEVERE = "severe"


class RiskLevel(StrEnum):
    """How much a risk asks for attention."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class RiskState(StrEnum):
    """Where a risk stands."""

    OPEN = "open"
    CLOSED = "closed"


# The highest score of each level.
HIGHEST_SCORES = {RiskLevel.LOW: 4, RiskLevel.MEDIUM: 9, RiskLevel.HIGH: 16, RiskLevel.CRITICAL: 25}


def score(likelihood: Likelihood, impact: Impact) -> int:
    """Likelihood times impact, each from 1 to 5."""
    return (list(Likelihood).index(likelihood) + 1) * (list(Impact).index(impact) + 1)


def level(likelihood: Likelihood, impact: Impact) -> RiskLevel:
    """The level of a risk, from the matrix above."""
    reached = score(likelihood, impact)
    return next(level for level, highest in HIGHEST_SCORES.items() if reached <= highest)
