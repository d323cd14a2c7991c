"""Version numbers of datasets and models."""

from __future__ import annotations

from collections.abc import Collection

from crisplens.core.errors import InputError

MOST_VERSION = 999_999_999


def next_version(name: str, wanted: int | None, taken: Collection[int]) -> int:
    """The version to record: the one after the highest, or `wanted`. Raises `InputError` if that exists."""
    if wanted is None:
        return max(taken, default=0) + 1
    if wanted in taken:
        raise InputError(
            f"{name}@{wanted} exists already",
            slug="exists",
            hint=f"A version is never changed; record the next one ({name}@{max(taken) + 1}) by naming none.",
        )
    if not 1 <= wanted <= MOST_VERSION:
        raise InputError(f"{wanted} is not a version", slug="bad-reference", hint="Versions count from 1.")
    return wanted
