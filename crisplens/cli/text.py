"""Small pieces of text: what is safe to print, days, counts."""

from __future__ import annotations

import re

# Control characters, lone surrogates and what reverses the reading direction: they could drive a terminal or
# make a text read as something else. Line breaks and tabs stay.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """Text of unknown origin, safe to print on a terminal."""
    return _UNSAFE.sub("\N{REPLACEMENT CHARACTER}", text)


def day(time: str | None) -> str:
    """A recorded time, to the minute."""
    return f"{time[:10]} {time[11:16]} UTC" if time else ""
