"""Drift scores of one column from two profiles: Evidently's methods, names, defaults and thresholds. Pure.

The rules are those of Evidently 0.7.23, `evidently/legacy/calculations/stattests`:
https://github.com/evidentlyai/evidently/tree/main/src/evidently/legacy/calculations/stattests
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from crisplens.monitors import distances, pvalues
from crisplens.monitors.model import CategoricalProfile, ColumnKind, Family, NumericProfile

# Up to so many values in the reference, Evidently tests; above, it measures a distance.
SMALL_REFERENCE = 1000
# Numbers with at most so many distinct values, both tables together, are compared value by value.
FEW_DISTINCT = 5


class Method(msgspec.Struct, frozen=True):
    """A drift score. A p-value means drift below its threshold, a distance above it."""

    name: str
    threshold: float
    p_value: bool
    kinds: frozenset[ColumnKind]
    # Whether a score equal to the threshold is drift; Evidently's methods differ in it.
    at_threshold: bool

    def drifts(self, score: float, threshold: float) -> bool:
        """Whether `score` means drift."""
        if score == threshold:
            return self.at_threshold
        return score < threshold if self.p_value else score > threshold


_NUMERIC = frozenset({ColumnKind.NUMERIC})
_CATEGORICAL = frozenset({ColumnKind.CATEGORICAL})
_BOTH = _NUMERIC | _CATEGORICAL
METHODS = {
    method.name: method
    for method in (
        Method("ks", 0.05, p_value=True, kinds=_NUMERIC, at_threshold=True),
        Method("chisquare", 0.05, p_value=True, kinds=_CATEGORICAL, at_threshold=False),
        Method("z", 0.05, p_value=True, kinds=_CATEGORICAL, at_threshold=False),
        Method("wasserstein", 0.1, p_value=False, kinds=_NUMERIC, at_threshold=True),
        Method("jensenshannon", 0.1, p_value=False, kinds=_BOTH, at_threshold=True),
        Method("psi", 0.1, p_value=False, kinds=_BOTH, at_threshold=True),
        Method("kl_div", 0.1, p_value=False, kinds=_BOTH, at_threshold=True),
        Method("hellinger", 0.1, p_value=False, kinds=_BOTH, at_threshold=True),
        Method("TVD", 0.1, p_value=True, kinds=_CATEGORICAL, at_threshold=False),
        Method("g_test", 0.1, p_value=True, kinds=_CATEGORICAL, at_threshold=False),
        Method("t_test", 0.05, p_value=True, kinds=_NUMERIC, at_threshold=False),
        Method("mannw", 0.05, p_value=True, kinds=_NUMERIC, at_threshold=False),
        Method("ed", 0.1, p_value=False, kinds=_NUMERIC, at_threshold=False),
    )
}


_FROM_BINS = {
    "wasserstein": distances.wasserstein,
    "mannw": distances.mann_whitney,
    "ed": distances.energy,
}


class Score(msgspec.Struct, frozen=True):
    """A score, and whether it is only approximated from bins."""

    value: float
    approximate: bool


def default_method(reference: NumericProfile | CategoricalProfile, distinct: int | None) -> str:
    """Evidently's choice; `distinct` counts the values of both tables together, None means many."""
    few = distinct is not None and distinct <= FEW_DISTINCT
    if isinstance(reference, CategoricalProfile) or few:
        if reference.count > SMALL_REFERENCE:
            return "jensenshannon"
        return "z" if distinct is not None and distinct <= 2 else "chisquare"
    return "wasserstein" if reference.count > SMALL_REFERENCE else "ks"


def score(
    reference: NumericProfile | CategoricalProfile, current: NumericProfile | CategoricalProfile, method: str
) -> Score:
    """The score of a column whose two profiles are of one kind and hold values."""
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        return score_numeric(reference, current, method)
    if isinstance(reference, CategoricalProfile) and isinstance(current, CategoricalProfile):
        return score_categorical(reference, current, method)
    raise TypeError(f"{reference.name!r} has profiles of two kinds")


def score_numeric(reference: NumericProfile, current: NumericProfile, method: str) -> Score:
    """The score of a numeric column; both profiles must be on the same edges and hold values."""
    if method == "ks":
        distance = distances.ks_distance(reference, current)
        return Score(
            pvalues.ks_two_sample(distance, reference.count, current.count), approximate=not reference.exact
        )
    if method == "t_test":
        return Score(distances.t_test(reference, current), approximate=False)
    if method in _FROM_BINS:
        return Score(*_FROM_BINS[method](reference, current))
    known = reference.values is not None and current.values is not None
    if method == "hellinger":
        size = distances.distinct_estimate(reference, current)
    elif known:
        return Score(distances.score_counts(_numbers(reference, current), method), approximate=False)
    else:
        size = reference.count + current.count
    edges = distances.sturges_edges(reference, current, size)
    counts = distances.binned(reference, current, edges)
    return Score(distances.score_counts(counts, method), approximate=not known)


def score_categorical(reference: CategoricalProfile, current: CategoricalProfile, method: str) -> Score:
    """The score of a categorical column; those a profile does not list count as one."""
    pairs = _pair(_categories(reference), _categories(current))
    if reference.rest or current.rest:
        pairs.append((float(reference.rest), float(current.rest)))
    return Score(distances.score_counts(pairs, method), approximate=bool(reference.rest or current.rest))


def distinct_values(
    reference: NumericProfile | CategoricalProfile, current: NumericProfile | CategoricalProfile
) -> int | None:
    """How many different values both tables hold together; None when too many to have been listed."""
    if isinstance(reference, NumericProfile) and isinstance(current, NumericProfile):
        if reference.values is None or current.values is None:
            return None
        return len({item.value for item in reference.values} | {item.value for item in current.values})
    if isinstance(reference, CategoricalProfile) and isinstance(current, CategoricalProfile):
        both = {item.value for item in reference.categories} | {item.value for item in current.categories}
        return None if reference.rest or current.rest else len(both)
    return None


def _numbers(reference: NumericProfile, current: NumericProfile) -> list[tuple[float, float]]:
    first, second = ({one.value: one.count for one in side.values or ()} for side in (reference, current))
    return _pair(first, second)


def _categories(profile: CategoricalProfile) -> Mapping[str, int] | Mapping[float, int]:
    # The z-test is of the first category, in the order of the values.
    if profile.family is Family.NUMBER:
        return {float(one.value): one.count for one in profile.categories}
    return {one.value: one.count for one in profile.categories}


def _pair(first: Mapping[Any, int], second: Mapping[Any, int]) -> list[tuple[float, float]]:
    """Counts in the reference and in the window, value by value, in the order of the values."""
    return [(float(first.get(key, 0)), float(second.get(key, 0))) for key in sorted({**first, **second})]
