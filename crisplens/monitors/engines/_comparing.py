"""A check from two profiles: how each column is scored, whichever engine made them."""

from __future__ import annotations

from crisplens.monitors import scores
from crisplens.monitors.engines import _columns
from crisplens.monitors.model import CheckResult, CheckSettings, Profile


def compare(
    engine: str, reference: Profile, window: Profile, watched: tuple[str, ...], settings: CheckSettings
) -> CheckResult:
    """The result of comparing a window's profile with its reference's, for the columns `watched`."""
    pairs, checks = _columns.pair_up(reference, window, watched, settings)
    for name, pair in pairs.items():
        distinct = scores.distinct_values(pair.reference, pair.current)
        method = settings.methods.get(name) or scores.default_method(pair.reference, distinct)
        score = scores.score(pair.reference, pair.current, method)
        threshold = settings.thresholds.get(name, scores.METHODS[method].threshold)
        checks[name] = _columns.scored(
            name,
            pair,
            method=method,
            score=score.value,
            threshold=threshold,
            drift=scores.METHODS[method].drifts(score.value, threshold),
            approximate=score.approximate,
        )
    return _columns.result(engine, reference, window, watched, pairs, checks, settings)
