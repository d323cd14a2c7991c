"""Money adds up exactly, in one currency at a time, and periods are days that have been."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.registry.projects.model import CostKind
from crisplens.registry.value.model import (
    Money,
    add_up,
    by_currency,
    check_money,
    check_period,
    compare_kind,
)

TODAY = "2026-03-01"


@pytest.mark.parametrize(
    ("amounts", "total"),
    [
        ([], "0"),
        (["800.50"], "800.50"),
        (["0.1", "0.2"], "0.3"),
        (["1e3", "1"], "1001"),
        (["100", "-100"], "0"),
        (["0.00000001"], "0.00000001"),
        (["1e30", "1e-30"], f"1{'0' * 30}.{'0' * 29}1"),
        ([f"{'9' * 55}e30", f".{'1' * 55}e-30"], f"{'9' * 55}{'0' * 30}.{'0' * 30}{'1' * 55}"),
    ],
)
def test_sums_are_exact_and_written_in_full(amounts: list[str], total: str) -> None:
    assert add_up(check_money("it", amount) for amount in amounts) == total


@given(st.lists(st.integers(-(10**12), 10**12)))
def test_cents_add_up(cents: list[int]) -> None:
    assert Decimal(add_up(f"{one / Decimal(100)}" for one in cents)) == Decimal(sum(cents)) / 100


@pytest.mark.parametrize("amount", ["1e31", "1e-31", "1E-999999999999999999999", "nan", "1,5", "", "x"])
def test_what_no_sum_could_hold_is_no_money(amount: str) -> None:
    with pytest.raises(InputError) as caught:
        check_money("the data cost", amount)
    assert caught.value.slug == "not-a-number"
    assert "the data cost" in caught.value.message


@pytest.mark.parametrize("amount", ["12000", 12.5, 0, "-3", "1e3", 1e-05, " 7 "])
def test_money_is_any_decimal_number(amount: str | float) -> None:
    assert check_money("it", amount) == str(amount).strip()


def test_currencies_are_kept_apart_and_their_case_is_not() -> None:
    spent = [Money("1", "usd"), Money("2", "EUR"), Money("3", "USD"), Money("4", "eur"), Money("5", "CHF")]
    groups = by_currency(spent, "USD")
    assert list(groups) == ["USD", "CHF", "EUR"]
    assert {name: sorted(amounts) for name, amounts in groups.items()} == {
        "USD": ["1", "3"],
        "CHF": ["5"],
        "EUR": ["2", "4"],
    }


@pytest.mark.parametrize(
    ("spent", "expected", "over"),
    [
        ([], "10", False),
        (["10"], "10", False),
        (["10.00"], "10", False),
        (["10.01"], "10", True),
        (["20", "-10"], "10", False),
        (["10"], None, False),
        (["0.01"], "0", True),
    ],
)
def test_more_than_expected_is_over(spent: list[str], expected: str | None, over: bool) -> None:
    (one,) = compare_kind(CostKind.DATA, [Money(amount, "EUR") for amount in spent], expected, "EUR")
    assert (one.expected, one.recorded, one.over) == (expected, len(spent), over)


def test_other_currencies_are_compared_with_nothing() -> None:
    main, other = compare_kind(CostKind.DATA, [Money("99", "EUR")], "10", "USD")
    assert (main.currency, main.expected, main.actual, main.recorded, main.over) == (
        "USD",
        "10",
        "0",
        0,
        False,
    )
    assert (other.currency, other.expected, other.actual, other.recorded, other.over) == (
        "EUR",
        None,
        "99",
        1,
        False,
    )


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-03-01", "2026-03-01"), ("2020-01-01", "2026-02-28"), ("2026-03-02", "2026-03-02")],
)
def test_periods_end_by_tomorrow(start: str, end: str) -> None:
    assert check_period(start, end, today=TODAY) == (start, end)


@pytest.mark.parametrize(
    ("start", "end", "words"),
    [
        ("2026-03-01", "2026-02-28", "ends before it starts"),
        ("2026-03-01", "2026-03-03", "2026-03-03, which is still to come"),
        ("2026-03-03", "2026-03-03", "still to come"),
        ("soon", "2026-03-01", "the first day is 'soon'"),
        ("2026-03-01", "later", "the last day is 'later'"),
        ("soon", "soon", "the day is 'soon'"),
    ],
)
def test_other_periods_are_refused(start: str, end: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        check_period(start, end, today=TODAY)
    assert caught.value.slug == "bad-time"
    assert words in caught.value.message
