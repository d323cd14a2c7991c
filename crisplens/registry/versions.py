"""Version numbers of datasets and models."""

from __future__ import annotations

from collections.abc import Callable

from crisplens.core.errors import InputError

MOST_VERSION = 999_999_999


def next_version(name: str, wanted: int | None, *, newest: int, exists: Callable[[int], bool]) -> int:
    """The version to record: the one after `newest` (0 when there is none), or `wanted`.

    Raises `InputError` if that `exists` or is no version.
    """
    if wanted is None:
        return newest + 1
    if not 1 <= wanted <= MOST_VERSION:
        raise InputError(f"{wanted} is not a version", slug="bad-reference", hint="Versions count from 1.")
    if exists(wanted):
        raise InputError(
            f"{name}@{wanted} exists already",
            slug="exists",
            hint=f"A version is never changed; record the next one ({name}@{newest + 1}) by naming none.",
        )
    return wanted
