"""The unit of work: what every use case is handed by the door that calls it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from crisplens.core.actor import Actor
from crisplens.core.content_store import ContentStore
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@dataclass(frozen=True)
class UnitOfWork:
    """One command: its transaction, who gives it, when, and on which project.

    Services read the clock, the environment and the configuration only through it.
    """

    session: Session
    actor: Actor
    now: datetime
    evidence: ContentStore
    project_name: str | None = None

    @property
    def project(self) -> str:
        """The project that the command is about. Raises `InputError` when none is named."""
        if self.project_name is None:
            raise no_project()
        return self.project_name


def no_project() -> InputError:
    """The error for a command on a project when none is named."""
    return InputError(
        "no project is named",
        slug="no-project",
        hint="Pass --project NAME, or set CRISPLENS_PROJECT or project in crisplens.toml.",
    )
