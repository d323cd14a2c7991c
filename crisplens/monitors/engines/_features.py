"""Features of text, times and embeddings in DuckDB: which columns have some, and their values, row by row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from crisplens.monitors import features
from crisplens.monitors.engines import _sql
from crisplens.monitors.model import (
    ColumnProfile,
    Family,
    FeatureSource,
    OtherProfile,
    SourceKind,
)
from crisplens.registry.data.tabular import Column, quote_name, quote_text

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Runs of letters, with the marks that belong to them, and digits.
TOKEN = r"[\p{L}\p{M}\p{N}]+"
# Text has words of letters: with spaces between them, or in a script that is written without.
WORDS = (
    r"(?s)\p{L}\S*\s(.*\s)?\S*\p{L}|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]{2}"
)
ISO_DATE = r"^\s*\d{4}-\d{2}-\d{2}"
ZONED = r"\d:\d{2}.*([zZ]|[+-]\d{2}(:?\d{2})?|UTC)\s*$"
_VECTOR = re.compile(r"(FLOAT|DOUBLE)\[\d*\]")
_NUMBERS = re.compile(r"(FLOAT|DOUBLE|DECIMAL\(.*\)|U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?)\[\d*\]")
# Rounding a centroid to so many digits moves no vector's distance that could be told.
DIGITS = 6
ROWS = "feature_rows"


class Profiled(msgspec.Struct, frozen=True):
    """A column that is watched through features: its own profile, those of its features, and what they rest on."""

    source: FeatureSource
    own: OtherProfile
    features: tuple[ColumnProfile, ...]


class _Values(msgspec.Struct, frozen=True):
    """What a column's values are, before features are made of them: `misfits` are none such as the source's."""

    nulls: int
    misfits: int = 0
    first: str = ""
    last: str = ""


def is_time(type_name: str) -> bool:
    """Whether values of a DuckDB type are moments or days."""
    return type_name == "DATE" or type_name.startswith("TIMESTAMP")


def profile_reference_features(
    connection: DuckDBPyConnection, relation: str, column: Column, rows: int, taken: Sequence[str]
) -> Profiled | str:
    """The features of a column that has no score of its own, or why it has none. Names in `taken` are others'."""
    if is_time(column.type):
        source = FeatureSource(column=column.name, kind=SourceKind.TIME, zone=_zone_of(column.type))
    elif _VECTOR.fullmatch(column.type):
        found = _vector_source(connection, relation, column)
        if isinstance(found, str):
            return found
        source = found
    elif _sql.family_of(column.type) is Family.TEXT:
        found = _text_source(connection, relation, column)
        if isinstance(found, str):
            return found
        source = found
    else:
        return f"Columns of type {column.type} cannot be compared: numbers, text, booleans, times and embeddings can."
    values = _make_rows(connection, relation, column, source, reference=True)
    if rows == values.nulls:
        return "It has no values to compare with."
    names = [one for one in features.FEATURES[source.kind] if one != features.HOUR or len(values.last) > 10]
    profiled = tuple(
        _reference_feature(
            connection, source, feature, features.feature_name(column.name, feature, taken), rows
        )
        for feature in names
    )
    own = OtherProfile(
        name=column.name,
        type=column.type,
        family=_sql.family_of(column.type),
        rows=rows,
        nulls=values.nulls,
        reason=f"Columns such as {column.name} are watched through features, by the duckdb engine.",
        misfits=0,
        first=values.first,
        last=values.last,
    )
    return Profiled(source, own, profiled)


def profile_window_features(
    connection: DuckDBPyConnection,
    relation: str,
    column: Column,
    rows: int,
    source: FeatureSource,
    wanted: Sequence[ColumnProfile],
) -> Profiled:
    """A window's features, as the reference's `wanted` ones are; none where the column's type rules them out."""
    reason = _other_type(column, source)
    if reason:
        values = _Values(nulls=_sql.null_count(connection, relation, column))
    else:
        values = _make_rows(
            connection,
            relation,
            column,
            source,
            dates=all(getattr(one, "feature", "") != features.HOUR for one in wanted),
        )
    own = OtherProfile(
        name=column.name,
        type=column.type,
        family=_sql.family_of(column.type),
        rows=rows,
        nulls=values.nulls,
        reason=reason,
        misfits=None if reason else values.misfits,
        first=values.first,
        last=values.last,
    )
    made = () if reason else tuple(_window_feature(connection, one, rows) for one in wanted)
    return Profiled(source, own, made)


def _zone_of(type_name: str) -> str:
    return "UTC" if type_name == "TIMESTAMP WITH TIME ZONE" else ""


def _other_type(column: Column, source: FeatureSource) -> str:
    """Why a window's column cannot have the features of the reference's; empty when it can."""
    name, kind = column.name, column.type
    text = _sql.family_of(kind) is Family.TEXT
    if source.kind is SourceKind.TIME and is_time(kind):
        if _zone_of(kind) == source.zone:
            return ""
        have = ("no time zone", "one") if source.zone else ("a time zone", "none")
        return f"The window's times in {name} have {have[0]}, the reference's have {have[1]}."
    if source.kind is SourceKind.VECTOR and _NUMBERS.fullmatch(kind):
        return ""
    if source.kind is not SourceKind.VECTOR and text:
        return ""
    what = {SourceKind.TEXT: "text", SourceKind.TIME: "times", SourceKind.VECTOR: "embeddings"}[source.kind]
    return f"The window's column {name} has type {kind}, but the reference's holds {what}."


def _text_source(connection: DuckDBPyConnection, relation: str, column: Column) -> FeatureSource | str:
    """What text is: times, words, or neither."""
    name = quote_name(column.name)
    iso = f"regexp_matches({name}, {quote_text(ISO_DATE)}) AND TRY_CAST({name} AS TIMESTAMP) IS NOT NULL"
    present, times, zoned, words = _sql.one_row(
        connection,
        f"SELECT count({name}), count(*) FILTER ({iso}), count(*) FILTER (({iso}) AND "
        f"regexp_matches({name}, {quote_text(ZONED)})), "
        f"count(*) FILTER (regexp_matches({name}, {quote_text(WORDS)})) FROM {relation}",
    )
    if times == present:
        if 0 < zoned < present:
            return (
                f"{zoned} of {present} times have a time zone and the others have none, "
                "so that they cannot be put on one clock."
            )
        return FeatureSource(column=column.name, kind=SourceKind.TIME, zone="UTC" if zoned else "")
    if words <= present * 0.5:
        return ""
    return FeatureSource(
        column=column.name, kind=SourceKind.TEXT, vocabulary=_vocabulary(connection, relation, column)
    )


def _vocabulary(connection: DuckDBPyConnection, relation: str, column: Column) -> bytes:
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE frequent_tokens AS SELECT {_key('t')} AS h, count(*) AS n "
        f"FROM (SELECT unnest(list_distinct({_tokens(column)})) AS t FROM {relation}) GROUP BY t "
        f"HAVING n >= {features.LEAST_TOKEN_ROWS} ORDER BY n DESC, t LIMIT {features.MOST_TOKENS}"
    )
    found = connection.execute("SELECT DISTINCT h FROM frequent_tokens").fetchall()
    return b"".join(sorted(bytes.fromhex(key) for (key,) in found))


def _tokens(column: Column) -> str:
    return f"regexp_extract_all(lower({quote_name(column.name)}), {quote_text(TOKEN)})"


def _key(token: str) -> str:
    return f"left(md5({token}), {2 * features.TOKEN_BYTES})"


def _vector_source(connection: DuckDBPyConnection, relation: str, column: Column) -> FeatureSource | str:
    given = _as_vectors(relation, column)
    present, least, most, lacking, rows = _sql.one_row(
        connection,
        "SELECT count(v), min(len(v)), max(len(v)), count(*) FILTER (list_count(v) <> len(v)), count(*) "
        f"FROM {given}",
    )
    if present < 2:
        return "Too few embeddings to have a centre that others can be compared with."
    if least != most:
        return f"The lists have {least} to {most} numbers: embeddings are lists of one length."
    if not 2 <= most <= features.MOST_DIMENSIONS:
        return f"Lists of {most} numbers are not taken for embeddings: 2 to {features.MOST_DIMENSIONS} are."
    if lacking:
        return f"{lacking} of {present} lists have nulls among their numbers."
    fitting = _fitting(given, most, all_fit=present == rows)
    means = connection.execute(
        "SELECT i, avg(x) FROM (SELECT unnest(v) AS x, generate_subscripts(v, 1) AS i "
        f"FROM (SELECT v FROM {fitting} WHERE fits AND isfinite(list_dot_product(v, v)))) GROUP BY i ORDER BY i"
    ).fetchall()
    if len(means) != most:
        return "All embeddings hold NaN, infinities or numbers too large to be squared."
    return FeatureSource(
        column=column.name,
        kind=SourceKind.VECTOR,
        centroid=tuple(float(f"{mean:.{DIGITS}g}") for _, mean in means),
    )


def _as_vectors(relation: str, column: Column) -> str:
    return f"(SELECT {quote_name(column.name)}::DOUBLE[] AS v FROM {relation})"


def _fitting(given: str, size: int, *, all_fit: bool) -> str:
    """SQL for the vectors `v`, and whether each `fits`; one that does not is replaced by zeros.

    DuckDB refuses to multiply lists where any row of them is null or has a null in it, even one that is not asked for.
    """
    if all_fit:
        return f"(SELECT v, true AS fits FROM {given})"
    fits = f"coalesce(len(v) = {size} AND list_count(v) = {size}, false)"
    cleaned = f"list_resize(CASE WHEN {fits} THEN v ELSE [] END, {size}, 0.0)"
    return f"(SELECT {cleaned} AS v, {fits} AS fits FROM {given})"


def _make_rows(
    connection: DuckDBPyConnection,
    relation: str,
    column: Column,
    source: FeatureSource,
    *,
    reference: bool = False,
    dates: bool = False,
) -> _Values:
    """Make the temporary table `ROWS`, with a column for each feature; rows that have none may be left out."""
    if source.kind is SourceKind.TEXT:
        return _make_text_rows(connection, relation, column, source, reference=reference)
    if source.kind is SourceKind.TIME:
        return _make_time_rows(connection, relation, column, source, dates=dates)
    return _make_vector_rows(connection, relation, column, source, reference=reference)


def _make_text_rows(
    connection: DuckDBPyConnection, relation: str, column: Column, source: FeatureSource, *, reference: bool
) -> _Values:
    if reference:
        # A row's own tokens do not make them known: as for a window, other rows must have had them often enough.
        often = f"SELECT DISTINCT h FROM frequent_tokens WHERE n > {features.LEAST_TOKEN_ROWS}"
        connection.execute(f"CREATE OR REPLACE TEMP TABLE known_tokens AS {often}")
    else:
        step = features.TOKEN_BYTES
        keys = [source.vocabulary[i : i + step].hex() for i in range(0, len(source.vocabulary), step)]
        connection.execute(
            "CREATE OR REPLACE TEMP TABLE known_tokens AS SELECT unnest(?::VARCHAR[]) AS h", [keys]
        )
    value = quote_name(column.name)
    # A row without tokens must not get lost when its tokens are made rows.
    tokens = (
        f"SELECT length({value}) AS n, {_tokens(column)} AS tokens, row_number() OVER () AS r FROM {relation}"
    )
    each = f"SELECT r, n, unnest(CASE WHEN len(tokens) > 0 THEN tokens ELSE [NULL] END) AS t FROM ({tokens})"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {ROWS} AS SELECT any_value(n)::BIGINT AS {features.LENGTH}, "
        f"CASE WHEN count(t) > 0 THEN (count(t) - count(h)) / count(t) END AS {features.UNSEEN} "
        f"FROM ({each}) LEFT JOIN known_tokens ON {_key('t')} = h GROUP BY r"
    )
    return _Values(nulls=_sql.null_count(connection, ROWS, Column(features.LENGTH, "BIGINT")))


def _make_time_rows(
    connection: DuckDBPyConnection, relation: str, column: Column, source: FeatureSource, *, dates: bool
) -> _Values:
    value = quote_name(column.name)
    if column.type == "TIMESTAMP WITH TIME ZONE":
        moment = f"timezone('UTC', {value})"
    elif is_time(column.type):
        moment = f"{value}::TIMESTAMP"
    else:
        is_zoned = f"regexp_matches({value}, {quote_text(ZONED)})"
        is_zoned = is_zoned if source.zone else f"NOT {is_zoned}"
        parsed = (
            f"timezone('UTC', TRY_CAST({value} AS TIMESTAMPTZ))"
            if source.zone
            else f"TRY_CAST({value} AS TIMESTAMP)"
        )
        moment = f"CASE WHEN regexp_matches({value}, {quote_text(ISO_DATE)}) AND {is_zoned} THEN {parsed} END"
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {ROWS} AS SELECT CASE WHEN isfinite(t) THEN strftime(t, '%H') END "
        f"AS {features.HOUR}, CASE WHEN isfinite(t) THEN dayname(t) END AS {features.WEEKDAY}, t, given "
        f"FROM (SELECT {moment} AS t, {value} IS NOT NULL AS given FROM {relation})"
    )
    # Python's calendar has no other years.
    known = "FILTER (t BETWEEN '1000-01-01' AND '9998-12-31')"
    nulls, misfits, whole, *ends = _sql.one_row(
        connection,
        f"SELECT count(*) FILTER (NOT given), count(*) FILTER (given AND t IS NULL), "
        f"coalesce(bool_and(t = date_trunc('day', t)) {known}, false), "
        f"strftime(min(t) {known}, '%Y-%m-%dT%H:%M:%S'), strftime(max(t) {known}, '%Y-%m-%dT%H:%M:%S') FROM {ROWS}",
    )
    # Days: their hours say nothing.
    characters = len("2000-01-01") if dates or whole else None
    first, last = ((end or "")[:characters] for end in ends)
    return _Values(nulls=nulls, misfits=misfits, first=first, last=last)


def _make_vector_rows(
    connection: DuckDBPyConnection, relation: str, column: Column, source: FeatureSource, *, reference: bool
) -> _Values:
    given, size = _as_vectors(relation, column), len(source.centroid)
    present, fitting, rows = _sql.one_row(
        connection,
        f"SELECT count(v), count(*) FILTER (len(v) = {size} AND list_count(v) = {size}), count(*) FROM {given}",
    )
    centroid = "[" + ", ".join(map(repr, source.centroid)) + "]::DOUBLE[]"
    # A vector is nearer to a centre that it helped to make: leaving it out moves the centre n/(n-1) times as far away.
    away = f"list_distance(v, {centroid})" + (f" * {present} / {present - 1}" if reference else "")
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {ROWS} AS SELECT CASE WHEN fits THEN sqrt(list_dot_product(v, v)) END "
        f"AS {features.NORM}, CASE WHEN fits THEN {away} END AS {features.DISTANCE} "
        f"FROM {_fitting(given, size, all_fit=fitting == rows)}"
    )
    return _Values(nulls=rows - present, misfits=present - fitting)


def _reference_feature(
    connection: DuckDBPyConnection, source: FeatureSource, feature: str, name: str, rows: int
) -> ColumnProfile:
    if source.kind is SourceKind.TIME:
        made: ColumnProfile = _sql.categorical_profile(
            connection, ROWS, Column(feature, "VARCHAR"), rows=rows, family=Family.TEXT
        )
    else:
        column = Column(feature, "BIGINT" if feature == features.LENGTH else "DOUBLE")
        unique, _ = _sql.distinct_count(connection, ROWS, column, Family.NUMBER)
        made = _sql.reference_numbers(connection, ROWS, column, rows=rows, unique=unique)
    return features.as_feature(made, source.column, feature, name)


def _window_feature(connection: DuckDBPyConnection, wanted: ColumnProfile, rows: int) -> ColumnProfile:
    assert not isinstance(wanted, OtherProfile), "a feature is a number or a category"
    column = Column(wanted.feature, wanted.type)
    made = _sql.profile_like(connection, ROWS, column, rows=rows, reference=wanted)
    return features.as_feature(made, wanted.source, wanted.feature, wanted.name)
