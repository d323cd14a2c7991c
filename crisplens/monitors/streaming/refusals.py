"""Why a batch is refused. It is told by column and row, never by value: messages get into logs."""

from __future__ import annotations

import re

from crisplens.core.errors import InputError
from crisplens.core.text import count
from crisplens.monitors.engines import _arrow
from crisplens.monitors.model import ColumnProfile, Family

MOST_BYTES = 256 << 20
MOST_ROWS = 1_000_000
_WORDS = {Family.NUMBER: "numbers", Family.TEXT: "text", Family.BOOLEAN: "booleans"}


def bad_batch(message: str, hint: str = "") -> InputError:
    """The error for a batch that is refused."""
    return InputError(message, slug="bad-batch", hint=hint)


def wrong_type(column: ColumnProfile, row: int | None) -> InputError:
    """The error for a column of another type than the reference's, in that row where it is known."""
    expected = _WORDS.get(_arrow.expected_family(column), "values")
    where = f" (row {row})" if row else ""
    return bad_batch(
        f"column {column.name!r} holds something else than {expected}{where}, which its reference holds",
        "Send null for what is not known.",
    )


def no_times(name: str, what: str) -> InputError:
    """The error for a time column that holds something else."""
    return bad_batch(
        f"the time column {name!r} holds {what}", "Accepted: timestamps, dates, and text in ISO 8601."
    )


def check_rows(rows: int) -> None:
    """Raise `InputError` for more rows than are taken in at once."""
    if rows > MOST_ROWS:
        raise InputError(
            f"the batch has {count(rows, 'row')}; at most {MOST_ROWS:,} are taken in at once",
            slug="batch-too-large",
            hint="Push it in parts; files can be checked where they are, by a monitor of files.",
        )


def check_bytes(size: int) -> None:
    """Raise `InputError` for more bytes than are taken in at once."""
    if size > MOST_BYTES:
        raise too_many_bytes(MOST_BYTES)


def too_many_bytes(most: int) -> InputError:
    """The error for a batch of too many bytes."""
    return InputError(
        f"the batch has more than {most:,} bytes, which are taken in at most at once",
        slug="batch-too-large",
        hint="Push it in parts; files can be checked where they are, by a monitor of files.",
    )


def first_words(error: Exception) -> str:
    """What a library says of an error, up to where values of the data may follow."""
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return re.split(r"[:'\"]", text)[0][:120]
