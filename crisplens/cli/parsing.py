"""NAME=VALUE and its relatives on the command line, as plain values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from crisplens.core.errors import InputError

MOST_EXACT = 2**53 - 1
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,15})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]{0,15})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,3})?")


def pairs(
    option: str, given: Iterable[str], *, example: str, form: str = "NAME=VALUE", named_freely: bool = False
) -> dict[str, str]:
    """`NAME=VALUE` items as a mapping; names that are `named_freely` may hold `=`, and then values do not.

    Raises `InputError` for a malformed or repeated one.
    """
    found: dict[str, str] = {}
    for item in given:
        name, equals, value = item.rpartition("=") if named_freely else item.partition("=")
        if not equals or not name.strip():
            raise _malformed(option, item, form, example)
        if name.strip() in found:
            raise _repeated(option, name.strip())
        found[name.strip()] = value
    return found


def scalars(option: str, given: Iterable[str], *, example: str) -> dict[str, str | int | float | bool]:
    """`NAME=VALUE` items whose values are numbers, true or false where they look so, else text.

    A number that a record could not hold exactly, such as a seed of 64 bits, stays text.
    """
    return {name: _scalar(value) for name, value in pairs(option, given, example=example).items()}


def numbers_by_part(
    option: str, given: Iterable[str], *, part: str, example: str
) -> dict[str, dict[str, str]]:
    """`PART:METRIC=NUMBER` items as metrics per part; the part may hold `:` and `=` itself."""
    found: dict[str, dict[str, str]] = {}
    for item in given:
        of, _, metric = item.rpartition(":")
        name, equals, value = metric.partition("=")
        if not (of.strip() and name.strip() and equals):
            raise _malformed(option, item, f"{part}:METRIC=NUMBER", example)
        metrics = found.setdefault(of.strip(), {})
        if name.strip() in metrics:
            raise _repeated(option, f"{of.strip()}:{name.strip()}")
        metrics[name.strip()] = value
    return found


def answers(given: Iterable[str]) -> dict[str, tuple[str, str]]:
    """`ID=ANSWER[:REASON]` items as answers and reasons per control."""
    example = 'EV-1=met:"reviewed with finance"'
    parsed = pairs("--control", given, example=example, form="ID=ANSWER:REASON")
    parts = {control: text.partition(":") for control, text in parsed.items()}
    return {control: (answer.strip(), reason.strip()) for control, (answer, _, reason) in parts.items()}


def variants(given: Iterable[str]) -> dict[str, tuple[str, str]]:
    """`NAME=MODEL@VERSION:PERCENT` items as versions and shares per variant."""
    example, form = "challenger=churn-gbm@2:10", "NAME=MODEL@VERSION:PERCENT"
    found: dict[str, tuple[str, str]] = {}
    for name, text in pairs("--variant", given, example=example, form=form).items():
        reference, colon, share = text.rpartition(":")
        if not colon:
            raise _malformed("--variant", f"{name}={text}", form, example)
        found[name] = (reference, share)
    return found


def _malformed(option: str, item: str, form: str, example: str) -> InputError:
    said = f"{option} {item[:200]!r} is not {form}"
    return InputError(said, slug="malformed-pair", hint=f"Such as {option} {example}.")


def _repeated(option: str, name: str) -> InputError:
    return InputError(
        f"{option} gives {name[:200]!r} twice", slug="malformed-pair", hint="Give each name once."
    )


def _scalar(text: str) -> str | int | float | bool:
    written = text.strip()
    if written in ("true", "false"):
        return written == "true"
    if _INTEGER.fullmatch(written):
        return int(written) if abs(int(written)) <= MOST_EXACT else text
    if _DECIMAL.fullmatch(written) and math.isfinite(number := float(written)):
        return number
    return text
