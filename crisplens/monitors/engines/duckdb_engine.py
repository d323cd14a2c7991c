"""The embedded engine: DuckDB profiles the window in one scan, and two small profiles are compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors import features, scores
from crisplens.monitors.engines import _columns, _comparing, _features, _segments, _sql, _wide, arrow_use
from crisplens.monitors.engines._reading import READ_ONCE, each_column, opened
from crisplens.monitors.engines.interface import EngineResult, Reference, Rows, Slice
from crisplens.monitors.model import (
    CategoricalProfile,
    CheckSettings,
    ColumnCheck,
    ColumnProfile,
    Family,
    FeatureSource,
    NumericProfile,
    OtherProfile,
    Profile,
    Segment,
    Verdict,
)
from crisplens.monitors.segments import check_compared
from crisplens.registry.data.tabular import PLAIN_TYPES, Column, Table, quote_name

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Evidently takes whole numbers with at most so many distinct values for categories.
MOST_WHOLE_CATEGORIES = 10

Made = ColumnProfile | _features.Profiled


class DuckdbEngine:
    """Compares profiles; only the window is read."""

    name = "duckdb"

    def check_settings(self, reference: Profile, settings: CheckSettings) -> tuple[str, ...]:
        """The columns to watch; see `Engine.check_settings`."""
        settings = features.resolved(settings, reference)
        watched = _columns.watched_columns(reference, settings, {*scores.METHODS, features.DOMAIN_CLASSIFIER})
        _check_kinds(reference, settings)
        return watched

    def check(self, reference: Reference, current: Rows, settings: CheckSettings) -> EngineResult:
        """Compare `current` with the reference's profile; see `Engine.check`."""
        watched = self.check_settings(reference.profile, settings)
        settings = features.resolved(settings, reference.profile)
        window = profile_rows(current, reference.profile, watched)
        pairs, checks = _columns.pair_up(reference.profile, window, watched, settings)
        scored = _comparing.scored(pairs, settings)
        if settings.exact:
            scored |= _scored_exactly(pairs, scored, reference.table, current)
        for source in features.classified(reference.profile, settings):
            if source.column in watched and source.column not in checks:
                checks[source.column] = _classify(source, reference, current, settings)
        checks |= _comparing.told(pairs, scored, settings)
        result = _columns.result(self.name, reference.profile, window, watched, pairs, checks, settings)
        return EngineResult(check=result, current_profile=window)


def _classify(
    source: FeatureSource, reference: Reference, current: Rows, settings: CheckSettings
) -> ColumnCheck:
    """The check of an embedding's vectors themselves, from the rows of both tables."""
    from crisplens.monitors.engines import domain_classifier

    name, method = source.column, features.DOMAIN_CLASSIFIER
    if reference.table is None:
        raise InputError(
            f"the method {method} reads the reference's rows, and only its profile is at hand",
            slug="reference-rows-needed",
            hint=f"Give the reference's file, or watch {name} without a method.",
        )
    size, least = len(source.centroid), settings.minimum_rows
    found = domain_classifier.separate(Rows(reference.table), current, name, size, least=least)
    if found is None:
        reason = f"There are fewer than {least} vectors that a classifier could be trained on."
        return ColumnCheck(column=name, kind=None, verdict=Verdict.INSUFFICIENT_DATA, reason=reason)
    threshold = settings.thresholds.get(name)
    shown = found.least(settings.level) if threshold is None else threshold
    drifts = found.drifts(threshold, settings.level)
    return ColumnCheck(
        column=name,
        kind=None,
        method=method,
        score=found.auc,
        threshold=shown,
        verdict=Verdict.DRIFT if drifts else Verdict.NO_DRIFT,
        beyond=drifts,
        reason=f"A classifier tells the window's vectors from the reference's with an AUC of {found.auc:.3g}; "
        f"0.5 is guessing, and above {shown:.3g} is drift.",
        approximate=found.sampled,
    )


def _scored_exactly(
    pairs: Mapping[str, _columns.Pair],
    scored: Mapping[str, tuple[str, scores.Score]],
    reference: Table | None,
    current: Rows,
) -> dict[str, tuple[str, scores.Score]]:
    """From the rows, the scores that are only approximate from profiles."""
    from crisplens.monitors.engines.exact import Question, score_rows

    asked = [
        Question(name, pairs[name], method)
        for name, (method, score) in scored.items()
        # A feature stands in no table.
        if score.approximate and not features.source_of(pairs[name].reference)
    ]
    values = score_rows(reference, current, asked)
    return {one.name: (one.method, scores.Score(values[one.name], approximate=False)) for one in asked}


def profile_reference(
    table: Table, columns: Sequence[str] = (), *, segments: Sequence[Sequence[str]] = (), least: int = 1
) -> Profile:
    """The profile that windows are compared with: of all columns, or of those named (themselves, or by a feature).

    The bins are placed here: one per distinct number when there are few, at quantiles otherwise. Free text, times
    and embeddings get features. `segments` are sets of columns by whose values rows are profiled apart, too, where
    there are at `least` so many. Raises `InputError` for a column that the table does not have, and for a table
    without rows.
    """
    with opened(table) as (connection, relation, found):
        by_name = {column.name: column for column in found}
        named = [features.source_in_name(name, by_name) for name in columns]
        telling = [name for one in segments for name in one]
        for name in (*named, *telling):
            if name not in by_name:
                raise unknown_name("column", name, by_name)
        chosen = tuple(dict.fromkeys((*named, *telling))) if named else tuple(by_name)
        rows = _sql.row_count(connection, relation)
        if rows == 0:
            raise InputError(f"{table.pattern} has no rows to compare windows with", slug="no-rows")
        profiled: list[Made] = []
        most_exact = _wide.exact_values(len(chosen))
        for part, batch in _wide.batches(connection, relation, [by_name[name] for name in chosen], rows):
            counted = _count_few_rows(connection, part, batch, rows, most_exact) if part != relation else {}
            left = [column for column in batch if column.name not in counted]
            made = each_column(connection, left, _Referring(part, rows, most_exact, tuple(by_name)))
            others = dict(zip((column.name for column in left), made, strict=True))
            profiled += [counted.get(column.name) or others[column.name] for column in batch]
        whole = tuple(one for made in profiled for one in _flat(made))
        groups = _segments.find_segments(connection, relation, by_name, segments, least)
        apart = _profile_segments(connection, relation, by_name, whole, groups, named)
    return Profile(
        rows=rows,
        columns=(*whole, *apart),
        other_columns=tuple(n for n in by_name if n not in chosen),
        features=tuple(made.source for made in profiled if isinstance(made, _features.Profiled)),
        segments=tuple(segment for segment, _ in groups),
    )


def _profile_segments(
    connection: DuckDBPyConnection,
    relation: str,
    columns: Mapping[str, Column],
    whole: Sequence[ColumnProfile],
    groups: Sequence[tuple[Segment, int]],
    wanted: Sequence[str],
) -> tuple[ColumnProfile, ...]:
    """The reference's columns that can be compared, in each segment but for what it is told apart by."""
    compared = [
        one.name
        for one in whole
        if not (isinstance(one, OtherProfile) or features.source_of(one))
        and (not wanted or one.name in wanted)
    ]
    check_compared(len(compared), len(groups))
    tasks = [(group, name) for group in groups for name in compared if name not in group[0].where]
    most_exact, taken = _wide.exact_values(len(tasks)), {one.name for one in whole}

    def profile(cursor: DuckDBPyConnection, task: tuple[tuple[Segment, int], str]) -> ColumnProfile | None:
        (segment, rows), name = task
        part = _segments.inside(relation, segment, columns)
        made = _profile_column(cursor, part, columns[name], rows, most_exact=most_exact, names=())
        if not isinstance(made, NumericProfile | CategoricalProfile):
            return None
        return features.as_feature(made, name, segment.name, features.feature_name(name, segment.name, taken))

    return tuple(one for one in each_column(connection, tasks, profile) if one is not None)


class _Referring(msgspec.Struct, frozen=True):
    """Profiles a column of the reference, in a connection of its own."""

    relation: str
    rows: int
    most_exact: int
    names: tuple[str, ...]

    def __call__(self, connection: DuckDBPyConnection, column: Column) -> Made:
        return _profile_column(
            connection, self.relation, column, self.rows, most_exact=self.most_exact, names=self.names
        )


def _flat(made: Made) -> tuple[ColumnProfile, ...]:
    return (made.own, *made.features) if isinstance(made, _features.Profiled) else (made,)


def _count_few_rows(
    connection: DuckDBPyConnection, relation: str, columns: Sequence[Column], rows: int, most_exact: int
) -> dict[str, Made]:
    """The profiles of those columns of a wide reference that need no query of their own."""
    if rows > _wide.FEW_ROWS:
        return {}
    plain = [column for column in columns if _sql.family_of(column.type) is not Family.OTHER]
    values = (
        _wide.fetch(connection, relation, [_wide.reference_sql(column) for column in plain]) if plain else ()
    )
    found: dict[str, Made] = {}
    for column, given in zip(plain, values, strict=True):
        family = _sql.family_of(column.type)
        unique = len(set(given) - {None})
        if family is Family.TEXT and _is_mostly_unique(unique, rows - given.count(None)):
            continue
        if family is not Family.NUMBER:
            found[column.name] = _wide.categorical(column, given, family)
        elif _sql.is_integer(column.type) and unique <= MOST_WHOLE_CATEGORIES:
            texts = [None if value is None else str(value) for value in given]
            found[column.name] = _wide.categorical(column, texts, family)
        else:
            found[column.name] = _wide.numeric_reference(column, given, most_exact)
    return found


def profile_rows(rows: Rows, reference: Profile, columns: Sequence[str] = ()) -> Profile:
    """The profile of a window's rows on the reference's edges, made in the fastest way that there is for them."""
    if (
        rows.only is None
        and not reference.segments
        and arrow_use.applies(rows.table)
        and arrow_use.pays(rows.table)
    ):
        from crisplens.monitors.engines import arrow_engine

        return arrow_engine.profile_current(rows.table, reference, columns)
    return profile_current(rows.table, reference, columns, only=rows.only)


def profile_current(
    table: Table, reference: Profile, columns: Sequence[str] = (), *, only: Slice | None = None
) -> Profile:
    """The window's profile on the reference's edges; columns that the window lacks are left out of it."""
    sources = {one.column: one for one in features.needed_sources(reference, columns)}
    telling = {name for segment in reference.segments for name in segment.where}
    watched = [
        column
        for column in reference.columns
        if not features.source_of(column)
        and (not columns or column.name in columns or column.name in sources or column.name in telling)
    ]
    # A CSV window whose text happens to look like numbers is still text.
    text = [c.name for c in watched if _expected_family(c) is Family.TEXT and _is_read_as_text(c, sources)]
    names = [column.name for column in watched]
    types = {column.name: column.type for column in watched}
    with opened(table, text=text, needed=names, expected=types, only=only) as (connection, relation, found):
        by_name = {column.name: column for column in found}
        rows = _sql.row_count(connection, relation)
        present = [column for column in watched if column.name in by_name]
        profiled: dict[str, Made] = {}
        if relation == READ_ONCE and rows * len(present) <= _wide.BATCH_CELLS:
            profiled |= _count_in_arrow(
                connection, relation, by_name, [c for c in present if c.name not in sources]
            )
        waiting = [column for column in present if column.name not in profiled]
        for part, batch in _wide.batches(connection, relation, waiting, rows):
            if part != relation and rows <= _wide.FEW_ROWS:
                profiled |= _count_few_rows_like(connection, part, by_name, batch)
            left = [column for column in batch if column.name not in profiled]
            made = each_column(connection, left, _Likening(part, rows, by_name, sources, reference))
            profiled |= dict(zip((column.name for column in left), made, strict=True))
        apart = _profile_segments_like(connection, relation, by_name, reference, columns)
    found_names = {column.name for column in present}
    return Profile(
        rows=rows,
        columns=(*(one for column in present for one in _flat(profiled[column.name])), *apart),
        other_columns=tuple(name for name in by_name if name not in found_names),
    )


def _count_in_arrow(
    connection: DuckDBPyConnection,
    relation: str,
    found: Mapping[str, Column],
    wanted: Sequence[ColumnProfile],
) -> dict[str, Made]:
    """The profiles of columns of a table in memory, where that takes no library that is not loaded already."""
    pairs = [(before, found[before.name]) for before in wanted if found[before.name].type in PLAIN_TYPES]
    if not pairs or not arrow_use.loaded():
        return {}
    from crisplens.monitors.engines import arrow_engine

    names = ", ".join(quote_name(column.name) for _, column in pairs)
    with connection.cursor() as cursor:
        table = cursor.sql(f"SELECT {names} FROM {relation}").to_arrow_table()
    return {
        column.name: arrow_engine.profile_array(array, before, column.type)
        for (before, column), array in zip(pairs, table.columns, strict=True)
    }


def _profile_segments_like(
    connection: DuckDBPyConnection,
    relation: str,
    found: Mapping[str, Column],
    reference: Profile,
    wanted: Sequence[str],
) -> tuple[ColumnProfile, ...]:
    """A window's columns in each of the reference's segments; those that are no longer of one type are left out."""
    parts = {
        segment.name: _segments.inside(relation, segment, found)
        for segment in reference.segments
        if found.keys() >= segment.where.keys()
    }
    counts = {name: _sql.row_count(connection, part) for name, part in parts.items()}
    known = features.segments_by_column(reference)
    tasks = [
        before
        for before in reference.columns
        if before.name in known
        and known[before.name].name in parts
        and features.source_of(before) in found
        and (not wanted or before.name in wanted)
    ]

    def profile(cursor: DuckDBPyConnection, before: ColumnProfile) -> ColumnProfile | None:
        segment, source = known[before.name].name, features.source_of(before)
        made = _profile_like(cursor, parts[segment], found[source], counts[segment], before)
        return (
            None
            if isinstance(made, OtherProfile)
            else features.as_feature(made, source, segment, before.name)
        )

    return tuple(one for one in each_column(connection, tasks, profile) if one is not None)


class _Likening(msgspec.Struct, frozen=True):
    """Profiles a column of a window as the reference's is, in a connection of its own."""

    relation: str
    rows: int
    found: Mapping[str, Column]
    sources: Mapping[str, FeatureSource]
    reference: Profile

    def __call__(self, connection: DuckDBPyConnection, before: ColumnProfile) -> Made:
        column = self.found[before.name]
        source = self.sources.get(before.name)
        if source is None:
            return _profile_like(connection, self.relation, column, self.rows, before)
        wanted = [one for one in self.reference.columns if features.source_of(one) == before.name]
        return _features.profile_window_features(connection, self.relation, column, self.rows, source, wanted)


def _count_few_rows_like(
    connection: DuckDBPyConnection,
    relation: str,
    found: Mapping[str, Column],
    wanted: Sequence[ColumnProfile],
) -> dict[str, Made]:
    """The profiles of those columns of a wide window that need no query of their own."""
    plain = [
        before
        for before in wanted
        if not isinstance(before, OtherProfile)
        and _sql.family_of(found[before.name].type) is _expected_family(before)
    ]
    asked = [_wide.window_sql(found[before.name], before) for before in plain]
    values = _wide.fetch(connection, relation, asked) if asked else ()
    profiled: dict[str, Made] = {}
    for before, given in zip(plain, values, strict=True):
        column = found[before.name]
        if isinstance(before, NumericProfile):
            profiled[column.name] = _wide.numeric_window(column, given, before)
        else:
            listed = [category.value for category in before.categories]
            profiled[column.name] = _wide.categorical(column, given, before.family, listed)
    return profiled


def _is_mostly_unique(unique: int, present: int) -> bool:
    return unique > present * 0.5 and present >= 2


def _is_read_as_text(column: ColumnProfile, sources: Mapping[str, FeatureSource]) -> bool:
    return isinstance(column, CategoricalProfile) or column.name in sources


def _profile_column(
    connection: DuckDBPyConnection,
    relation: str,
    column: Column,
    rows: int,
    *,
    most_exact: int,
    names: Sequence[str],
) -> Made:
    family = _sql.family_of(column.type)
    if family is Family.OTHER:
        found = _features.profile_reference_features(connection, relation, column, rows, names)
        if not isinstance(found, str):
            return found
        return OtherProfile(
            name=column.name,
            type=column.type,
            family=family,
            rows=rows,
            nulls=_sql.null_count(connection, relation, column),
            reason=found,
        )
    unique, present = _sql.distinct_count(connection, relation, column, family)
    whole = _sql.is_integer(column.type)
    if family is Family.NUMBER and not (whole and unique <= MOST_WHOLE_CATEGORIES):
        return _sql.reference_numbers(
            connection, relation, column, rows=rows, unique=unique, most_exact=most_exact
        )
    if family is Family.TEXT and _is_mostly_unique(unique, present):
        found = _features.profile_reference_features(connection, relation, column, rows, names)
        if not isinstance(found, str):
            return found
        return OtherProfile(
            name=column.name,
            type=column.type,
            family=family,
            rows=rows,
            nulls=rows - present,
            reason=found or f"{unique} of {present} values differ: identifiers cannot be compared.",
        )
    return _sql.categorical_profile(connection, relation, column, rows=rows, family=family)


def _profile_like(
    connection: DuckDBPyConnection, relation: str, column: Column, rows: int, reference: ColumnProfile
) -> ColumnProfile:
    family = _sql.family_of(column.type)
    expected = _expected_family(reference)
    if isinstance(reference, OtherProfile) or family is not expected:
        nulls = _sql.null_count(connection, relation, column)
        misfits = None
        reason = f"The window has type {column.type}, the reference {reference.type}."
        if expected is Family.NUMBER and family is Family.TEXT:
            misfits = _sql.not_number_count(connection, relation, column)
            reason = features.not_numbers_reason(misfits, rows - nulls)
        return OtherProfile(
            name=column.name,
            type=column.type,
            family=family,
            rows=rows,
            nulls=nulls,
            reason=reason,
            misfits=misfits,
        )
    return _sql.profile_like(connection, relation, column, rows=rows, reference=reference)


def _expected_family(reference: ColumnProfile) -> Family:
    return Family.NUMBER if isinstance(reference, NumericProfile) else reference.family


def _check_kinds(reference: Profile, settings: CheckSettings) -> None:
    kinds = {column.name: _columns.kind_of(column) for column in reference.columns}
    vectors = {source.column for source in features.classified(reference, settings)}
    for name, method in settings.methods.items():
        if method == features.DOMAIN_CLASSIFIER:
            if name in vectors:
                continue
            raise InputError(
                f"the method {method} is for embeddings, and {name!r} holds none",
                slug="wrong-method",
                hint="Embeddings are columns of lists of one length that hold decimal numbers.",
            )
        kind = kinds[name]
        if kind is not None and kind not in scores.METHODS[method].kinds:
            usable = sorted(known.name for known in scores.METHODS.values() if kind in known.kinds)
            raise InputError(
                f"the method {method} is not for {kind.value} columns such as {name!r}",
                slug="wrong-method",
                hint=f"Methods for {kind.value} columns: {', '.join(usable)}.",
            )
