"""What this process has open in databases, and what becomes of it when the process is forked."""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterable
from typing import Any, TypeVar

from sqlalchemy import Engine

from crisplens.core.errors import RegistryError

_T = TypeVar("_T")
_ENGINES: weakref.WeakValueDictionary[int, Engine] = weakref.WeakValueDictionary()
_SOCKETS: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def note_engine(engine: Engine) -> None:
    """Let forked processes leave the engine's connections alone."""
    _ENGINES[id(engine)] = engine


def note_socket(connection: Any) -> None:
    """Let forked processes never write to this connection to a server (of psycopg)."""
    _SOCKETS[id(connection)] = connection


def open_engines() -> list[Engine]:
    """The engines that were noted and are still in use."""
    return living(_ENGINES.valuerefs())


def living(references: Iterable[weakref.ref[_T]]) -> list[_T]:
    """What these still refer to."""
    return [one for reference in references if (one := reference()) is not None]


def forked() -> RegistryError:
    """The error for a process that uses what its parent had open."""
    return RegistryError(
        "this process was forked while its parent was using the registry, and cannot use what the parent had open",
        slug="registry-failed",
        hint="Nothing was changed here. Fork before the transaction begins or after it has ended, or start processes "
        'with multiprocessing.get_context("spawn").',
    )


def _close_files() -> None:
    for engine in open_engines():
        if engine.dialect.name == "sqlite":
            # Unlike the engine's, this leaves the pool to those who are to give back what they use.
            engine.pool.dispose()


def _leave_to_parent() -> None:
    # A forked process connects anew.
    for engine in open_engines():
        engine.dispose(close=False)
    nothing = os.open(os.devnull, os.O_RDWR)
    for connection in living(_SOCKETS.valuerefs()):
        if not connection.closed:
            os.dup2(nothing, connection.fileno())
    os.close(nothing)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_close_files, after_in_child=_leave_to_parent)
