"""Names that users choose: what they may look like, and the nearest known one to a mistyped one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from crisplens.core.errors import InputError

NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}", re.IGNORECASE)


def check_name(kind: str, name: str) -> str:
    """Return `name` if it can name a `kind` (project, dataset, ...), else raise `InputError`."""
    if NAME_PATTERN.fullmatch(name):
        return name
    raise InputError(
        f"{name!r} cannot name a {kind}",
        slug="bad-name",
        hint="Use 1 to 100 letters, digits, dots, dashes or underscores, starting with a letter or digit.",
    )


def nearest(name: str, known: Iterable[str], *, most: int = 3) -> list[str]:
    """The known names most like `name`, best first; empty when none is close."""
    by_folded = {candidate.casefold(): candidate for candidate in known}
    close = difflib.get_close_matches(name.casefold(), by_folded, n=most, cutoff=0.5)
    return [by_folded[folded] for folded in close]


def unknown_name(kind: str, name: str, known: Iterable[str], *, none_yet: str = "") -> InputError:
    """The error for a name that nothing has: it lists the nearest names, or all when they are few."""
    choices = sorted(set(known))
    close = nearest(name, choices)
    if close:
        hint = f"Did you mean {' or '.join(close)}?"
    elif not choices:
        hint = none_yet
    elif len(choices) <= 12:
        hint = f"Known: {', '.join(choices)}."
    else:
        hint = f"There are {len(choices)}; the first are {', '.join(choices[:8])}."
    return InputError(f"there is no {kind} named {name!r}", slug="unknown-name", hint=hint)
