"""Text that cannot break out of the line it stands in, and has a bounded length. Pure."""

from __future__ import annotations

import unicodedata

# Controls and lone surrogates; with the embeddings, overrides and isolates that reorder what stands around them.
_BREAKING = frozenset({"Cc", "Cs"})
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(text: str, *, most: int | None = None) -> str:
    """`text` as one line: runs of white space become a space, control characters U+FFFD; at most `most` characters."""
    line = " ".join("".join(map(_harmless, text)).split())
    return line if most is None else cut(line, most)


def cut(text: str, most: int) -> str:
    """The first characters of `text`, at most `most`, with an ellipsis where something was left out."""
    return text if len(text) <= most else text[: max(most - 1, 0)].rstrip() + "…"


def _harmless(character: str) -> str:
    if character.isspace():
        return " "
    if character in _REORDERING or unicodedata.category(character) in _BREAKING:
        return "\ufffd"
    return character
