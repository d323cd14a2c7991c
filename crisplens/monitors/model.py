"""Values of production monitoring: profiles, settings of a check, and its result. Pure; each encodes to JSON.

No float here is NaN or infinite: what cannot be given is None, so that every value fits canonical JSON.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ColumnKind(StrEnum):
    """How a column is compared: along its number line, or category by category."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"


class Family(StrEnum):
    """What a column's values are; a column whose family differs from the reference's has the wrong type."""

    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    OTHER = "other"


class Verdict(StrEnum):
    """What a check found, for one column or metric or (the first six) for the whole window."""

    NO_DRIFT = "no-drift"
    DRIFT = "drift"
    NOT_DEGRADED = "not-degraded"
    DEGRADED = "degraded"
    INSUFFICIENT_DATA = "insufficient-data"
    BAD_DATA = "bad-data"
    MISSING_COLUMN = "missing-column"
    WRONG_TYPE = "wrong-type"
    ALL_NULL = "all-null"
    UNSUPPORTED = "unsupported"


# What a monitor is to find: more of it in the windows to come is an alarm.
FOUND = frozenset({Verdict.DRIFT, Verdict.DEGRADED})
# Those of a column or metric that could be judged.
JUDGED = FOUND | {Verdict.NO_DRIFT, Verdict.NOT_DEGRADED}
# A column with one of these makes the window bad data.
BAD_VERDICTS = frozenset({Verdict.MISSING_COLUMN, Verdict.WRONG_TYPE, Verdict.ALL_NULL})


class Category(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a categorical column, as text, and in how many rows it stands."""

    value: str
    count: int


class NumberCount(msgspec.Struct, frozen=True, kw_only=True):
    """One value of a numeric column with few values, and in how many rows it stands."""

    value: float
    count: int


class NumericProfile(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="numeric"):
    """A numeric column: moments of its finite values, and how many fall between fixed edges.

    `counts[i]` is the number of values in (edges[i-1], edges[i]]; the first bin is open below, the last
    above. `exact` says that every distinct value of the reference has a bin of its own. `m2` is the sum of
    squared deviations from the mean; None, as the mean, where it is too large for a float. `values` is kept
    for a column whose reference has few distinct values. A profile of a column's feature names column and feature.
    """

    name: str
    type: str
    integer: bool = False
    rows: int
    nulls: int
    nans: int = 0
    infinities: int = 0
    count: int
    mean: float | None = None
    m2: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    exact: bool = False
    n_unique: int | None = None
    values: tuple[NumberCount, ...] | None = None
    source: str = ""
    feature: str = ""


class CategoricalProfile(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="categorical"):
    """A categorical column: its commonest values and their counts, most common first.

    `rest` counts the rows of values that are not listed; `n_unique` counts all distinct values, exactly when
    `rest` is 0 and at least that many otherwise. A profile of a column's feature names column and feature.
    """

    name: str
    type: str
    family: Family
    rows: int
    nulls: int
    count: int
    categories: tuple[Category, ...] = ()
    rest: int = 0
    n_unique: int = 0
    source: str = ""
    feature: str = ""


class OtherProfile(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="other"):
    """A column that cannot be compared itself: a type without a drift score, or not the type of the reference.

    `misfits` counts values that are not of the reference's type, where that is known. `first` and `last` are the
    ends of a column of times that is watched through features, as ISO 8601 text on the features' clock.
    """

    name: str
    type: str
    family: Family
    rows: int
    nulls: int
    reason: str = ""
    misfits: int | None = None
    first: str = ""
    last: str = ""


ColumnProfile = NumericProfile | CategoricalProfile | OtherProfile


class SourceKind(StrEnum):
    """What the values of a column are that is watched through features."""

    TEXT = "text"
    TIME = "time"
    VECTOR = "vector"


class FeatureSource(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the features of one column are computed with, fixed by the reference.

    `vocabulary` holds 4 bytes of the MD5 of each of a text column's commonest tokens, in order: enough to tell them
    from others, and none of them can be read. `zone` is the clock of times that have a zone, empty for those that
    have none. `centroid` is the mean of an embedding.
    """

    column: str
    kind: SourceKind
    vocabulary: bytes = b""
    zone: str = ""
    centroid: tuple[float, ...] = ()


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """Rows that are compared by themselves, too: those with certain values, as text, in some columns."""

    name: str
    where: dict[str, str]


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of a table: small, mergeable on the same edges, and no row of it.

    `other_columns` names the table's columns that were not profiled. A reference's `features` says of which columns
    it has features; such a column has a profile of its own besides, of kind other. Its `segments` have a profile of
    each column that can be compared, whose `source` is that column and whose `feature` is the segment's name.
    """

    version: int = 2
    rows: int
    columns: tuple[ColumnProfile, ...]
    other_columns: tuple[str, ...] = ()
    features: tuple[FeatureSource, ...] = ()
    segments: tuple[Segment, ...] = ()


class MovingKind(StrEnum):
    """Which earlier windows a moving reference is made of."""

    ROLLING = "rolling"
    SEASONAL = "seasonal"


class MovingReference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A reference of at most `windows` earlier windows: the newest, or those one `season` apart.

    `season` is a duration such as `1w`, one of `month`, `quarter`, `year`, or `7 windows` where windows are files or
    runs of rows. Make one with `parse_moving`.
    """

    kind: MovingKind
    windows: int
    season: str = ""


class CheckSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a window is compared with its reference, and when what is found is an alarm.

    No `columns` means all of the reference's; each is also compared within each of the `segments`, which are told apart
    by the values of one or more columns. A column without an entry in `methods` or `thresholds` gets
    Evidently's default; one with fewer than `minimum_rows` values is not compared. `exact` scores are computed from
    every value of both tables, so that the reference's rows are read again; the others come from profiles.

    Without a `drift_share`, a column drifts when its effect (Cohen's w) is larger than `tolerance`, at a false
    discovery rate of `level` over all columns, each counting by its weight in `weights` (1 if not given, 0 for
    never); a column with an entry in `thresholds` drifts by its score instead; and a window drifts when one column
    does. With a `drift_share` in (0, 1], columns drift by their scores alone, and a window when at least that
    share of them does, as in Evidently.

    An alarm needs the same column to drift in `needed` of the newest `of` windows (any, with a `drift_share`). What
    drifts is no alarm where the windows that are `also` looked at excuse it (see `moving`).
    """

    columns: tuple[str, ...] = ()
    thresholds: dict[str, float] = {}
    methods: dict[str, str] = {}
    drift_share: float | None = None
    minimum_rows: int = 30
    tolerance: float = 0.1
    level: float = 0.05
    weights: dict[str, float] = {}
    needed: int = 1
    of: int = 1
    exact: bool = False
    segments: tuple[tuple[str, ...], ...] = ()
    also: MovingReference | None = None


class ColumnSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A column in one line: small enough for an event. `top` has at most 5 categories."""

    rows: int
    nulls: int
    mean: float | None = None
    std: float | None = None
    minimum: float | None = None
    maximum: float | None = None
    top: tuple[Category, ...] = ()
    n_unique: int | None = None


class ColumnCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found in one column or metric; `reason` is one plain sentence.

    `score` is a p-value or a distance, as `method` says; None when the column could not be compared.
    `approximate` scores come from a profile's bins and not from every value. `beyond` says whether the score alone
    means drift; `verdict` is what was decided. `effect` is Cohen's w and `p_value` that of the test that it is larger
    than the tolerance, over all columns of the window; both None where the score alone decided. `low` and `high` bound
    a metric's value.
    """

    column: str
    kind: ColumnKind | None
    method: str | None = None
    score: float | None = None
    threshold: float | None = None
    verdict: Verdict
    reason: str
    approximate: bool = False
    beyond: bool | None = None
    effect: float | None = None
    p_value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: ColumnSummary | None = None
    current: ColumnSummary | None = None


class MovingColumn(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a column compares with the moving reference; no effect where there are too few values for it.

    `p_value` is over all columns that were compared, as that of the comparison with the training data. `known`
    says that the windows were accepted, and were further from the training data than is tolerated themselves: only then
    do they excuse.
    """

    column: str
    verdict: Verdict
    effect: float | None = None
    p_value: float | None = None
    known: bool = False


class MovingFindings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the comparison with a moving reference found.

    `windows` are the keys of the windows that it was made of, the oldest first, and `rows` their rows. With the verdict
    `insufficient-data` nothing was compared, and the training data alone decides.
    """

    moving: MovingReference
    verdict: Verdict
    reason: str
    windows: tuple[str, ...] = ()
    rows: int = 0
    columns: tuple[MovingColumn, ...] = ()


class CheckResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a check found in a window; `drifted` of `checked` columns drift, others could not be compared.

    `drift_share` is the share from which the window drifts; None where each column's effect decides. `left_out`
    columns of a very wide table are not among `columns`: the drifting and the bad ones come first there.
    """

    engine: str
    verdict: Verdict
    reason: str
    columns: tuple[ColumnCheck, ...]
    reference_rows: int
    current_rows: int
    drifted: int
    checked: int
    drift_share: float | None
    left_out: int = 0
