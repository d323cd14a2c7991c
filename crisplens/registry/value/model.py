"""Money and periods, and what was spent and observed beside what the goal and the KPIs state. Pure.

Amounts are decimals as given, and sums of them are exact.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal, localcontext

import msgspec

from crisplens.core.dates import check_date, day_after
from crisplens.core.decimals import check_decimal
from crisplens.core.errors import InputError
from crisplens.registry.projects.model import CostKind

# What money is in where neither the command nor a goal says so.
DEFAULT_CURRENCY = "USD"
MOST_EXPONENT = 30
# Enough for the sum of any amounts that `check_money` lets through.
_DIGITS = 250


class Money(msgspec.Struct, frozen=True):
    """A decimal amount in a currency."""

    amount: str
    currency: str


class CostComparison(msgspec.Struct, frozen=True, kw_only=True):
    """What was spent on one kind of cost in one currency, beside the goal's cost of that kind.

    `expected` is as the goal states it; a goal gives no period for it, so it is compared with all that was ever
    recorded. It is None where the goal states no such cost, and for other currencies than the goal's. `recorded`
    counts the entries that make `actual`.
    """

    kind: str
    currency: str
    expected: str | None
    actual: str
    recorded: int
    over: bool


class KpiComparison(msgspec.Struct, frozen=True, kw_only=True):
    """A KPI as it is set, and what was observed of it.

    `observed` is the newest value: that of the period (`start` to `end`) which ends last, and of several such the
    one recorded last. `met` is None while there is none. `worth` is what all observations together were worth in
    the goal's currency, `other_worth` in others; None and empty while nothing was said about it.
    """

    kpi: str
    unit: str
    direction: str
    target: str
    baseline: str | None
    acceptable_error: str | None
    observed: str | None
    start: str | None
    end: str | None
    met: bool | None
    observations: int
    worth: str | None
    currency: str
    other_worth: dict[str, str]


def check_money(what: str, amount: str | float) -> str:
    """`amount` if it is a decimal number that sums stay exact with, else `InputError` naming `what`."""
    written = check_decimal(what, amount)
    exponent = written.casefold().partition("e")[2] or "0"
    if abs(int(exponent)) <= MOST_EXPONENT:
        return written
    raise InputError(
        f"{what} is {written}, which is no amount of money",
        slug="not-a-number",
        hint="Write a decimal number such as 12500 or 800.50.",
    )


def check_period(start: str, end: str, *, today: str) -> tuple[str, str]:
    """A period of days, its last one included.

    Raises `InputError` when one is no day, when it ends before it starts, or more than a day after `today`:
    somewhere on earth it is tomorrow already.
    """
    if start == end:
        first = last = check_date("the day", start)
    else:
        first, last = check_date("the first day", start), check_date("the last day", end)
    if last < first:
        raise InputError("the period ends before it starts", slug="bad-time", hint=f"From {first} to {last}.")
    if last > day_after(today):
        raise InputError(
            f"the period ends on {last}, which is still to come",
            slug="bad-time",
            hint=f"Only what has been is recorded here; today is {today}.",
        )
    return first, last


def same_currency(one: str, other: str) -> bool:
    """Whether two currencies are the same: upper and lower case are."""
    return one.casefold() == other.casefold()


def add_up(amounts: Iterable[str]) -> str:
    """The exact sum of decimal amounts."""
    with localcontext(prec=_DIGITS):
        return f"{sum(map(Decimal, amounts), Decimal(0)):f}"


def by_currency(money: Iterable[Money], main: str) -> dict[str, list[str]]:
    """Amounts by currency: the `main` one first, even if it has none, then the others by name."""
    groups: dict[str, list[str]] = {main: []}
    for one in sorted(money, key=lambda one: one.currency):
        same = next((name for name in groups if same_currency(name, one.currency)), one.currency)
        groups.setdefault(same, []).append(one.amount)
    return groups


def compare_kind(
    kind: CostKind, spent: Iterable[Money], expected: str | None, currency: str
) -> list[CostComparison]:
    """What was spent on one kind of cost: first in the goal's currency, beside what it expected, then in others."""
    return [
        CostComparison(
            kind=kind,
            currency=name,
            expected=expected if at == 0 else None,
            actual=(actual := add_up(amounts)),
            recorded=len(amounts),
            over=at == 0 and expected is not None and Decimal(actual) > Decimal(expected),
        )
        for at, (name, amounts) in enumerate(by_currency(spent, currency).items())
    ]
