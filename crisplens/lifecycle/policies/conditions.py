"""Conditions in CEL (Common Expression Language): type-checked against the view, bounded, and evaluated.

The language: https://github.com/google/cel-spec; the implementation is CEL's own in C++, by cel-expr-python. It
stops an expression after 10,000 steps of its loops and matches regular expressions in linear time (RE2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from crisplens.core.names import nearest
from crisplens.lifecycle.policies.view import VIEW

MOST_CHARACTERS = 4000
# A loop within a loop may pass over a list for each of its items; one more would have no bound worth the name.
MOST_NESTED = 2

# Comments and texts, whichever comes first, as CEL tells them apart; in raw texts a backslash is one.
_HIDDEN = re.compile(
    r"""
      //[^\n]*
    | (?:[rR][bB]?|[bB][rR]) (?: \"{3}[\s\S]*?\"{3} | '{3}[\s\S]*?'{3} | "[^"\n]*" | '[^'\n]*' )
    | [bB]? (?: \"{3}(?:\\[\s\S]|[^\\])*?\"{3} | '{3}(?:\\[\s\S]|[^\\])*?'{3}
              | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' )
    """,
    re.VERBOSE,
)
_LOOP = re.compile(
    r"\.\s*(?:all|exists|exists_one|existsOne|map|filter|transformList|transformMap)\s*\(|[()]"
)
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:\s*\.\s*[A-Za-z_][A-Za-z0-9_]*)*")
_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): ([^\n]*)")
_NO_CONTAINER = re.compile(r" \(in container ''\)")


@dataclass(frozen=True)
class Fault:
    """Why an expression cannot be used, and where in it (line and column from 1)."""

    reason: str
    line: int = 1
    column: int = 1


@dataclass(frozen=True)
class Answered:
    """Whether a condition is met; where it could not be told, why."""

    met: bool
    reason: str = ""


def check_expression(text: str) -> Fault | None:
    """What is wrong with a condition's expression (syntax, types, an unknown name, no bound); None when nothing is."""
    if not text.strip():
        return Fault("is empty")
    if len(text) > MOST_CHARACTERS:
        return Fault(f"has {len(text)} characters; at most {MOST_CHARACTERS} are read")
    if fault := _unbounded(text):
        return fault
    try:
        compiled = _compile(text)
    except RuntimeError as error:
        return _told(str(error))
    if (kind := compiled.return_type().name()) != "BOOL":
        return Fault(f"is {kind.lower()}, where true or false is needed")
    return None


def evaluate(text: str, values: Mapping[str, Any]) -> Answered:
    """Whether an expression that `check_expression` has passed is true of these values of the view."""
    from cel_expr_python import cel

    try:
        found = _compile(text).eval(data={name: values[name] for name in names_in(text)})
    except RuntimeError as error:
        return Answered(False, f"it was stopped: {_first_line(str(error))}")
    if found.type() != cel.Type.BOOL:
        return Answered(False, _first_line(str(found.value())))
    return Answered(bool(found.value()))


@cache
def names_in(text: str) -> frozenset[str]:
    """The names of the view that an expression may touch."""
    words = {re.sub(r"\s", "", word) for word in _WORD.findall(_blanked(text))}
    return frozenset(
        name for name in VIEW if any(word == name or word.startswith(f"{name}.") for word in words)
    )


@cache
def _compile(text: str) -> Any:
    return _environment().compile(text)


@cache
def _environment() -> Any:
    from cel_expr_python import cel

    return cel.NewEnv(variables={name: _cel_type(one.type) for name, one in VIEW.items()})


def _cel_type(text: str) -> Any:
    from cel_expr_python import cel

    if text.startswith("list("):
        return cel.Type.List(_cel_type(text[5:-1]))
    if text.startswith("map("):
        key, _, value = text[4:-1].partition(", ")
        return cel.Type.Map(_cel_type(key), _cel_type(value))
    return getattr(cel.Type, text.upper())


def _unbounded(text: str) -> Fault | None:
    """The first loop that stands in too many others."""
    open_parentheses: list[bool] = []
    blanked = _blanked(text)
    for found in _LOOP.finditer(blanked):
        if found[0] == ")":
            if open_parentheses:
                open_parentheses.pop()
            continue
        open_parentheses.append(found[0] != "(")
        if sum(open_parentheses) > MOST_NESTED:
            line = blanked.count("\n", 0, found.start()) + 1
            column = found.start() - blanked.rfind("\n", 0, found.start())
            return Fault(
                f"would run without bound: at most {MOST_NESTED} loops stand in one another", line, column
            )
    return None


def _blanked(text: str) -> str:
    """The expression with its texts and comments blanked, so that what they hold is taken for nothing."""
    return _HIDDEN.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)


def _told(said: str) -> Fault:
    found = _ERROR.search(said)
    if found is None:
        return Fault(_first_line(said))
    reason = _NO_CONTAINER.sub("", found[3])
    if unknown := re.search(r"undeclared reference to '([^']+)'", reason):
        reason = f"{unknown[1]!r} is unknown"
        if close := nearest(unknown[1], VIEW):
            reason += f"; did you mean {' or '.join(close)}?"
    return Fault(reason, int(found[1]), int(found[2]))


def _first_line(said: str) -> str:
    line = said.strip().splitlines()[0] if said.strip() else "it cannot be told"
    return re.sub(r"^[A-Z_]+: ", "", re.sub(r" \[[A-Z_]+\]$", "", line))
