"""Segments of a table: which groups of rows are looked at by themselves, and what they are called. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from crisplens.core.errors import InputError
from crisplens.monitors.model import CheckSettings

# Of one set of columns; more would say little of each, and take as many queries.
MOST_SEGMENTS = 50
# Columns of all segments together.
MOST_COMPARED = 5000
MOST_CHARACTERS = 100


def in_words(segment: Mapping[str, str | None]) -> str:
    """A segment as people write it."""
    return " and ".join(f"{name} = {'null' if value is None else value}" for name, value in segment.items())


def segment_name(where: Mapping[str, str], taken: Collection[str]) -> str:
    """What the rows with these values are called, other than the names that are `taken`."""
    words = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in in_words(where))
    name, more = words[:MOST_CHARACTERS], 2
    while name in taken:
        name, more = f"{words[:MOST_CHARACTERS]}, {more}", more + 1
    return name


def check_segments(given: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    """Sets of columns, each once. Raises `InputError` for an empty name, and for a column twice in a set."""
    for one in given:
        if isinstance(one, str) or not one or not all(one) or len(set(one)) < len(one):
            raise InputError(
                f"the segments {','.join(one)[:60]!r} are not one or more different columns",
                slug="bad-setting",
                hint="Such as region, or region,plan for those of both together.",
            )
    return tuple({frozenset(one): tuple(one) for one in reversed(given)}.values())[::-1]


def refuse_segments(settings: CheckSettings, engine: str) -> None:
    """Raise `InputError` for segments, from an engine that cannot tell them apart."""
    if settings.segments:
        raise InputError(
            f"the {engine} engine does not compare segments",
            slug="bad-setting",
            hint="Use --engine duckdb, or add a monitor without --segment.",
        )


def check_compared(columns: int, segments: int) -> None:
    """Raise `InputError` when so many columns in so many segments are more than a check takes."""
    if columns * segments > MOST_COMPARED:
        raise InputError(
            f"{columns} columns in {segments} segments are {columns * segments:,} comparisons, more than "
            f"{MOST_COMPARED:,}",
            slug="too-many-segments",
            hint="Name the columns that matter with --column, or fewer segments.",
        )


def check_count(columns: Sequence[str], found: int) -> None:
    """Raise `InputError` when a set of columns makes too many segments, or none."""
    what = ", ".join(columns)
    if found > MOST_SEGMENTS:
        raise InputError(
            f"{what} would make more than {MOST_SEGMENTS} segments",
            slug="too-many-segments",
            hint="Choose a column of fewer values, or put them in groups.",
        )
    if not found:
        raise InputError(
            f"no segment of {what} has enough rows in the reference",
            slug="bad-setting",
            hint="A segment has at least as many rows as --minimum-rows says.",
        )
