"""Numbers as people write them: exact decimals, kept as given."""

from __future__ import annotations

import math
import re

from crisplens.core.errors import InputError

_DECIMAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d{1,3})?", re.ASCII | re.IGNORECASE)


def check_decimal(what: str, text: str | float) -> str:
    """`text` if it is a finite decimal number, else `InputError` naming `what`."""
    written = str(text).strip()
    if len(written) <= 60 and _DECIMAL.fullmatch(written) and math.isfinite(float(written)):
        return written
    raise InputError(
        f"{what} is {written[:60]!r}, which is not a number",
        slug="not-a-number",
        hint="Write a finite decimal number such as 0.80 or 12500.",
    )


def check_amount(what: str, text: str | float) -> str:
    """`text` if it is a decimal number of 0 or more, else `InputError` naming `what`."""
    written = check_decimal(what, text)
    if float(written) < 0:
        raise InputError(f"{what} is {written}", slug="not-a-number", hint="Give a number of 0 or more.")
    return written


def check_number(what: str, value: str | float) -> float:
    """`value` as a finite float, else `InputError` naming `what`."""
    well_formed = not isinstance(value, str) or _DECIMAL.fullmatch(value.strip())
    try:
        number = float(value) if well_formed else math.nan
    except OverflowError:
        number = math.inf
    if math.isfinite(number):
        return number
    raise InputError(
        f"{what} is {str(value)[:60]!r}, which is not a number",
        slug="not-a-number",
        hint="Write a finite number such as 0.82.",
    )
