"""Scores and levels: the matrix as it is documented."""

from __future__ import annotations

from itertools import product

import pytest

from crisplens.lifecycle.risks import model
from crisplens.lifecycle.risks.model import HIGHEST_SCORES, Impact, Likelihood, RiskLevel, level, score

ALL = list(product(Likelihood, Impact))


def documented() -> dict[tuple[str, str], str]:
    """The matrix in the module's documentation, as levels by likelihood and impact."""
    lines = [line.strip() for line in (model.__doc__ or "").splitlines() if line.strip().startswith("|")]
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
    return {
        (likelihood, impact): found
        for likelihood, *cells in rows
        for impact, found in zip(header[1:], cells, strict=True)
    }


def test_the_matrix_is_the_documented_one() -> None:
    assert documented() == {(likelihood, impact): level(likelihood, impact) for likelihood, impact in ALL}


@pytest.mark.parametrize(
    ("likelihood", "impact", "expected"),
    [
        ("rare", "negligible", (1, "low")),
        ("rare", "major", (4, "low")),
        ("unlikely", "minor", (4, "low")),
        ("rare", "severe", (5, "medium")),
        ("possible", "moderate", (9, "medium")),
        ("unlikely", "severe", (10, "high")),
        ("likely", "major", (16, "high")),
        ("likely", "severe", (20, "critical")),
        ("almost-certain", "severe", (25, "critical")),
    ],
)
def test_levels_at_their_edges(likelihood: str, impact: str, expected: tuple[int, str]) -> None:
    given = Likelihood(likelihood), Impact(impact)
    assert (score(*given), level(*given)) == expected


def test_more_likely_or_worse_is_never_a_lower_level() -> None:
    order = list(RiskLevel)
    likelihoods, impacts = list(Likelihood), list(Impact)
    for likelihood, impact in ALL:
        here = order.index(level(likelihood, impact))
        for worse in likelihoods[likelihoods.index(likelihood) :]:
            assert order.index(level(worse, impact)) >= here
        for worse in impacts[impacts.index(impact) :]:
            assert order.index(level(likelihood, worse)) >= here


def test_likelihood_and_impact_weigh_the_same() -> None:
    for (one, likelihood), (other, impact) in product(enumerate(Likelihood), enumerate(Impact)):
        assert score(likelihood, impact) == score(list(Likelihood)[other], list(Impact)[one])


def test_every_score_has_a_level() -> None:
    assert list(HIGHEST_SCORES) == list(RiskLevel)
    assert list(HIGHEST_SCORES.values()) == sorted(HIGHEST_SCORES.values())
    assert max(score(*given) for given in ALL) == HIGHEST_SCORES[RiskLevel.CRITICAL]
