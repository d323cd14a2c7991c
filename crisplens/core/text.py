"""Text: what users give, kept within bounds; and things counted in words."""

from __future__ import annotations

from crisplens.core.errors import InputError

MOST_CHARACTERS = 20_000


def check_text(what: str, text: str, *, most: int = MOST_CHARACTERS, required: bool = True) -> str:
    """`text` if it has at most `most` characters and, when `required`, says something.

    Raises `InputError` naming `what`.
    """
    if required and not text.strip():
        raise InputError(f"{what} is empty", slug="empty-text", hint="Say it in a few words.")
    if len(text) > most:
        raise InputError(
            f"{what} has {len(text)} characters; at most {most} are kept",
            slug="text-too-long",
            hint="Attach long texts as evidence files.",
        )
    return text


def count(number: int, one: str, many: str | None = None) -> str:
    """A number of things: `1 incident`, `2,000 incidents`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"
