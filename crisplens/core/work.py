"""The unit of work: what every use case is handed by the door that calls it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from crisplens.core.actor import Actor
from crisplens.core.content_store import ContentStore
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def _anyone(work: UnitOfWork, event: Any, project: str | None) -> None:
    """Everyone may record everything."""


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
    # Asked before each event of a project; raises `Refused` when the actor may not record it.
    authorise: Callable[[UnitOfWork, Any, str | None], None] = _anyone

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
