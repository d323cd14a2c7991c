"""What in one column's profile breaks its constraint. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crisplens.core.text import count
from crisplens.monitors.model import (
    CategoricalProfile,
    Category,
    ColumnProfile,
    Family,
    NumericProfile,
    OtherProfile,
)
from crisplens.monitors.quality.model import ColumnConstraint, Constraints, Rule, Violation
from crisplens.monitors.quality.violations import MOST_NAMED, at_most, is_above, part_of, short, violation

_FAMILIES = {
    Family.NUMBER: "numbers",
    Family.TEXT: "text",
    Family.BOOLEAN: "booleans",
    Family.OTHER: "neither numbers, text nor booleans",
}

Found = Iterator[Violation]


@dataclass(frozen=True)
class Column:
    """A column under judgement; `error` is its share of the luck that is allowed for."""

    constraint: ColumnConstraint
    profile: ColumnProfile
    constraints: Constraints
    error: float

    @property
    def present(self) -> int:
        """How many values there are, NaN and infinities among them."""
        return self.profile.rows - self.profile.nulls

    def broken(
        self, rule: Rule, reason: str, observed: float | str | None = None, allowed: float | str | None = None
    ) -> Violation:
        """A violation of this column's."""
        return violation(self.constraints, rule, reason, observed, allowed, column=self.constraint.column)

    def not_checked(self, what: str, why: str) -> Violation:
        """A demand that the profile cannot decide."""
        return self.broken(Rule.NOT_CHECKED, f"{what} of {self.name} was not checked: {why}.")

    @property
    def name(self) -> str:
        """The column's name for people."""
        return short(self.constraint.column)


def judge_column(column: Column) -> Found:
    """What breaks the constraint of a column that the window has."""
    yield from _nulls(column)
    # Without a value there is no type, and nothing else to judge.
    if not column.present:
        return
    wrong = [*_type(column)]
    yield from wrong
    if wrong and wrong[0].rule is Rule.WRONG_TYPE:
        return
    yield from _not_finite(column)
    yield from _numbers(column)
    yield from _categories(column)
    yield from _distinct(column)


def _nulls(column: Column) -> Found:
    nulls, rows, most = column.profile.nulls, column.profile.rows, column.constraint.most_nulls
    if most is not None and is_above(nulls, rows, most, column.error):
        reason = f"{part_of(nulls, rows, 'values')} of {column.name} are null; {at_most(most)}."
        yield column.broken(Rule.NULLS, reason, nulls / rows, most)


def _type(column: Column) -> Found:
    profile, wanted = column.profile, column.constraint
    family = Family.NUMBER if isinstance(profile, NumericProfile) else profile.family
    if wanted.family is not None and family is not wanted.family:
        misfits = profile.misfits if isinstance(profile, OtherProfile) else None
        said = (
            f"{column.name} holds {_FAMILIES[family]} ({short(profile.type)}), not {_FAMILIES[wanted.family]}"
        )
        if misfits is None:
            yield column.broken(Rule.WRONG_TYPE, f"{said}.", family.value, wanted.family.value)
        elif is_above(misfits, column.present, wanted.most_misfits, column.error):
            reason = f"{said}: {part_of(misfits, column.present, 'values')} do not fit; {at_most(wanted.most_misfits)}."
            yield column.broken(Rule.WRONG_TYPE, reason, misfits / column.present, wanted.most_misfits)
        else:
            yield column.broken(Rule.OTHER_TYPE, f"{said}.", family.value, wanted.family.value)
    elif wanted.type is not None and profile.type != wanted.type:
        reason = f"{column.name} is of type {short(profile.type)}, not {short(wanted.type)}."
        yield column.broken(Rule.OTHER_TYPE, reason, profile.type[:200], wanted.type)
    elif wanted.whole and _is_whole(profile) is False:
        reason = (
            f"{column.name} holds numbers with a fraction ({short(profile.type)}), not whole numbers only."
        )
        yield column.broken(Rule.NOT_WHOLE, reason, profile.type[:200], "whole")


def _is_whole(profile: ColumnProfile) -> bool | None:
    """Whether the numbers are whole; None when that is not known."""
    if isinstance(profile, NumericProfile):
        if profile.integer:
            return True
        if profile.values is not None:
            return all(item.value.is_integer() for item in profile.values)
        # Whole numbers beside NaN or infinities are stored as floats.
        return None if profile.nans or profile.infinities else False
    if isinstance(profile, CategoricalProfile) and profile.family is Family.NUMBER:
        return all(_number(item).is_integer() for item in profile.categories)
    return None


def _not_finite(column: Column) -> Found:
    most, profile = column.constraint.most_not_finite, column.profile
    if most is None or not isinstance(profile, NumericProfile):
        return
    odd = profile.nans + profile.infinities
    if is_above(odd, profile.rows, most, column.error):
        reason = (
            f"{part_of(odd, profile.rows, 'values')} of {column.name} are NaN or infinite; {at_most(most)}."
        )
        yield column.broken(Rule.NOT_FINITE, reason, odd / profile.rows, most)


def _numbers(column: Column) -> Found:
    wanted = column.constraint
    if wanted.minimum is None and wanted.maximum is None and not wanted.non_negative:
        return
    least, most = _ends(column.profile)
    if least is None or most is None:
        if _is_numeric(column.profile):
            return
        yield column.not_checked("The range", "its values are no numbers")
        return
    if wanted.non_negative and least < 0:
        reason = f"{column.name} goes down to {least:g}; it is never negative."
        yield column.broken(Rule.NEGATIVE, reason, least, 0.0)
    elif wanted.minimum is not None and least < wanted.minimum:
        reason = f"{column.name} goes down to {least:g}; at least {wanted.minimum:g} is expected."
        yield column.broken(Rule.BELOW_MINIMUM, reason, least, wanted.minimum)
    if wanted.maximum is not None and most > wanted.maximum:
        reason = f"{column.name} goes up to {most:g}; at most {wanted.maximum:g} is expected."
        yield column.broken(Rule.ABOVE_MAXIMUM, reason, most, wanted.maximum)


def _is_numeric(profile: ColumnProfile) -> bool:
    return isinstance(profile, NumericProfile) or (
        isinstance(profile, CategoricalProfile) and profile.family is Family.NUMBER
    )


def _ends(profile: ColumnProfile) -> tuple[float | None, float | None]:
    if isinstance(profile, NumericProfile):
        return profile.minimum, profile.maximum
    if isinstance(profile, CategoricalProfile) and profile.family is Family.NUMBER:
        numbers = [_number(item) for item in profile.categories]
        return min(numbers, default=None), max(numbers, default=None)
    return None, None


def _number(category: Category) -> float:
    return float(category.value)


def _categories(column: Column) -> Found:
    allowed = column.constraint.categories
    if allowed is None:
        return
    listed = _listed(column.profile)
    if listed is None:
        yield column.not_checked("The domain", "its values were not counted one by one")
        return
    known = set(allowed)
    new = sorted((item for item in listed if item.value not in known), key=lambda item: -item.count)
    outside = sum(item.count for item in new) + _unlisted(column.profile, listed, known)
    values = column.present
    if is_above(outside, values, column.constraint.most_outside, column.error):
        shown = ", ".join(f"{short(item.value)} ({item.count:,})" for item in new[:MOST_NAMED])
        more = f" and {len(new) - MOST_NAMED:,} more" if len(new) > MOST_NAMED else ""
        reason = (
            f"{part_of(outside, values, 'values')} of {column.name} are in no known category"
            f"{f': {shown}{more}' if shown else ''}; {at_most(column.constraint.most_outside)}."
        )
        yield column.broken(Rule.NEW_CATEGORIES, reason, outside / values, column.constraint.most_outside)


def _listed(profile: ColumnProfile) -> tuple[Category, ...] | None:
    if isinstance(profile, CategoricalProfile):
        return profile.categories
    if isinstance(profile, NumericProfile) and profile.values is not None:
        # As DuckDB's engine writes numbers as categories: 1 and 1.0 are one.
        return tuple(
            Category(
                value=str(int(item.value)) if item.value.is_integer() else repr(item.value), count=item.count
            )
            for item in profile.values
        )
    return None


def _unlisted(profile: ColumnProfile, listed: Sequence[Category], known: set[str]) -> int:
    """How many values that are not listed are certainly in no known category."""
    if not isinstance(profile, CategoricalProfile) or not profile.rest:
        return 0
    # A known category that is not listed may be among the rest, but is rarer than any listed one.
    hidden = len(known - {item.value for item in listed})
    return max(0, profile.rest - hidden * min(item.count for item in listed)) if listed else 0


def _distinct(column: Column) -> Found:
    wanted, profile = column.constraint, column.profile
    if not wanted.unique and wanted.least_unique is None and wanted.most_unique is None:
        return
    if isinstance(profile, OtherProfile) or profile.n_unique is None:
        yield column.not_checked("The number of distinct values", "they were not counted")
        return
    distinct, values = profile.n_unique, profile.count
    counted = count(distinct, "distinct value")
    if wanted.unique and distinct < values:
        reason = f"{column.name} has {counted} among {values:,}; none should come twice."
        yield column.broken(Rule.NOT_UNIQUE, reason, distinct, values)
    if wanted.least_unique is not None and distinct < wanted.least_unique:
        reason = f"{column.name} has {counted}; at least {wanted.least_unique:,} are expected."
        yield column.broken(Rule.TOO_FEW_VALUES, reason, distinct, wanted.least_unique)
    if wanted.most_unique is not None and distinct > wanted.most_unique:
        reason = f"{column.name} has {counted}; at most {wanted.most_unique:,} are expected."
        yield column.broken(Rule.TOO_MANY_VALUES, reason, distinct, wanted.most_unique)
