"""The pushed-down engine: windows are profiled where they are, by PostgreSQL, Spark or what else ibis speaks to."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors import features, profiles
from crisplens.monitors.engines import _comparing, _ibis, _ibis_categories, _ibis_numbers, _sql, _wide
from crisplens.monitors.engines._ibis_opening import is_remote, opened_remote
from crisplens.monitors.engines.duckdb_engine import MOST_WHOLE_CATEGORIES, DuckdbEngine
from crisplens.monitors.engines.interface import EngineResult, Reference, Rows, RowSlice, Slice
from crisplens.monitors.model import (
    CategoricalProfile,
    CheckSettings,
    ColumnProfile,
    Family,
    NumericProfile,
    OtherProfile,
    Profile,
)
from crisplens.monitors.segments import refuse_segments
from crisplens.registry.data.tabular import Column

if TYPE_CHECKING:
    import ibis.expr.types as ir

__all__ = [
    "IbisEngine",
    "count_duplicates",
    "count_rows",
    "is_remote",
    "opened_remote",
    "profile_identity",
    "profile_like",
    "profile_table",
    "sliced",
    "text_columns",
    "time_extent",
]


class IbisEngine:
    """Compares profiles; the window is profiled where it is, and only groups of its rows travel."""

    name = "ibis"

    def check_settings(self, reference: Profile, settings: CheckSettings) -> tuple[str, ...]:
        """The columns to watch; see `Engine.check_settings`. Exact scores would need the rows here: `InputError`."""
        if settings.exact:
            raise InputError(
                "the ibis engine scores from profiles, and exact scores need every row",
                slug="bad-setting",
                hint="Leave --exact out, or use --engine duckdb.",
            )
        refuse_segments(settings, self.name)
        return DuckdbEngine().check_settings(*features.without_features(reference, settings))

    def check(self, reference: Reference, current: Rows, settings: CheckSettings) -> EngineResult:
        """Compare the table `current.remote`, or its slice, with the reference's profile; see `Engine.check`."""
        if current.remote is None:
            raise InputError(
                f"the ibis engine reads tables where they are, and {current.table.pattern} is a file",
                slug="bad-source",
                hint="Use --engine duckdb, or name a table of PostgreSQL or Spark.",
            )
        return self.check_table(reference, sliced(current.remote, current.only), settings)

    def check_table(self, reference: Reference, table: ir.Table, settings: CheckSettings) -> EngineResult:
        """Compare a table of ibis with the reference's profile."""
        watched = self.check_settings(reference.profile, settings)
        profile, settings = features.without_features(reference.profile, settings)
        window = profile_like(table, profile, watched)
        result = _comparing.compare(self.name, profile, window, watched, settings)
        return EngineResult(check=result, current_profile=window)


def profile_table(table: ir.Table, columns: Sequence[str] = ()) -> Profile:
    """The profile that windows are compared with, as `duckdb_engine.profile_reference` makes it of the same rows.

    But for features: free text, times and embeddings are not compared. Raises `InputError` for a column that the
    table does not have, and for a table without rows.
    """
    by_name = _ibis.columns_of(table)
    for name in columns:
        if name not in by_name:
            raise unknown_name("column", name, by_name)
    chosen = tuple(dict.fromkeys(columns)) or tuple(by_name)
    uncompared = [name for name in chosen if _sql.family_of(by_name[name].type) is Family.OTHER]
    rows, present, _ = _ibis.count_present(table, uncompared)
    if rows == 0:
        raise InputError("the table has no rows to compare windows with", slug="no-rows")
    profiled = tuple(
        _uncompared(by_name[name], rows, present[name])
        if name in present
        else _profile_column(table, by_name[name], rows, _wide.exact_values(len(chosen)))
        for name in chosen
    )
    return Profile(rows=rows, columns=profiled, other_columns=tuple(n for n in by_name if n not in chosen))


def profile_like(table: ir.Table, reference: Profile, columns: Sequence[str] = ()) -> Profile:
    """The window's profile on the reference's edges; columns that the window lacks are left out of it.

    As `duckdb_engine.profile_current` makes it of the same rows; the mean and `m2` may differ by rounding, and there
    are no features.
    """
    by_name = _ibis.columns_of(table)
    watched = [
        column
        for column in reference.columns
        if not features.source_of(column) and (not columns or column.name in columns)
    ]
    there = [column for column in watched if column.name in by_name]
    misfits = [column for column in there if not _fits(by_name[column.name], column)]
    texts = [c.name for c in misfits if _expects_numbers(c) and by_name[c.name].type == "VARCHAR"]
    rows, present, not_numbers = _ibis.count_present(table, [column.name for column in misfits], texts)
    profiled = tuple(
        _misfit(by_name[column.name], column, rows, present[column.name], not_numbers.get(column.name))
        if column.name in present
        else _profile_like(table, by_name[column.name], rows, column)
        for column in there
    )
    names = {column.name for column in there}
    return Profile(rows=rows, columns=profiled, other_columns=tuple(n for n in by_name if n not in names))


def text_columns(reference: Profile) -> tuple[str, ...]:
    """The columns whose values stay text whatever they look like; see `opened_remote`."""
    return tuple(
        column.name
        for column in reference.columns
        if isinstance(column, CategoricalProfile) and column.family is Family.TEXT
    )


def profile_identity(profile: Profile) -> tuple[str, int]:
    """What tells a window from others that was read where it is: the digest of its profile's counts, and their bytes.

    The digest (`sha256:` and hexadecimal) leaves out means and `m2`, which depend on the order in which a database
    adds: the same rows have the same digest. Other rows with the same profile have it too.
    """
    columns = tuple(
        msgspec.structs.replace(column, mean=None, m2=None) if isinstance(column, NumericProfile) else column
        for column in profile.columns
    )
    content = msgspec.json.encode(msgspec.structs.replace(profile, columns=columns))
    return f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)


def sliced(table: ir.Table, only: Slice | None) -> ir.Table:
    """The rows of a slice, as a filter that the database applies.

    Raises `InputError` for a slice by row numbers, as these rows have no order; when the time column is not there,
    or holds no times.
    """
    if only is None:
        return table
    if isinstance(only, RowSlice):
        raise InputError(
            "windows of so many rows need an order, and a table of a database has none",
            slug="bad-window",
            hint="Use windows of time: --window 1d --time-column NAME.",
        )
    value, zone = _time_of(table, only.column, only.zone)
    start, end = (_bound(moment, zone) for moment in (only.start, only.end))
    return table.filter(value >= start, value < end)


def time_extent(table: ir.Table, column: str, zone: str = "UTC") -> tuple[datetime, datetime] | None:
    """The earliest and the latest time in a column, in UTC; None when it holds none.

    Times without a zone are those of `zone`. Raises `InputError` when the column is not there or holds no times.
    """
    value, naive = _time_of(table, column, zone)
    found = _ibis.fetch_ends(table, value)
    if found is None:
        return None
    first, last = (moment if naive is None else moment.replace(tzinfo=ZoneInfo(naive)) for moment in found)
    return first.astimezone(UTC), last.astimezone(UTC)


def count_rows(table: ir.Table) -> int:
    """How many rows a table has."""
    return _ibis.count_present(table, ())[0]


def count_duplicates(table: ir.Table, columns: Sequence[str] = ()) -> int:
    """How many rows repeat another one in these columns; in all when none is named."""
    chosen = table.select(*(columns or table.columns))
    return count_rows(table) - count_rows(chosen.distinct())


def _profile_column(table: ir.Table, column: Column, rows: int, most_exact: int) -> ColumnProfile:
    family, whole = _sql.family_of(column.type), _sql.is_integer(column.type)
    if family is Family.NUMBER:
        found = _ibis_numbers.value_counts(table, column.name)
        if found is None or len(found.values) > max(most_exact, MOST_WHOLE_CATEGORIES):
            edges, unique = _ibis_numbers.reference_edges(table, column.name)
            return _ibis_numbers.binned_profile(
                table, column, rows=rows, edges=edges, exact=False, unique=unique
            )
        if not (whole and len(found.values) <= MOST_WHOLE_CATEGORIES):
            return _ibis_numbers.few_numbers_profile(
                column,
                found,
                rows=rows,
                edges=profiles.exact_edges(item.value for item in found.values),
                exact=True,
                keep_values=len(found.values) <= profiles.FEW_VALUES,
            )
    profile = _ibis_categories.categorical_profile(table, column, rows=rows, family=family)
    if family is Family.TEXT and profile.n_unique > profile.count * 0.5 and profile.count >= 2:
        reason = (
            f"{profile.n_unique} of {profile.count} values differ: "
            "identifiers and free text cannot be compared."
        )
        return OtherProfile(
            name=column.name, type=column.type, family=family, rows=rows, nulls=profile.nulls, reason=reason
        )
    return profile


def _profile_like(table: ir.Table, column: Column, rows: int, reference: ColumnProfile) -> ColumnProfile:
    if isinstance(reference, NumericProfile):
        if reference.exact or reference.values is not None:
            found = _ibis_numbers.value_counts(table, column.name)
            if found is not None:
                return _ibis_numbers.few_numbers_profile(
                    column,
                    found,
                    rows=rows,
                    edges=reference.edges,
                    exact=reference.exact,
                    keep_values=reference.values is not None,
                )
        return _ibis_numbers.binned_profile(
            table, column, rows=rows, edges=reference.edges, exact=reference.exact
        )
    assert isinstance(reference, CategoricalProfile), "other columns are not compared"
    wanted = [category.value for category in reference.categories]
    return _ibis_categories.categorical_profile(
        table, column, rows=rows, family=reference.family, wanted=wanted
    )


def _uncompared(column: Column, rows: int, present: int) -> OtherProfile:
    return OtherProfile(
        name=column.name,
        type=column.type,
        family=Family.OTHER,
        rows=rows,
        nulls=rows - present,
        reason=f"Columns of type {column.type} cannot be compared: only numbers, text and booleans can.",
    )


def _misfit(
    column: Column, reference: ColumnProfile, rows: int, present: int, not_numbers: int | None
) -> OtherProfile:
    reason = f"The window has type {column.type}, the reference {reference.type}."
    if not_numbers is not None:
        reason = features.not_numbers_reason(not_numbers, present)
    return OtherProfile(
        name=column.name,
        type=column.type,
        family=_sql.family_of(column.type),
        rows=rows,
        nulls=rows - present,
        reason=reason,
        misfits=not_numbers,
    )


def _fits(column: Column, reference: ColumnProfile) -> bool:
    if isinstance(reference, OtherProfile):
        return False
    expected = Family.NUMBER if isinstance(reference, NumericProfile) else reference.family
    return _sql.family_of(column.type) is expected


def _expects_numbers(reference: ColumnProfile) -> bool:
    return isinstance(reference, NumericProfile) or reference.family is Family.NUMBER


def _time_of(table: ir.Table, name: str, zone: str) -> tuple[Any, str | None]:
    """A column's times, and the zone that they are in when they do not say so themselves."""
    types = _ibis.type_names(table)
    if name not in types:
        raise unknown_name("time column", name, types)
    column = table[name]
    if types[name].startswith("TIMESTAMP"):
        return column, None if types[name].endswith("ZONE") else zone
    if types[name] == "DATE":
        return column.cast("timestamp"), zone
    raise InputError(
        f"the time column {name!r} holds {types[name]}, not times",
        slug="bad-window",
        hint="Accepted: timestamps and dates. Text can be cast in a query: #SELECT at::timestamptz AS at, ... FROM t.",
    )


def _bound(moment: datetime, zone: str | None) -> Any:
    import ibis

    if zone is None:
        return ibis.literal(moment.astimezone(UTC))
    return ibis.literal(moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None))
