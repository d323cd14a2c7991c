"""What breaks constraints, through `judge`: one behaviour a test."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from crisplens.core.errors import InputError
from crisplens.monitors.model import Category, Family, OtherProfile, Profile
from crisplens.monitors.quality.judge import ERROR, judge
from crisplens.monitors.quality.model import (
    SEVERITIES,
    ColumnConstraint,
    Constraints,
    Duplicates,
    Freshness,
    Rule,
    Severity,
    Violation,
    Volume,
)
from tests.monitors.quality.made import numbers, table, text

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def found(window: Profile, *columns: ColumnConstraint, **demands) -> list[tuple[str | None, str]]:
    """The columns and rules that a window breaks."""
    facts = {
        key: demands.pop(key)
        for key in ("reference_rows", "now", "newest", "duplicates_seen")
        if key in demands
    }
    facts = {key.removesuffix("_seen"): value for key, value in facts.items()}
    violations = judge(Constraints(columns=columns, **demands), window, **facts)
    assert msgspec.json.decode(msgspec.json.encode(violations), type=tuple[Violation, ...]) == violations
    assert all(violation.reason.endswith(".") for violation in violations)
    return [(violation.column, violation.rule.value) for violation in violations]


def the_one(window: Profile, *columns: ColumnConstraint, **demands) -> Violation:
    """The one violation that there is."""
    (violation,) = judge(Constraints(columns=columns, **demands), window)
    return violation


def test_nothing_is_demanded_and_nothing_broken():
    assert found(table(numbers([1.0])), ColumnConstraint(column="x")) == []
    assert found(table()) == []


# The schema


def test_a_missing_column_is_an_error_unless_it_is_optional():
    violation = the_one(
        table(numbers([1.0])), ColumnConstraint(column="x"), ColumnConstraint(column="income")
    )
    assert violation.severity is Severity.ERROR
    assert violation.reason == "income is missing."
    optional = ColumnConstraint(column="income", required=False, family=Family.NUMBER)
    assert found(table(numbers([1.0])), ColumnConstraint(column="x"), optional) == []


def test_an_extra_column_is_a_warning_unless_it_is_allowed():
    window = table(numbers([1.0]), other_columns=("note",))
    violation = the_one(window, ColumnConstraint(column="x"))
    assert (violation.rule, violation.severity) == (Rule.EXTRA_COLUMN, Severity.WARNING)
    assert found(window, ColumnConstraint(column="x"), extra_columns=True) == []


@pytest.mark.parametrize(
    ("old", "new"), [("Age", "age"), ("customer_id", "customerid"), ("income", "incomes")]
)
def test_a_column_that_is_missing_beside_an_unknown_one_of_like_name_is_told_as_renamed(old, new):
    window = table(numbers([1.0]), other_columns=(new, "zzz"))
    constraints = (ColumnConstraint(column="x"), ColumnConstraint(column=old))
    assert found(window, *constraints) == [(old, "renamed-column"), ("zzz", "extra-column")]
    assert new in judge(Constraints(columns=constraints), window)[0].reason


def test_one_unknown_column_is_the_new_name_of_one_missing_column_only():
    window = table(other_columns=("price_eur",))
    columns = (ColumnConstraint(column="price_eu"), ColumnConstraint(column="price"))
    assert found(window, *columns) == [("price_eu", "renamed-column"), ("price", "missing-column")]


def test_another_table_altogether_is_judged_without_comparing_all_names():
    window = table(other_columns=tuple(f"measured_{i}" for i in range(5000)))
    broken = found(window, *(ColumnConstraint(column=f"measure_{i}") for i in range(5000)))
    assert {rule for _, rule in broken} == {"missing-column", "extra-column"}


def test_a_column_that_was_not_profiled_is_present_but_not_checked():
    window = table(other_columns=("x",), rows=5)
    assert found(window, ColumnConstraint(column="x")) == []
    assert found(window, ColumnConstraint(column="x", minimum=0)) == [("x", "not-checked")]


# Types


def test_text_where_numbers_are_expected_is_a_wrong_type_and_nothing_else_is_judged():
    wanted = ColumnConstraint(column="g", family=Family.NUMBER, minimum=0, categories=("1",), unique=True)
    violation = the_one(table(text(["a", "b"])), wanted)
    assert violation.rule is Rule.WRONG_TYPE
    assert violation.reason == "g holds text (VARCHAR), not numbers."
    assert (violation.observed, violation.allowed) == ("text", "number")


def misfitting(misfits: int, rows: int = 1000) -> Profile:
    return table(
        OtherProfile(name="x", type="VARCHAR", family=Family.TEXT, rows=rows, nulls=0, misfits=misfits)
    )


def test_values_that_do_not_fit_the_type_are_counted_against_their_share():
    wanted = ColumnConstraint(column="x", family=Family.NUMBER)
    assert "1 of 1,000 values (0.1 %) do not fit; none may be." in the_one(misfitting(1), wanted).reason
    loose = msgspec.structs.replace(wanted, most_misfits=0.02)
    assert found(misfitting(25), loose) == [("x", "other-type")]
    assert found(misfitting(60), loose) == [("x", "wrong-type")]


def test_numbers_kept_as_text_are_another_type_though_each_of_them_fits():
    violation = the_one(misfitting(0), ColumnConstraint(column="x", family=Family.NUMBER))
    assert (violation.rule, violation.severity) == (Rule.OTHER_TYPE, Severity.WARNING)


def test_a_date_that_becomes_a_timestamp_is_another_type():
    window = table(OtherProfile(name="d", type="TIMESTAMP", family=Family.OTHER, rows=3, nulls=0))
    assert found(window, ColumnConstraint(column="d", family=Family.OTHER, type="DATE")) == [
        ("d", "other-type")
    ]
    assert found(window, ColumnConstraint(column="d", type="TIMESTAMP")) == []


@pytest.mark.parametrize(
    ("window", "broken"),
    [
        (numbers([1.0, 2.5]), True),
        (numbers([1.0, 2.0], keep_values=True), False),
        (numbers([1.5, 2.0], keep_values=True), True),
        (numbers([1.0, math.nan]), False),
        (text(["1", "-2"], "x", Family.NUMBER), False),
        (text(["1", "2.5"], "x", Family.NUMBER), True),
    ],
)
def test_whole_numbers_have_no_fraction(window, broken):
    wanted = ColumnConstraint(column="x", family=Family.NUMBER, whole=True)
    assert found(table(window), wanted) == [("x", "not-whole")] * broken


def test_a_column_of_nulls_has_no_type():
    window = table(OtherProfile(name="x", type="VARCHAR", family=Family.TEXT, rows=4, nulls=4))
    wanted = ColumnConstraint(column="x", family=Family.NUMBER, minimum=0, most_nulls=0.5)
    assert found(window, wanted, duplicates=None) == []
    assert found(window, msgspec.structs.replace(wanted, most_nulls=0.0)) == [("x", "nulls")]


# Shares


def with_nulls(nulls: int, rows: int) -> Profile:
    return table(numbers([None] * nulls + [1.0] * (rows - nulls)))


def test_a_column_that_may_have_no_null_has_none():
    violation = the_one(with_nulls(1, 200), ColumnConstraint(column="x", most_nulls=0.0))
    assert violation.reason == "1 of 200 values (0.5 %) of x are null; none may be."
    assert (violation.observed, violation.allowed, violation.severity) == (0.005, 0.0, Severity.ERROR)


def test_a_small_window_above_its_share_raises_no_false_alarm_and_a_large_one_does():
    wanted = ColumnConstraint(column="x", most_nulls=0.1)
    assert found(with_nulls(3, 10), wanted) == []
    assert found(with_nulls(300, 1000), wanted) == [("x", "nulls")]


@given(st.integers(1, 400), st.floats(0, 1), st.floats(0.001, 0.999))
def test_a_share_counts_when_an_exact_binomial_test_says_so(rows, part, most):
    nulls = round(part * rows)
    p_value = binom.sf(nulls - 1, rows, most)
    if abs(p_value - ERROR) > 1e-9:
        alarm = found(with_nulls(nulls, rows), ColumnConstraint(column="x", most_nulls=most))
        assert bool(alarm) == (nulls / rows > most and p_value < ERROR)


def test_the_luck_allowed_for_is_divided_among_the_shares():
    # 14 of 100 where 6 % may be: p = 0.003, rare alone and not among ten.
    columns = [ColumnConstraint(column=f"c{i}", most_nulls=0.06, required=False) for i in range(9)]
    wanted = ColumnConstraint(column="x", most_nulls=0.06)
    assert found(with_nulls(14, 100), wanted) == [("x", "nulls")]
    assert found(with_nulls(14, 100), wanted, *columns) == []


def test_nan_and_infinities_have_a_share_of_their_own():
    window = table(numbers([1.0, math.nan, math.inf, None]))
    violation = the_one(window, ColumnConstraint(column="x", most_not_finite=0.0, most_nulls=1.0))
    assert (violation.rule, violation.observed) == (Rule.NOT_FINITE, 0.5)
    assert found(window, ColumnConstraint(column="x", most_not_finite=0.5)) == []


# Values


def test_values_beyond_the_range_are_warnings_and_negative_ones_an_error():
    window = table(numbers([-3.0, 250.0]))
    ranged = ColumnConstraint(column="x", minimum=0, maximum=200)
    assert found(window, ranged) == [("x", "below-minimum"), ("x", "above-maximum")]
    assert the_one(window, ColumnConstraint(column="x", maximum=200)).reason == (
        "x goes up to 250; at most 200 is expected."
    )
    negative = the_one(window, ColumnConstraint(column="x", non_negative=True, minimum=0))
    assert (negative.rule, negative.severity) == (Rule.NEGATIVE, Severity.ERROR)
    assert found(table(numbers([0.0, 200.0])), msgspec.structs.replace(ranged, non_negative=True)) == []


def test_the_ends_of_a_range_belong_to_it():
    assert found(table(numbers([2.0, 5.0])), ColumnConstraint(column="x", minimum=2, maximum=5)) == []


def test_a_range_holds_for_numbers_that_are_profiled_by_category():
    window = table(text(["1", "7"], family=Family.NUMBER))
    assert found(window, ColumnConstraint(column="g", minimum=0, maximum=5)) == [("g", "above-maximum")]


def test_a_range_of_text_cannot_be_checked():
    assert found(table(text(["a"])), ColumnConstraint(column="g", minimum=0)) == [("g", "not-checked")]


def test_infinities_alone_leave_a_range_whole():
    window = table(numbers([math.inf, None]))
    assert found(window, ColumnConstraint(column="x", minimum=0, maximum=1)) == []


def test_new_categories_are_named_the_commonest_first_and_at_most_five():
    values = ["a"] * 50 + ["new"] * 9 + list("bcdef") + ["f"]
    violation = the_one(table(text(values)), ColumnConstraint(column="g", categories=("a",)))
    assert violation.rule is Rule.NEW_CATEGORIES
    assert violation.reason == (
        "15 of 65 values (23.1 %) of g are in no known category: new (9), f (2), b (1), c (1), d (1) and 1 more; "
        "none may be."
    )


def test_a_few_unseen_categories_may_be_allowed():
    window = table(text(["a"] * 97 + ["x", "y", "z"]))
    assert found(window, ColumnConstraint(column="g", categories=("a",), most_outside=0.02)) == []
    assert found(window, ColumnConstraint(column="g", categories=("a",), most_outside=0.001)) != []


def test_values_that_are_too_many_to_list_are_in_no_known_category():
    listed = text(["a"] * 50 + ["b"] * 2, rest=48)
    violation = the_one(table(listed), ColumnConstraint(column="g", categories=("a", "b")))
    assert violation.observed == 0.48
    # c may be among those that are not listed, with at most as many as the rarest listed one.
    hidden = the_one(table(listed), ColumnConstraint(column="g", categories=("a", "b", "c")))
    assert hidden.observed == 0.46


def test_categories_of_numbers_are_compared_as_text():
    window = table(numbers([1.0, 2.5, 2.5], keep_values=True))
    assert found(window, ColumnConstraint(column="x", categories=("1", "2.5"))) == []
    assert "2.5 (2)" in the_one(window, ColumnConstraint(column="x", categories=("1",))).reason
    assert found(table(numbers([1.0])), ColumnConstraint(column="x", categories=("1",))) == [
        ("x", "not-checked")
    ]


def test_distinct_values_are_counted():
    window = table(text(["a", "a", "b"]))
    assert found(window, ColumnConstraint(column="g", unique=True)) == [("g", "not-unique")]
    assert found(window, ColumnConstraint(column="g", least_unique=3)) == [("g", "too-few-values")]
    assert found(window, ColumnConstraint(column="g", most_unique=1)) == [("g", "too-many-values")]
    assert found(window, ColumnConstraint(column="g", least_unique=2, most_unique=2)) == []
    assert found(table(text(["a", "b"])), ColumnConstraint(column="g", unique=True)) == []
    assert found(table(numbers([1.0])), ColumnConstraint(column="x", unique=True)) == [("x", "not-checked")]


def test_long_names_and_values_are_cut_in_reasons():
    window = table(text(["y" * 500], name="n" * 500))
    violation = the_one(window, ColumnConstraint(column="n" * 500, categories=()))
    assert len(violation.reason) < 300
    assert violation.column == "n" * 500


# The table as a whole


def test_rows_are_compared_with_counts_and_with_the_reference():
    window = table(numbers([1.0] * 40))
    x = ColumnConstraint(column="x")
    assert found(window, x, volume=Volume(least=41)) == [(None, "too-few-rows")]
    assert found(window, x, volume=Volume(most=39)) == [(None, "too-many-rows")]
    assert found(window, x, volume=Volume(least=40, most=40)) == []
    halves = Volume(least_of_reference=0.5, most_of_reference=2)
    assert found(window, x, volume=halves, reference_rows=100) == [(None, "too-few-rows")]
    assert found(window, x, volume=halves, reference_rows=10) == [(None, "too-many-rows")]
    assert found(window, x, volume=halves, reference_rows=50) == []
    # Half of 79 rows are 39.5: 39 are too few.
    assert found(table(numbers([1.0] * 39)), x, volume=halves, reference_rows=79) == [(None, "too-few-rows")]
    assert found(window, x, volume=halves) == [(None, "not-checked")]


def test_an_empty_window_breaks_its_volume_and_nothing_else():
    window = table(numbers([]))
    wanted = ColumnConstraint(column="x", family=Family.TEXT, most_nulls=0, minimum=1, categories=("a",))
    assert found(window, wanted, volume=Volume(least=1), duplicates=Duplicates(), duplicates_seen=0) == [
        (None, "too-few-rows")
    ]


@pytest.mark.parametrize(
    ("age", "rule"),
    [
        (timedelta(hours=25), "stale"),
        (timedelta(hours=24), None),
        (-timedelta(minutes=4), None),
        (-timedelta(hours=2), "in-future"),
    ],
)
def test_the_newest_value_may_be_so_old_and_not_from_the_future(age, rule):
    fresh = Freshness(column="at", most_hours=24)
    # The same moment in another zone is as old.
    newest = (NOON - age).astimezone(timezone(timedelta(hours=9)))
    expected = [("at", rule)] if rule else []
    assert found(table(), freshness=fresh, now=NOON, newest=newest) == expected


def test_freshness_and_duplicates_that_nobody_counted_are_told_as_not_checked():
    assert found(table(), freshness=Freshness(column="at", most_hours=1), now=NOON) == [("at", "not-checked")]
    assert found(table(rows=5), duplicates=Duplicates(columns=("id",))) == [(None, "not-checked")]


def test_duplicates_are_a_share_of_the_rows():
    window = table(rows=1000)
    assert found(window, duplicates=Duplicates(), duplicates_seen=1) == [(None, "duplicates")]
    assert found(window, duplicates=Duplicates(most=0.01), duplicates_seen=12) == []
    violation = judge(Constraints(duplicates=Duplicates(columns=("id",), most=0.01)), window, duplicates=40)[
        0
    ]
    assert violation.reason == "40 of 1,000 rows (4 %) repeat an earlier one in id; at most 1 % may be."


@pytest.mark.parametrize(
    "facts", [{"now": NOON.replace(tzinfo=None)}, {"newest": datetime(2026, 1, 1)}, {"duplicates": -1}]
)
def test_facts_that_cannot_be_are_refused(facts):
    with pytest.raises(InputError) as caught:
        judge(Constraints(), table(), **facts)
    assert caught.value.slug in ("bad-time", "not-a-number")


def test_severities_can_be_set_for_each_rule():
    window = table(other_columns=("note",))
    assert the_one(window, severities={Rule.EXTRA_COLUMN: Severity.ERROR}).severity is Severity.ERROR
    assert set(SEVERITIES) == set(Rule)


names = st.sampled_from(["a", "b", "c", "d"])
columns = st.one_of(
    st.builds(
        numbers, st.lists(st.sampled_from([None, 0.0, -1.5, 7.0, math.nan, math.inf]), max_size=5), names
    ),
    st.builds(
        text, st.lists(st.sampled_from([None, "1", "2.5", "7"]), max_size=5), names, st.sampled_from(Family)
    ),
    st.builds(
        lambda name: OtherProfile(name=name, type="?", family=Family.OTHER, rows=2, nulls=1, misfits=1), names
    ),
)
shares = st.floats(0, 1)
constraints = st.builds(
    ColumnConstraint,
    column=names,
    required=st.booleans(),
    family=st.none() | st.sampled_from(Family),
    whole=st.booleans(),
    most_misfits=shares,
    most_nulls=st.none() | shares,
    most_not_finite=st.none() | shares,
    non_negative=st.booleans(),
    minimum=st.none() | st.floats(-5, 5),
    maximum=st.none() | st.floats(-5, 5),
    categories=st.none() | st.sampled_from([(), ("1",), ("2.5", "7")]),
    most_outside=shares,
    unique=st.booleans(),
    least_unique=st.none() | st.integers(0, 5),
)


@given(st.lists(columns, max_size=4), st.lists(constraints, max_size=4))
def test_any_window_gets_violations_that_encode_to_json_and_say_why(profiled, demanded):
    window = table(*{column.name: column for column in profiled}.values())
    rules = {(None, "missing-column")} | set(found(window, *demanded))
    assert all(rule in set(Rule) for _, rule in rules)


def test_a_category_that_is_no_longer_seen_breaks_nothing():
    window = text(["a"])
    window = msgspec.structs.replace(window, categories=(*window.categories, Category(value="b", count=0)))
    assert found(table(window), ColumnConstraint(column="g", categories=("a", "b", "c"))) == []
