"""A regression's errors estimated without labels, from what they were for rows like these in the reference. Pure.

Direct loss estimation, as NannyML names it, with means over bins in the place of boosted trees:
https://nannyml.readthedocs.io/en/stable/how_it_works/performance_estimation.html#direct-loss-estimation-dle
Like every estimate without labels, it cannot see that the same row now means something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import msgspec

from crisplens.core.errors import InputError
from crisplens.monitors.performance.estimation import AlertThreshold, Estimate, bounded, check_deviations

# The weight of what is known of the wider cell, in rows, where the axis tells no rows apart.
_NO_DIFFERENCE = 1e9


class LossAxis(msgspec.Struct, frozen=True, kw_only=True):
    """How rows are told apart by a column: by ranges that end at `edges`, or by `values`, with one bin for others."""

    column: str
    edges: tuple[float, ...] = ()
    values: tuple[str, ...] = ()


class LossCell(msgspec.Struct, frozen=True, array_like=True):
    """Reference rows in one bin of each axis: how many, and sums of powers of their absolute error."""

    key: tuple[int, ...]
    count: int
    first: float
    second: float
    fourth: float


class LossModel(msgspec.Struct, frozen=True, kw_only=True):
    """The errors of `rows` labelled rows of the reference, by cell. The first axis is of the prediction."""

    rows: int
    axes: tuple[LossAxis, ...]
    cells: tuple[LossCell, ...]


class LossCount(msgspec.Struct, frozen=True, array_like=True):
    """Rows, labelled or not, in one bin of each axis."""

    key: tuple[int, ...]
    count: int


_Moments = tuple[float, float, float]


class _Level(msgspec.Struct, frozen=True):
    """Cells by the bins of their first axes, and how many rows the wider cell around one weighs."""

    cells: dict[tuple[int, ...], tuple[int, _Moments]]
    prior_rows: float


def estimate_losses(
    model: LossModel,
    counts: Sequence[LossCount],
    *,
    thresholds: Mapping[str, AlertThreshold] | None = None,
    deviations: float = 3.0,
) -> tuple[Estimate, ...]:
    """Estimate MAE and RMSE of rows that are not labelled; see `estimation.estimate` for the bounds.

    A cell with few rows of the reference leans on the cell without its last axis, and so on; the less the axis tells
    rows apart, the more. Raises `InputError`
    when the reference has no rows.
    """
    check_deviations(deviations)
    if not model.rows:
        raise InputError("the reference has no labelled rows to estimate errors from", slug="not-calibrated")
    levels = _levels(model)
    rows = sum(one.count for one in counts)
    expected = [(one.count, _expect(levels, one.key)) for one in counts]
    ranges = thresholds or {}
    found = []
    for name in ("mae", "rmse"):
        value = error = None
        if rows:
            first, second, fourth = (
                math.fsum(count * moments[i] for count, moments in expected) / rows for i in range(3)
            )
            widening = math.sqrt(1 / rows + 1 / model.rows)
            if name == "mae":
                value, error = first, widening * math.sqrt(max(0.0, second - first**2))
            else:
                value = math.sqrt(second)
                spread = math.sqrt(max(0.0, fourth - second**2))
                error = widening * spread / (2 * value) if value else 0.0
        found.append(
            bounded(
                name,
                value,
                error,
                rows=rows,
                threshold=ranges.get(name, AlertThreshold()),
                deviations=deviations,
                reason="" if rows else "The window has no usable row.",
            )
        )
    return tuple(found)


def _levels(model: LossModel) -> list[_Level]:
    """The cells seen along no axis, along the first, along the first two, and so on."""
    found: list[dict[tuple[int, ...], tuple[int, _Moments]]] = [{} for _ in range(len(model.axes) + 1)]
    for cell in model.cells:
        for depth, level in enumerate(found):
            count, sums = level.get(cell.key[:depth], (0, (0.0, 0.0, 0.0)))
            level[cell.key[:depth]] = (
                count + cell.count,
                (sums[0] + cell.first, sums[1] + cell.second, sums[2] + cell.fourth),
            )
    deeper = (_Level(cells, _prior_rows(wider, cells)) for wider, cells in pairwise(found))
    return [_Level(found[0], 0.0), *deeper]


def _prior_rows(
    wider: dict[tuple[int, ...], tuple[int, _Moments]], cells: dict[tuple[int, ...], tuple[int, _Moments]]
) -> float:
    """The variance within cells over that between the cells of a wider one (Buhlmann's credibility).

    https://en.wikipedia.org/wiki/B%C3%BChlmann_model
    """
    rows = sum(count for count, _ in cells.values())
    within = math.fsum(sums[1] - sums[0] ** 2 / count for count, sums in cells.values()) / rows
    apart = math.fsum(
        count * (sums[0] / count - wider[key[:-1]][1][0] / wider[key[:-1]][0]) ** 2
        for key, (count, sums) in cells.items()
    )
    # Cells that do not differ still lie apart, by chance.
    between = (apart - (len(cells) - len(wider)) * within) / rows
    return min(_NO_DIFFERENCE, max(0.0, within) / between) if between > 0 else _NO_DIFFERENCE


def _expect(levels: Sequence[_Level], key: tuple[int, ...]) -> _Moments:
    """The mean absolute error, its square and fourth power of rows in a cell."""
    rows, sums = levels[0].cells[()]
    means = (sums[0] / rows, sums[1] / rows, sums[2] / rows)
    for depth, level in enumerate(levels[1:], start=1):
        if key[:depth] not in level.cells:
            break
        count, sums = level.cells[key[:depth]]
        prior = level.prior_rows
        means = (
            (sums[0] + prior * means[0]) / (count + prior),
            (sums[1] + prior * means[1]) / (count + prior),
            (sums[2] + prior * means[2]) / (count + prior),
        )
    return means
