"""The errors a user can meet: what was wrong, what is accepted, and a slug that leads to its page."""

from __future__ import annotations


class CrisplensError(Exception):
    """An error whose message is written for the user; doors turn it into text and an exit code.

    `hint` says what to do next; `slug` names its entry in `docs/errors.md`.
    """

    exit_code = 3
    nothing_changed = True

    def __init__(self, message: str, *, slug: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.slug = slug
        self.hint = hint


class InputError(CrisplensError):
    """What the user gave cannot be used; nothing was changed."""

    exit_code = 2


class Refused(CrisplensError):
    """The input is well formed, but a rule of the record says no; nothing was changed."""

    exit_code = 1


class RegistryError(CrisplensError):
    """The registry, or another system that is needed, failed or cannot be used."""

    exit_code = 3


class HalfDone(RegistryError):
    """Another system failed after something was done, and the message says what; doing it again goes on."""

    nothing_changed = False
