"""Profiles for the tests of data quality, made from plain lists."""

from __future__ import annotations

from collections import Counter

from crisplens.monitors import profiles
from crisplens.monitors.model import CategoricalProfile, Family, NumericProfile, Profile


def numbers(values, name="x", **replaced) -> NumericProfile:
    """A numeric profile with a bin for each value."""
    finite = [v for v in values if v is not None and abs(v) < float("inf")]
    return profiles.profile_numbers(name, values, profiles.exact_edges(finite), exact=True, **replaced)


def text(values, name="g", family=Family.TEXT, rest=0, type="VARCHAR") -> CategoricalProfile:
    """A categorical profile; None is a null."""
    counts = Counter(value for value in values if value is not None)
    return CategoricalProfile(
        name=name,
        type=type,
        family=family,
        rows=len(values) + rest,
        nulls=values.count(None),
        count=counts.total() + rest,
        categories=profiles.sorted_categories(counts.items()),
        rest=rest,
        n_unique=len(counts) + rest,
    )


def table(*columns, rows=None, other_columns=()) -> Profile:
    """A profile of columns."""
    counted = columns[0].rows if columns and rows is None else rows or 0
    return Profile(rows=counted, columns=columns, other_columns=other_columns)
