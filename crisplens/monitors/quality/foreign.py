"""Files of other tools: a JSON object read within bounds, part by part, and every fault told with its place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from crisplens.core.documents import Document, Place, read_document
from crisplens.core.errors import InputError
from crisplens.monitors.quality.documents import written_place

MOST_NAME = 1_000
MOST_REMARKS = 200


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """The text of another tool's file, and a sentence for each thing that it cannot say."""

    text: str
    remarks: tuple[str, ...]


def json_text(value: Any) -> str:
    """A JSON file's text, for people too."""
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def read_object(data: bytes, name: str, most_bytes: int) -> Document:
    """The document of a JSON object. Raises `InputError` when it is none, or longer than `most_bytes`."""
    if len(data) > most_bytes:
        raise InputError(
            f"{name} is longer than {most_bytes // 2**20} MiB, the most that is read of it",
            slug="bad-document",
        )
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] != b"{":
        raise InputError(f"{name}, line 1: a JSON object is expected", slug="bad-document")
    return read_document(data, name)


def fault(document: Document, reason: str, *place: str | int) -> InputError:
    """The error for the part at `place`, which the message names."""
    return document.fault(f"{reason} ({written_place(place)})", *place)


def an_object(document: Document, value: Any, place: Place) -> dict[str, Any]:
    """`value` if it is an object, else `InputError`; so for the next ones. Null is an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise fault(document, f"{shown(value)} is no object", *place)
    return value


def a_list(document: Document, value: Any, place: Place) -> list[Any]:
    """`value` if it is a list."""
    if not isinstance(value, list):
        raise fault(document, f"{shown(value)} is no list", *place)
    return value


def a_name(document: Document, value: Any, place: Place) -> str:
    """`value` if it can name a column."""
    if not isinstance(value, str) or not 0 < len(value) <= MOST_NAME:
        raise fault(document, f"a name is text of 1 to {MOST_NAME:,} characters", *place)
    return value


def a_number(document: Document, value: Any, place: Place) -> float:
    """`value` if it is a number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e308:
        raise fault(document, f"{shown(value)} is no number", *place)
    return float(value)


def a_count(document: Document, value: Any, place: Place) -> int:
    """`value` if it is a whole number of 0 or more, such as 418 or 418.0."""
    number = a_number(document, value, place)
    if not 0 <= number <= 2**53 or not number.is_integer():
        raise fault(document, f"{shown(value)} is no whole number of 0 or more", *place)
    return int(number)


def a_share(document: Document, value: Any, place: Place) -> float:
    """`value` if it is a number from 0 to 1."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise fault(document, f"{shown(value)} is no number from 0 to 1", *place)
    return float(value)


def a_flag(document: Document, value: Any, place: Place) -> bool:
    """`value` if it is true or false."""
    if not isinstance(value, bool):
        raise fault(document, f"{shown(value)} is not true or false", *place)
    return value


def a_choice(document: Document, value: Any, known: Sequence[str], place: Place) -> str:
    """`value` if it is one of `known`."""
    if not isinstance(value, str) or value not in known:
        raise fault(document, f"{shown(value)} is none of {', '.join(known)}", *place)
    return value


def remark_unknown(given: dict[str, Any], known: Sequence[str], place: Place, remarks: list[str]) -> None:
    """A remark for each key that is not known."""
    remarks += [f"{written_place((*place, key))} is not carried over." for key in given if key not in known]


def shown(value: Any) -> str:
    """A value in at most 60 characters."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def bounded(remarks: Sequence[str]) -> tuple[str, ...]:
    """The first remarks, and how many more there are."""
    more = len(remarks) - MOST_REMARKS
    return (*remarks[:MOST_REMARKS], *([f"{more:,} more parts are not carried over."] if more > 0 else ()))
