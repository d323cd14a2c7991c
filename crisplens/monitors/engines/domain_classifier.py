"""How well a classifier tells a window's embeddings from the reference's: ROC AUC, from a sample of both tables' rows.

As Evidently 0.7.23 has it (`evidently/legacy/metrics/data_drift/embedding_drift_methods.py`, `ModelDriftMethod`): a
linear classifier by stochastic gradient descent, drift above an AUC of 0.55, or above what guessing reaches in 95 of
100 cases. Here both must hold, numbers are scaled first, and every vector is scored by a classifier that has not seen
it (five folds) instead of every second one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

from crisplens.core.errors import InputError
from crisplens.monitors.engines._reading import opened
from crisplens.monitors.engines.interface import Rows
from crisplens.registry.data.tabular import quote_name

if TYPE_CHECKING:
    import numpy as np
    from duckdb import DuckDBPyConnection
    from numpy.typing import NDArray

THRESHOLD = 0.55
MOST_VECTORS = 5000
FOLDS = 5
_SEED = 42


@dataclass(frozen=True)
class Separation:
    """How well two sets of vectors are told apart: `auc` is 0.5 by guessing and 1 without a mistake.

    `reference` and `current` are how many vectors of each were looked at, `sampled` says that there are more.
    """

    auc: float
    reference: int
    current: int
    sampled: bool

    def drifts(self, threshold: float | None, level: float) -> bool:
        """Whether that means drift: above `threshold`, or without one above 0.55 and what guessing seldom reaches."""
        return self.auc > (self.least(level) if threshold is None else threshold)

    def least(self, level: float) -> float:
        """The AUC above which there is drift when no threshold is given."""
        return max(THRESHOLD, guessed_auc(self.reference, self.current, level))


def guessed_auc(n: int, m: int, level: float) -> float:
    """The AUC that guessing exceeds with probability `level`, for `n` against `m` rows.

    The AUC of random scores is the Mann-Whitney statistic over nm, which is nearly normal with a mean of 1/2 and a
    variance of (n + m + 1) / 12nm: https://doi.org/10.1214/aoms/1177730491.
    """
    return 0.5 + NormalDist().inv_cdf(1 - level) * math.sqrt((n + m + 1) / (12 * n * m))


def separate(
    reference: Rows, current: Rows, column: str, size: int, *, least: int = 2 * FOLDS
) -> Separation | None:
    """How well the vectors of `size` numbers in a column of both tables are told apart.

    Of more than 5,000 vectors of a table, 5,000 are drawn, the same each time. Vectors that lack a number, or hold NaN
    or infinities, are left out. None when either table has fewer than `least`. Raises `InputError` for files that
    cannot be read, and when scikit-learn is not installed.
    """
    (before, more_before), (now, more_now) = (_sample(rows, column, size) for rows in (reference, current))
    if min(len(before), len(now)) < max(least, 2 * FOLDS):
        return None
    return Separation(roc_auc(before, now), len(before), len(now), more_before or more_now)


def roc_auc(reference: Sequence[Sequence[float]], current: Sequence[Sequence[float]]) -> float:
    """The mean over five folds of the ROC AUC of a linear classifier between two sets of vectors.

    Raises `InputError` when scikit-learn is not installed.
    """
    classifier = _classifier()
    import numpy as np
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from threadpoolctl import threadpool_limits

    vectors: NDArray[np.float64] = np.vstack([np.asarray(reference, float), np.asarray(current, float)])
    labels = np.repeat([0, 1], [len(reference), len(current)])
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=_SEED)
    # Many threads on busy processors wait for each other.
    with threadpool_limits(1):
        found = cross_val_score(classifier, vectors, labels, cv=folds, scoring="roc_auc")
    return float(found.mean())


def _classifier() -> Any:
    try:
        from sklearn.linear_model import SGDClassifier
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler
    except ImportError as error:
        raise InputError(
            "the method domain_classifier takes scikit-learn, which is not installed",
            slug="not-installed",
            hint="pip install 'crisplens[estimation]', or watch the norm and the distance of embeddings.",
        ) from error
    # Averaged weights and more of a penalty: a few thousand vectors of a thousand numbers are easily learnt by heart.
    model = SGDClassifier(loss="log_loss", alpha=0.01, average=True, random_state=_SEED)
    return make_pipeline(StandardScaler(), model)


def _sample(rows: Rows, column: str, size: int) -> tuple[list[list[float]], bool]:
    """Some vectors of a column, and whether there are more."""
    name = quote_name(column)
    fits = f"len({name}) = {size} AND list_count({name}) = {size}"
    with opened(rows.table, needed=[column], only=rows.only) as (connection, relation, _):
        # With one thread the draw is the same each time.
        connection.execute("SET threads = 1")
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(
            "CREATE TEMP TABLE sampled AS SELECT v FROM "
            f"(SELECT {name}::DOUBLE[] AS v FROM {relation} WHERE {fits}) "
            f"USING SAMPLE reservoir({MOST_VECTORS} ROWS) REPEATABLE ({_SEED})"
        )
        return _finite(connection), _count(connection, relation, fits) > MOST_VECTORS


def _finite(connection: DuckDBPyConnection) -> list[list[float]]:
    found = connection.execute("SELECT v FROM sampled").fetchall()
    return [vector for (vector,) in found if all(map(math.isfinite, vector))]


def _count(connection: DuckDBPyConnection, relation: str, fits: str) -> int:
    row = connection.execute(f"SELECT count(*) FILTER ({fits}) FROM {relation}").fetchone()
    return int(row[0]) if row else 0
