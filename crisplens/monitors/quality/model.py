"""Values of data quality: what a window's data must satisfy, and what breaks it. Pure; each encodes to JSON.

Shares lie between 0 and 1. No float here is NaN or infinite.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from crisplens.monitors.model import Family


class Severity(StrEnum):
    """How much a violation matters: an error makes the window's data unfit for use, a warning asks for a look."""

    ERROR = "error"
    WARNING = "warning"


class Rule(StrEnum):
    """What a violation breaks. `NOT_CHECKED` is a constraint that the facts at hand cannot decide."""

    MISSING_COLUMN = "missing-column"
    RENAMED_COLUMN = "renamed-column"
    EXTRA_COLUMN = "extra-column"
    WRONG_TYPE = "wrong-type"
    OTHER_TYPE = "other-type"
    NOT_WHOLE = "not-whole"
    NULLS = "nulls"
    NOT_FINITE = "not-finite"
    NEGATIVE = "negative"
    BELOW_MINIMUM = "below-minimum"
    ABOVE_MAXIMUM = "above-maximum"
    NEW_CATEGORIES = "new-categories"
    NOT_UNIQUE = "not-unique"
    TOO_FEW_VALUES = "too-few-values"
    TOO_MANY_VALUES = "too-many-values"
    TOO_FEW_ROWS = "too-few-rows"
    TOO_MANY_ROWS = "too-many-rows"
    STALE = "stale"
    IN_FUTURE = "in-future"
    DUPLICATES = "duplicates"
    NOT_CHECKED = "not-checked"


_WARNINGS = frozenset(
    {
        Rule.EXTRA_COLUMN,
        Rule.OTHER_TYPE,
        Rule.NOT_WHOLE,
        Rule.BELOW_MINIMUM,
        Rule.ABOVE_MAXIMUM,
        Rule.NEW_CATEGORIES,
        Rule.TOO_FEW_VALUES,
        Rule.TOO_MANY_VALUES,
        Rule.TOO_MANY_ROWS,
        Rule.IN_FUTURE,
        Rule.NOT_CHECKED,
    }
)
# A rule's severity where the constraints say nothing else.
SEVERITIES = {rule: Severity.WARNING if rule in _WARNINGS else Severity.ERROR for rule in Rule}


class ConstraintPart(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True):
    """Base of the parts of constraints: fields are written with dashes, and none is ignored."""


class ColumnConstraint(ConstraintPart, frozen=True, kw_only=True):
    """What one column must satisfy; what is None or at its default demands nothing.

    `family` is what its values are, `type` the exact name of DuckDB's type, `whole` that numbers have no fraction.
    `most_misfits` is the share of values that may be of another family, where that is counted.
    `most_nulls` is a share of rows, `most_not_finite` the share of rows with NaN or an infinity.
    `most_outside` is the share of values that may be none of `categories`.
    `unique` demands that no value comes twice; `least_unique` and `most_unique` bound the number of distinct values.
    """

    column: str
    required: bool = True
    family: Family | None = None
    type: str | None = None
    whole: bool = False
    most_misfits: float = 0.0
    most_nulls: float | None = None
    most_not_finite: float | None = None
    non_negative: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[str, ...] | None = None
    most_outside: float = 0.0
    unique: bool = False
    least_unique: int | None = None
    most_unique: int | None = None


class Volume(ConstraintPart, frozen=True, kw_only=True):
    """How many rows a window has: counts, and multiples of the rows of the reference."""

    least: int | None = None
    most: int | None = None
    least_of_reference: float | None = None
    most_of_reference: float | None = None


class Freshness(ConstraintPart, frozen=True, kw_only=True):
    """How old, in hours, the newest value of a column of times may be when the window is judged."""

    column: str
    most_hours: float


class Duplicates(ConstraintPart, frozen=True, kw_only=True):
    """The share of rows that may repeat an earlier one in these columns; no columns means all of them."""

    columns: tuple[str, ...] = ()
    most: float = 0.0


class Constraints(ConstraintPart, frozen=True, kw_only=True):
    """What the data of every window must satisfy. `severities` replaces the severity of a rule."""

    version: int = 1
    columns: tuple[ColumnConstraint, ...] = ()
    extra_columns: bool = False
    volume: Volume | None = None
    freshness: Freshness | None = None
    duplicates: Duplicates | None = None
    severities: dict[Rule, Severity] = {}


class Violation(msgspec.Struct, frozen=True, kw_only=True):
    """A constraint that a window breaks; `column` is None when it is about the window as a whole.

    `observed` and `allowed` are the two values that were compared, `reason` says it in one plain sentence.
    """

    column: str | None
    rule: Rule
    observed: float | int | str | None
    allowed: float | int | str | None
    reason: str
    severity: Severity
