"""Turns use cases and queries into methods of the Python API, with their types and documentation.

A use case takes a unit of work first, a query a session (and the project). The method that it becomes
takes the rest: what the caller of `registry.noun.verb(...)` writes.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar

from sqlalchemy.orm import Session

from crisplens.core.work import UnitOfWork

P = ParamSpec("P")
R = TypeVar("R")


class Door(Protocol):
    """What a bound method needs of the registry that it belongs to."""

    def writing(self) -> AbstractContextManager[UnitOfWork]:
        """A unit of work that commits at the end."""
        ...

    def reading(self) -> AbstractContextManager[Session]:
        """A session on one consistent state."""
        ...

    def require_project(self, session: Session) -> str:
        """The project's name, once it is known to exist."""
        ...


class Noun:
    """Base of the API's nouns: a group of methods on one registry."""

    def __init__(self, registry: Door) -> None:
        self._registry = registry


class Command(Generic[P, R]):
    """A use case as a method: each call is one transaction."""

    def __init__(self, use_case: Callable[Concatenate[UnitOfWork, P], R]) -> None:
        self.function = use_case

    def __get__(self, noun: Noun, owner: type[Noun]) -> Callable[P, R]:
        def method(*args: P.args, **kwargs: P.kwargs) -> R:
            with noun._registry.writing() as work:
                return self.function(work, *args, **kwargs)

        return _documented(method, self.function, hidden=1)


class Query(Generic[P, R]):
    """A query on the whole registry as a method."""

    def __init__(self, query: Callable[Concatenate[Session, P], R]) -> None:
        self.function = query

    def __get__(self, noun: Noun, owner: type[Noun]) -> Callable[P, R]:
        def method(*args: P.args, **kwargs: P.kwargs) -> R:
            with noun._registry.reading() as session:
                return self.function(session, *args, **kwargs)

        return _documented(method, self.function, hidden=1)


class ProjectQuery(Generic[P, R]):
    """A query on the registry's current project as a method."""

    def __init__(self, query: Callable[Concatenate[Session, str, P], R]) -> None:
        self.function = query

    def __get__(self, noun: Noun, owner: type[Noun]) -> Callable[P, R]:
        def method(*args: P.args, **kwargs: P.kwargs) -> R:
            with noun._registry.reading() as session:
                return self.function(session, noun._registry.require_project(session), *args, **kwargs)

        return _documented(method, self.function, hidden=2)


def _documented(method: Callable[P, R], function: Callable[..., Any], *, hidden: int) -> Callable[P, R]:
    """Give `method` the name, documentation and signature of `function` without its first parameters."""
    signature = inspect.signature(function)
    shown = list(signature.parameters.values())[hidden:]
    method.__name__, method.__doc__ = function.__name__, function.__doc__
    method.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
    return method
