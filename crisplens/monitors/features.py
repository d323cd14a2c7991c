"""Features of columns, and columns within a segment: what is compared besides a table's columns themselves. Pure.

Text, times and embeddings have no drift score of their own. A feature is a number or a category of each row, such as a
text's length. Its profile is an ordinary one, as is that of a column in a segment, so that both are scored, judged and
tuned as any column is.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from crisplens.monitors.model import (
    CategoricalProfile,
    CheckSettings,
    ColumnProfile,
    FeatureSource,
    NumericProfile,
    OtherProfile,
    Profile,
    Segment,
    SourceKind,
)

LENGTH, UNSEEN = "length", "unseen"
HOUR, WEEKDAY = "hour", "weekday"
NORM, DISTANCE = "norm", "distance"
FEATURES = {
    SourceKind.TEXT: (LENGTH, UNSEEN),
    SourceKind.TIME: (HOUR, WEEKDAY),
    SourceKind.VECTOR: (NORM, DISTANCE),
}
# Compares rows of both tables, so it is asked for by name; see `engines/domain_classifier.py`.
DOMAIN_CLASSIFIER = "domain_classifier"
# Tokens of fewer rows may tell of single persons, and say little of the text as a whole.
LEAST_TOKEN_ROWS = 5
MOST_TOKENS = 2000
TOKEN_BYTES = 4
# Longer lists are not taken for embeddings.
MOST_DIMENSIONS = 8192
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WEEK = timedelta(days=7)

Value = TypeVar("Value")


def feature_name(source: str, feature: str, taken: Collection[str] = ()) -> str:
    """What a column's feature is called, other than the names that are `taken`."""
    name, more = f"{source} ({feature})", 2
    while name in taken:
        name, more = f"{source} ({feature}, {more})", more + 1
    return name


def source_in_name(name: str, columns: Collection[str]) -> str:
    """The column that `name` is, or is a feature of; `name` itself when there is none."""
    if name in columns:
        return name
    for features in FEATURES.values():
        for feature in features:
            source = name.removesuffix(f" ({feature})")
            if source != name and source in columns:
                return source
    return name


def source_of(column: ColumnProfile) -> str:
    """The column that a profile is of a feature of; empty for a column's own profile."""
    return "" if isinstance(column, OtherProfile) else column.source


def as_feature(column: Value, source: str, feature: str, name: str) -> Value:
    """A profile as that of a column's feature."""
    assert isinstance(column, NumericProfile | CategoricalProfile)
    return msgspec.structs.replace(column, name=name, source=source, feature=feature)


def feature_names(reference: Profile) -> dict[str, tuple[str, ...]]:
    """The names that stand for each column: its features, or itself and itself in each segment."""
    found: dict[str, list[str]] = {source.column: [] for source in reference.features}
    for column in reference.columns:
        if source := source_of(column):
            found.setdefault(source, [source]).append(column.name)
    return {source: tuple(names) for source, names in found.items()}


def segments_by_column(reference: Profile) -> dict[str, Segment]:
    """The segment that each column is in, by the column's name there; not for those of all rows."""
    known = {segment.name: segment for segment in reference.segments}
    return {
        column.name: known[column.feature]
        for column in reference.columns
        if not isinstance(column, OtherProfile) and column.feature in known
    }


def resolved(settings: CheckSettings, reference: Profile) -> CheckSettings:
    """Settings in which what is said of a column stands for each of its features, but for those that are named too.

    A domain classifier compares the column itself: it and its threshold stay the column's.
    """
    known = feature_names(reference)
    if not known:
        return settings
    classified = {name for name, method in settings.methods.items() if method == DOMAIN_CLASSIFIER}
    columns = [
        one
        for name in settings.columns
        for one in (*known.get(name, (name,)), *((name,) if name in classified and name in known else ()))
    ]
    return msgspec.structs.replace(
        settings,
        columns=tuple(dict.fromkeys(columns)),
        methods=_spread(settings.methods, known, classified),
        thresholds=_spread(settings.thresholds, known, classified),
        weights=_spread(settings.weights, known, frozenset()),
    )


def _spread(
    given: Mapping[str, Value], known: Mapping[str, tuple[str, ...]], kept: Collection[str]
) -> dict[str, Value]:
    found: dict[str, Value] = {}
    for name, value in given.items():
        found |= dict.fromkeys((name,) if name in kept else known.get(name, (name,)), value)
    return found | {name: value for name, value in given.items() if name not in known}


def watched(reference: Profile, settings: CheckSettings) -> tuple[str, ...]:
    """The names to check, for settings that are `resolved`: all but columns that features stand for.

    What segments are told apart by is always among them, as a segment may grow, shrink or go.
    """
    if settings.columns:
        telling = (name for segment in reference.segments for name in segment.where)
        return tuple(dict.fromkeys((*settings.columns, *telling)))
    known = feature_names(reference)
    classified = {name for name, method in settings.methods.items() if method == DOMAIN_CLASSIFIER}
    return tuple(
        column.name
        for column in reference.columns
        if column.name in (known.get(column.name) or (column.name,)) or column.name in classified
    )


def classified(reference: Profile, settings: CheckSettings) -> tuple[FeatureSource, ...]:
    """The embeddings that a domain classifier is asked for."""
    return tuple(
        source
        for source in reference.features
        if source.kind is SourceKind.VECTOR and settings.methods.get(source.column) == DOMAIN_CLASSIFIER
    )


def needed_sources(reference: Profile, names: Collection[str]) -> tuple[FeatureSource, ...]:
    """The columns whose features are among `names`, or that are themselves; all when there are no names."""
    known = feature_names(reference)
    return tuple(
        source
        for source in reference.features
        if not names
        or source.column in names
        or not known[source.column]
        or set(names) & set(known[source.column])
    )


def misfit_reason(source: FeatureSource, misfits: int, values: int) -> str:
    """Why values of a window cannot be what the reference's are."""
    if source.kind is SourceKind.VECTOR:
        what = f"lists of {len(source.centroid)} numbers"
    elif source.zone:
        what = "times with a time zone"
    else:
        what = "times without a time zone" if source.kind is SourceKind.TIME else "text"
    return f"{misfits} of {values} values of {source.column} are not {what}, as the reference's are."


def not_numbers_reason(misfits: int, values: int) -> str:
    """Why text cannot be what a reference of numbers is; what reads as numbers is still of the wrong type."""
    if misfits:
        return f"{misfits} of {values} values are not numbers, but the reference's are."
    return "The window's values are text, though all of them read as numbers; the reference's are numbers."


def empty_reason(column: NumericProfile | CategoricalProfile) -> str:
    """Why no row of a window has a feature, though its column holds values."""
    lacking = {
        UNSEEN: "has letters or digits",
        NORM: "is a list of finite numbers",
        DISTANCE: "is a list of finite numbers",
    }
    return f"No value of {column.source} {lacking.get(column.feature, 'has this feature')}."


def uneven_calendar(
    reference: ColumnProfile, before: OtherProfile, now: OtherProfile, tolerance: float
) -> str:
    """Why hours or weekdays are not compared: the calendar alone makes them differ by more than half of the tolerance.

    Empty when they can be, and for other features. A window of a day has one weekday, and one of ten days three of
    them twice. What is compared is the reference with itself, as it would be seen in the window's time from `first` to
    `last`.
    """
    if not (isinstance(reference, CategoricalProfile) and reference.feature in (HOUR, WEEKDAY)):
        return ""
    if not (before.first and before.last and now.first and now.last):
        return ""
    part = _weekday if reference.feature == WEEKDAY else _hour
    there, here = (_coverage(one.first, one.last, part) for one in (before, now))
    total = sum(item.count for item in reference.categories)
    pairs = [
        (item.count / total, item.count / there[item.value] * here[item.value])
        for item in reference.categories
        if there[item.value]
    ]
    expected = sum(q for _, q in pairs)
    shares = [(p, q / expected) for p, q in pairs] if expected else [(1.0, 0.0)]
    w = math.sqrt(sum(2 * (q - p) ** 2 / (p + q) for p, q in shares if p))
    if w <= tolerance / 2:
        return ""
    parts, whole = ("weekdays", "weeks") if reference.feature == WEEKDAY else ("hours", "days")
    return (
        f"From {now.first} to {now.last} some {parts} come more often than in the reference, whatever the data: "
        f"windows of whole {whole} can be compared."
    )


def _coverage(first: str, last: str, part: Callable[[datetime], str]) -> Counter[str]:
    """How many hours between two times fall into each part, that of the last one included."""
    start, end = datetime.fromisoformat(first), datetime.fromisoformat(last)
    # Dates stand for whole days.
    end += timedelta(hours=24 if len(last) == len("2000-01-01") else 1)
    start = start.replace(minute=0, second=0)
    weeks = (end - start) // _WEEK
    week = Counter(part(start + timedelta(hours=i)) for i in range(7 * 24))
    counted = Counter({name: hours * weeks for name, hours in week.items()})
    at = start + weeks * _WEEK
    while at + timedelta(hours=1) <= end:
        counted[part(at)] += 1
        at += timedelta(hours=1)
    return counted


def _weekday(moment: datetime) -> str:
    return WEEKDAYS[moment.weekday()]


def _hour(moment: datetime) -> str:
    return f"{moment.hour:02}"


def not_comparable(reference: Profile, window: Profile, tolerance: float) -> frozenset[str]:
    """The features of times whose hours or weekdays the window's length alone makes differ."""
    before, now = (
        {one.name: one for one in profile.columns if isinstance(one, OtherProfile)}
        for profile in (reference, window)
    )
    return frozenset(
        column.name
        for column in reference.columns
        if (source := source_of(column)) in before
        and source in now
        and uneven_calendar(column, before[source], now[source], tolerance)
    )


def without_features(reference: Profile, settings: CheckSettings) -> tuple[Profile, CheckSettings]:
    """A reference and settings for an engine that knows columns alone: what is asked of a feature names its column."""
    sources = {column.name: source_of(column) for column in reference.columns if source_of(column)}
    gone = {*sources, *sources.values()}
    columns = tuple(column for column in reference.columns if column.name not in sources)
    return msgspec.structs.replace(reference, columns=columns, features=()), msgspec.structs.replace(
        settings,
        columns=tuple(dict.fromkeys(sources.get(name, name) for name in settings.columns)),
        methods={name: one for name, one in settings.methods.items() if name not in gone},
        thresholds={name: one for name, one in settings.thresholds.items() if name not in gone},
        weights={name: one for name, one in settings.weights.items() if name not in gone},
    )
