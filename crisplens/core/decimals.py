"""Numbers as people write them: exact decimals, kept as given."""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation

from crisplens.core.errors import InputError


def check_decimal(what: str, text: str | float) -> str:
    """`text` if it is a finite decimal number, else `InputError` naming `what`."""
    written = str(text).strip()
    try:
        if Decimal(written).is_finite() and len(written) <= 60:
            return written
    except InvalidOperation:
        pass
    raise InputError(
        f"{what} is {written[:60]!r}, which is not a number",
        slug="not-a-number",
        hint="Write a finite decimal number such as 0.80 or 12500.",
    )


def check_number(what: str, value: str | float) -> float:
    """`value` as a finite float, else `InputError` naming `what`."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if math.isfinite(number):
        return number
    raise InputError(
        f"{what} is {str(value)[:60]!r}, which is not a number",
        slug="not-a-number",
        hint="Write a finite number such as 0.82.",
    )
