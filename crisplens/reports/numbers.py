"""Numbers and times as people read them. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

SIGNIFICANT = 4
MINUS, NONE = "\N{MINUS SIGN}", "\N{EN DASH}"
_UNITS = ("bytes", "kB", "MB", "GB", "TB", "PB")
_MANY_DIGITS = 15


def show_number(value: float | int | None) -> str:
    """A number with at most four significant digits and thousands separators; whole numbers in full."""
    if value is None:
        return NONE
    if isinstance(value, int) or 10**SIGNIFICANT <= abs(value) < 10**_MANY_DIGITS:
        return f"{value:,.0f}".replace("-", MINUS)
    return f"{value:.{SIGNIFICANT}g}".replace("-", MINUS)


def show_decimal(text: str | None) -> str:
    """A decimal as it was given, every digit kept, with thousands separators."""
    if text is None:
        return NONE
    try:
        whole = "e" not in text.casefold() and len(text) <= _MANY_DIGITS * 2
        return f"{Decimal(text):,}".replace("-", MINUS) if whole else text
    except InvalidOperation:
        return text


def show_metric(value: float | None) -> str:
    """A measured value with six significant digits, as gates write it, to read the same everywhere."""
    return NONE if value is None else f"{value:,.6g}".replace("-", MINUS)


def show_measured(value: float, target: str) -> str:
    """A metric, in full where rounding would move it onto the target or across it."""
    rounded, exact, goal = Decimal(f"{value:.6g}"), Decimal(repr(value)), Decimal(target)
    same_side = rounded.compare(goal) == exact.compare(goal)
    return show_metric(value) if same_side else repr(value).replace("-", MINUS)


def show_time(text: str | None) -> str:
    """An RFC 3339 time in UTC as `2026-11-21 03:24 UTC`."""
    return f"{text[:10]} {text[11:16]} UTC" if text else NONE


def show_duration(days: float | None) -> str:
    """A time in days as people say it: minutes below an hour, hours below two days."""
    if days is None:
        return NONE
    if days < 1 / 24:
        return f"{days * 24 * 60:.0f} min"
    return f"{days * 24:.3g} h" if days < 2 else f"{days:.3g} days"


def show_digest(text: str) -> str:
    """The first twelve hexadecimal digits of a digest."""
    value = text.rpartition(":")[2]
    return value[:12] + "…" if len(value) > 12 else value


def show_size(size: int) -> str:
    """A size in bytes, in the unit that fits."""
    amount, unit = float(size), 0
    while amount >= 1000 and unit < len(_UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    if unit == 0:
        return f"{size} byte{'' if size == 1 else 's'}"
    return f"{amount:.3g} {_UNITS[unit]}"


def shorten(text: str, most: int) -> str:
    """`text` within `most` characters, left out in the middle: names often differ at the end."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"


def join_words(words: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]]) if len(words) > 1 else "".join(words)
