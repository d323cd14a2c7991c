"""The embedded engine: DuckDB profiles the window in one scan, and two small profiles are compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from crisplens.core.errors import InputError
from crisplens.core.names import unknown_name
from crisplens.monitors import profiles, scores
from crisplens.monitors.engines import _columns, _sql
from crisplens.monitors.engines._reading import each_column, opened
from crisplens.monitors.engines.interface import EngineResult, Reference, Rows, Slice
from crisplens.monitors.model import (
    CategoricalProfile,
    CheckSettings,
    ColumnProfile,
    Family,
    NumericProfile,
    OtherProfile,
    Profile,
)
from crisplens.registry.data.tabular import Column, Table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Evidently takes whole numbers with at most so many distinct values for categories.
MOST_WHOLE_CATEGORIES = 10


class DuckdbEngine:
    """Compares profiles; only the window is read."""

    name = "duckdb"

    def check_settings(self, reference: Profile, settings: CheckSettings) -> tuple[str, ...]:
        """The columns to watch; see `Engine.check_settings`."""
        watched = _columns.watched_columns(reference, settings, scores.METHODS)
        _check_kinds(reference, settings)
        return watched

    def check(self, reference: Reference, current: Rows, settings: CheckSettings) -> EngineResult:
        """Compare `current` with the reference's profile; see `Engine.check`."""
        watched = self.check_settings(reference.profile, settings)
        window = profile_rows(current, reference.profile, watched)
        pairs, checks = _columns.pair_up(reference.profile, window, watched, settings)
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
        result = _columns.result(self.name, reference.profile, window, watched, pairs, checks, settings)
        return EngineResult(check=result, current_profile=window)


def profile_reference(table: Table, columns: Sequence[str] = ()) -> Profile:
    """The profile that windows are compared with: of all columns, or of those named.

    The bins are placed here: one per distinct number when there are few, at quantiles otherwise.
    Raises `InputError` for a column that the table does not have, and for a table without rows.
    """
    with opened(table) as (connection, relation, found):
        by_name = {column.name: column for column in found}
        for name in columns:
            if name not in by_name:
                raise unknown_name("column", name, by_name)
        chosen = tuple(dict.fromkeys(columns)) or tuple(by_name)
        rows = _sql.row_count(connection, relation)
        if rows == 0:
            raise InputError(f"{table.pattern} has no rows to compare windows with", slug="no-rows")
        profiled = each_column(
            connection, chosen, lambda cursor, name: _profile_column(cursor, relation, by_name[name], rows)
        )
    return Profile(rows=rows, columns=profiled, other_columns=tuple(n for n in by_name if n not in chosen))


def profile_rows(rows: Rows, reference: Profile, columns: Sequence[str] = ()) -> Profile:
    """The profile of a window's rows on the reference's edges, made in the fastest way that there is for them."""
    from crisplens.monitors.engines import arrow_engine

    if rows.only is None and arrow_engine.applies(rows.table) and arrow_engine.pays(rows.table):
        return arrow_engine.profile_current(rows.table, reference, columns)
    return profile_current(rows.table, reference, columns, only=rows.only)


def profile_current(
    table: Table, reference: Profile, columns: Sequence[str] = (), *, only: Slice | None = None
) -> Profile:
    """The window's profile on the reference's edges; columns that the window lacks are left out of it."""
    watched = [column for column in reference.columns if not columns or column.name in columns]
    # A CSV window whose text happens to look like numbers is still text.
    text = [c.name for c in watched if isinstance(c, CategoricalProfile) and c.family is Family.TEXT]
    names = [column.name for column in watched]
    types = {column.name: column.type for column in watched}
    with opened(table, text=text, needed=names, expected=types, only=only) as (connection, relation, found):
        by_name = {column.name: column for column in found}
        rows = _sql.row_count(connection, relation)
        present = [column for column in watched if column.name in by_name]
        profiled = each_column(
            connection, present, lambda cursor, c: _profile_like(cursor, relation, by_name[c.name], rows, c)
        )
    others = tuple(name for name in by_name if name not in {column.name for column in present})
    return Profile(rows=rows, columns=profiled, other_columns=others)


def _profile_column(
    connection: DuckDBPyConnection, relation: str, column: Column, rows: int
) -> ColumnProfile:
    family = _sql.family_of(column.type)
    if family is Family.OTHER:
        return OtherProfile(
            name=column.name,
            type=column.type,
            family=family,
            rows=rows,
            nulls=_sql.null_count(connection, relation, column),
            reason=f"Columns of type {column.type} cannot be compared: only numbers, text and booleans can.",
        )
    unique, present = _sql.distinct_count(connection, relation, column, family)
    whole = _sql.is_integer(column.type)
    if family is Family.NUMBER and not (whole and unique <= MOST_WHOLE_CATEGORIES):
        edges, exact = _sql.reference_edges(connection, relation, column, unique)
        return _sql.numeric_profile(
            connection,
            relation,
            column,
            rows=rows,
            edges=edges,
            exact=exact,
            unique=unique,
            keep_values=unique <= profiles.FEW_VALUES,
        )
    if family is Family.TEXT and unique > present * 0.5 and present >= 2:
        return OtherProfile(
            name=column.name,
            type=column.type,
            family=family,
            rows=rows,
            nulls=rows - present,
            reason=f"{unique} of {present} values differ: identifiers and free text cannot be compared.",
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
            reason = f"{misfits} of {rows - nulls} values are not numbers, but the reference's are."
        return OtherProfile(
            name=column.name,
            type=column.type,
            family=family,
            rows=rows,
            nulls=nulls,
            reason=reason,
            misfits=misfits,
        )
    if isinstance(reference, NumericProfile):
        return _sql.numeric_profile(
            connection,
            relation,
            column,
            rows=rows,
            edges=reference.edges,
            exact=reference.exact,
            keep_values=reference.values is not None,
        )
    wanted = [category.value for category in reference.categories]
    return _sql.categorical_profile(connection, relation, column, rows=rows, family=family, wanted=wanted)


def _expected_family(reference: ColumnProfile) -> Family:
    return Family.NUMBER if isinstance(reference, NumericProfile) else reference.family


def _check_kinds(reference: Profile, settings: CheckSettings) -> None:
    kinds = {column.name: _columns.kind_of(column) for column in reference.columns}
    for name, method in settings.methods.items():
        kind = kinds[name]
        if kind is not None and kind not in scores.METHODS[method].kinds:
            usable = sorted(known.name for known in scores.METHODS.values() if kind in known.kinds)
            raise InputError(
                f"the method {method} is not for {kind.value} columns such as {name!r}",
                slug="wrong-method",
                hint=f"Methods for {kind.value} columns: {', '.join(usable)}.",
            )
