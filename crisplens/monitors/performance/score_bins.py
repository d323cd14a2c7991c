"""The bins that scores between 0 and 1 are counted in: the same for every model, so that counts always merge. Pure.

From 0.01 to 0.99 the bins are 0.001 wide. Towards 0 and 1 they narrow, 50 to each power of ten down to a millionth,
since the scores of rare events all lie there and equal widths would put them into a few bins.
"""

from __future__ import annotations

import math

TAIL = 0.01
_PER_TENFOLD = 50
_TAIL_BINS = 4 * _PER_TENFOLD
_FIRST_MIDDLE = _TAIL_BINS + 1
_MIDDLE_BINS = 980
# Scores nearer to 0 or 1 than ten to the minus this share a bin.
_LOWEST = 6
COUNT = 2 * (_TAIL_BINS + 1) + _MIDDLE_BINS


def bin_of(score: float) -> int:
    """The bin, from 0 to `COUNT - 1`, that a score from 0 to 1 belongs to; higher scores never lie lower."""
    if score < TAIL:
        return _tail_bin(score)
    if score > 1 - TAIL:
        return COUNT - 1 - _tail_bin(1 - score)
    return _FIRST_MIDDLE + min(_MIDDLE_BINS - 1, max(0, math.floor(score * 1000) - 10))


def bin_sql(score: str) -> str:
    """The same in DuckDB's SQL, for an expression that is from 0 to 1."""

    def tail(distance: str) -> str:
        tenfold = f"-log10(greatest({distance}, 1e-7))"
        return f"greatest(0, {_LOWEST * _PER_TENFOLD} - floor({tenfold} * {_PER_TENFOLD})::INTEGER)"

    middle = f"least({_MIDDLE_BINS - 1}, greatest(0, floor({score} * 1000)::INTEGER - 10))"
    return (
        f"CASE WHEN {score} < {TAIL} THEN {tail(score)} "
        f"WHEN {score} > {1 - TAIL} THEN {COUNT - 1} - {tail(f'(1 - {score})')} "
        f"ELSE {_FIRST_MIDDLE} + {middle} END"
    )


def score_of(index: int) -> float:
    """A score in the middle of a bin."""
    if index < _FIRST_MIDDLE:
        return _tail_score(index)
    if index >= _FIRST_MIDDLE + _MIDDLE_BINS:
        return 1 - _tail_score(COUNT - 1 - index)
    return (index - _FIRST_MIDDLE + 10.5) / 1000


def _tail_bin(distance: float) -> int:
    tenfold = -math.log10(max(distance, 1e-7))
    return max(0, _LOWEST * _PER_TENFOLD - math.floor(tenfold * _PER_TENFOLD))


def _tail_score(index: int) -> float:
    if index == 0:
        return 0.0
    return float(10 ** -((_LOWEST * _PER_TENFOLD - index + 0.5) / _PER_TENFOLD))
