"""A check from two profiles: how each column is scored, whichever engine made them."""

from __future__ import annotations

from collections.abc import Mapping

from crisplens.monitors import scores
from crisplens.monitors.engines import _columns
from crisplens.monitors.engines._columns import Pair
from crisplens.monitors.model import CheckResult, CheckSettings, ColumnCheck, Profile
from crisplens.monitors.scores import Score


def compare(
    engine: str, reference: Profile, window: Profile, watched: tuple[str, ...], settings: CheckSettings
) -> CheckResult:
    """The result of comparing a window's profile with its reference's, for the columns `watched`."""
    pairs, checks = _columns.pair_up(reference, window, watched, settings)
    checks |= told(pairs, scored(pairs, settings), settings)
    return _columns.result(engine, reference, window, watched, pairs, checks, settings)


def scored(pairs: Mapping[str, Pair], settings: CheckSettings) -> dict[str, tuple[str, Score]]:
    """The method and the score of each column, by the settings or else by its type and size."""
    found = {}
    for name, pair in pairs.items():
        distinct = scores.distinct_values(pair.reference, pair.current)
        method = settings.methods.get(name) or scores.default_method(pair.reference, distinct)
        found[name] = (method, scores.score(pair.reference, pair.current, method))
    return found


def told(
    pairs: Mapping[str, Pair], scored: Mapping[str, tuple[str, Score]], settings: CheckSettings
) -> dict[str, ColumnCheck]:
    """The checks of columns that were scored, each by a method."""
    checks = {}
    for name, (method, score) in scored.items():
        threshold = settings.thresholds.get(name, scores.METHODS[method].threshold)
        checks[name] = _columns.scored(
            name,
            pairs[name],
            method=method,
            score=score.value,
            threshold=threshold,
            drift=scores.METHODS[method].drifts(score.value, threshold),
            approximate=score.approximate,
        )
    return checks
