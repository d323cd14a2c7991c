"""Documents that users write, YAML or JSON: read with bounds, and every fault told with its line and column."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from crisplens.core.decoding import convert
from crisplens.core.errors import InputError
from crisplens.core.files import read_beginning

MOST_YAML_BYTES = 2 * 2**20
MOST_JSON_BYTES = 32 * 2**20
MOST_DEPTH = 40

Place = tuple[str | int, ...]
T = TypeVar("T")

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_PATH = re.compile(r" - at `(?:key in )?\$(?P<path>[^`]*)`$")


@dataclass(frozen=True)
class Document:
    """A document's plain value (dicts, lists, text, numbers, booleans, None), and where its parts stand."""

    name: str
    text: str
    value: Any

    def convert(self, kind: type[T]) -> T:
        """The document as a `kind`. Raises `InputError` with file, line and reason for the first part that is none."""
        try:
            return convert(self.value, kind)
        except msgspec.ValidationError as error:
            raise self._not_valid(str(error), kind) from None

    def fault(self, reason: str, *place: str | int, hint: str = "") -> InputError:
        """The error for a part that cannot be used; `place` are the keys and indexes that lead to it."""
        return InputError(f"{self.where(*place)}: {reason}", slug="bad-document", hint=hint)

    def where(self, *place: str | int) -> str:
        """`file, line 3, column 5`: where the part at `place`, or the nearest part around it, begins."""
        line, column = _find(self.text, place)
        return f"{self.name}, line {line}, column {column}"

    def _not_valid(self, said: str, kind: Any) -> InputError:
        found = _PATH.search(said)
        path = found["path"] if found else ""
        steps: Place = ()
        for index, name in ((index, name) for name, index in _STEP.findall(path)):
            steps = (*steps, int(index) if index.isdigit() else name or self._key_at_fault(steps, said, kind))
        reason = said[: found.start()] if found else said
        if unknown := _UNKNOWN.search(reason):
            steps = (*steps, unknown[1])
        at = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps).lstrip(".")
        return self.fault(f"{reason}{f' ({at[:200]})' if path else ''}", *steps)

    def _key_at_fault(self, place: Place, said: str, kind: Any) -> str:
        """The key of a mapping whose value is at fault: msgspec does not name it, so each is left out in turn."""
        mapping = self.value
        for step in place:
            mapping = mapping[step]
        for key in list(mapping):
            value = mapping.pop(key)
            try:
                convert(self.value, kind)
                still = ""
            except msgspec.ValidationError as error:
                still = str(error)
            finally:
                mapping[key] = value
            # What was put back stands last; of two at fault each counts as the first.
            if still != said:
                return str(key)
        return str(next(iter(mapping), ""))


def read_document_file(file: Path) -> Document:
    """Read a YAML or JSON file. Raises `InputError` when it cannot be read or holds no such document."""
    return read_document(read_beginning(file, MOST_JSON_BYTES + 1), file.name)


def read_document(data: bytes, name: str) -> Document:
    """Read a YAML or JSON document (JSON where it begins with `{`), called `name` in errors.

    YAML is read as plain data: no tags, anchors or repeated keys; dates stay text. Raises `InputError` with line
    and column for what is neither, is too long or too deep.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise _unreadable(f"{name}, line {line}", "is not UTF-8 text") from None
    if text.lstrip()[:1] == "{" and (value := _read_json(text, name)) is not None:
        return Document(name, text, value)
    if len(data) > MOST_YAML_BYTES:
        raise _unreadable(
            name, f"is longer than {MOST_YAML_BYTES // 2**20} MiB, the most that is read of YAML"
        )
    return Document(name, text, _read_yaml(text, name))


def _read_json(text: str, name: str) -> Any:
    """The value of a JSON object; None for text that may be YAML in flow style."""
    import json

    if len(text) > MOST_JSON_BYTES:
        raise _unreadable(name, f"is longer than {MOST_JSON_BYTES // 2**20} MiB")
    try:
        value = json.loads(text, object_pairs_hook=_once_each, parse_constant=_no_number, parse_float=_finite)
    except json.JSONDecodeError as error:
        if name.lower().endswith((".yaml", ".yml")):
            return None
        raise _unreadable(f"{name}, line {error.lineno}, column {error.colno}", error.msg) from None
    except RecursionError:
        raise _unreadable(name, "is nested too deeply") from None
    except ValueError as error:
        raise _unreadable(f"{name}{_line_of_fault(text)}", str(error)) from None
    if _depth(value) > MOST_DEPTH:
        raise _unreadable(name, "is nested too deeply")
    try:
        msgspec.json.encode(value)
    except UnicodeEncodeError:
        raise _unreadable(name, "holds half of a surrogate pair, which is no text") from None
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"gives {twice!r} twice in one object")
    return found


def _no_number(text: str) -> Any:
    raise ValueError(f"holds {text}, which is no number of JSON")


def _finite(text: str) -> float:
    if math.isfinite(number := float(text)):
        return number
    raise ValueError(f"holds {text[:40]}, which is too large a number")


# Texts are passed over; what is left of these is no JSON, or overflows.
_ODD = re.compile(r'"(?:\\.|[^"\\])*"|(?P<odd>-?Infinity|NaN|-?[0-9.]+[eE]\+?[0-9]{3,})')


def _line_of_fault(text: str) -> str:
    """`, line 3, column 5` of a number that cannot be, or of a key that is given twice; empty when it is not found."""
    for found in _ODD.finditer(text):
        if found["odd"]:
            line, start = text.count("\n", 0, found.start()) + 1, text.rfind("\n", 0, found.start())
            return f", line {line}, column {found.start() - start}"
    if len(text) > MOST_YAML_BYTES:
        return ""
    try:
        _read_yaml(_as_yaml(text), "")
    except InputError as error:
        return error.message.partition(":")[0]
    return ""


def _depth(value: Any) -> int:
    deepest, waiting = 0, [(value, 1)]
    while waiting:
        one, depth = waiting.pop()
        deepest = max(deepest, depth)
        if isinstance(one, dict):
            waiting += [(part, depth + 1) for part in one.values()]
        elif isinstance(one, list):
            waiting += [(part, depth + 1) for part in one]
    return deepest


def _read_yaml(text: str, name: str) -> Any:
    import yaml

    try:
        return _plain(_compose(text), name)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise _unreadable(f"{name}{at}", error.problem or "is no YAML") from None
    except yaml.YAMLError as error:
        raise _unreadable(name, str(error).splitlines()[0]) from None
    except RecursionError:
        raise _unreadable(name, "is nested too deeply") from None


def _compose(text: str) -> Any:
    import yaml

    loader, depth = getattr(yaml, "CSafeLoader", yaml.SafeLoader), 0
    # Composing recurses: what is too deep for it is found before.
    for event in yaml.parse(text, Loader=loader):
        mark: Any = event.start_mark
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.MarkedYAMLError(problem="anchors and aliases are not read", problem_mark=mark)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise yaml.MarkedYAMLError(problem="it is nested too deeply", problem_mark=mark)
    return yaml.compose(text, Loader=loader)


_TAG = "tag:yaml.org,2002:"
_PLAIN_TAGS = (f"{_TAG}map", f"{_TAG}seq")
_BOOLEANS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}


def _plain(node: Any, name: str) -> Any:
    import yaml

    if node is None:
        return None
    where = f"{name}, line {node.start_mark.line + 1}, column {node.start_mark.column + 1}"
    if not isinstance(node, yaml.ScalarNode) and node.tag not in _PLAIN_TAGS:
        raise _unreadable(where, f"the tag {node.tag} is not read")
    if isinstance(node, yaml.MappingNode):
        found: dict[str, Any] = {}
        for key, value in node.value:
            at = f"{name}, line {key.start_mark.line + 1}, column {key.start_mark.column + 1}"
            if not isinstance(key, yaml.ScalarNode) or not key.tag.startswith(_TAG):
                raise _unreadable(at, "a key is text")
            if key.value in found:
                raise _unreadable(at, f"{key.value!r} is given twice")
            found[key.value] = _plain(value, name)
        return found
    if isinstance(node, yaml.SequenceNode):
        return [_plain(one, name) for one in node.value]
    return _scalar(node, where)


def _scalar(node: Any, where: str) -> Any:
    kind = node.tag.removeprefix(_TAG)
    match kind:
        case "str" | "timestamp":
            return node.value
        case "null":
            return None
        case "bool" if node.value.casefold() in _BOOLEANS:
            return _BOOLEANS[node.value.casefold()]
        case "int" | "float":
            return _number(node.value, where)
    raise _unreadable(where, f"the tag {node.tag} is not read")


def _number(text: str, where: str) -> int | float:
    for kind in (int, float):
        try:
            number = kind(text)
            if math.isfinite(number):
                return number
        except (ValueError, OverflowError):
            continue
    raise _unreadable(where, f"{text[:40]} is no plain number; write text in quotes")


@dataclass
class _Level:
    """A mapping or list that is being read: the key or index that comes next, and where its name stands."""

    in_mapping: bool
    step: str | int | None
    mark: tuple[int, int] | None = None

    def take_key(self, event: Any) -> bool:
        """Whether `event` is a key, which is noted."""
        if not self.in_mapping or self.step is not None:
            return False
        self.step, self.mark = str(getattr(event, "value", "")), _mark(event)
        return True

    def next(self) -> None:
        """Go on to what follows a value."""
        self.step = None if self.in_mapping else int(self.step or 0) + 1


def _find(text: str, place: Place) -> tuple[int, int]:
    """Line and column of the part at `place`, or of the nearest part around it; of a key its name's."""
    import yaml

    best, levels = (1, 1), list[_Level]()
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        for event in yaml.parse(_as_yaml(text), Loader=loader):
            if isinstance(event, yaml.CollectionEndEvent):
                levels.pop()
                if levels:
                    levels[-1].next()
                continue
            if not isinstance(event, yaml.NodeEvent) or (levels and levels[-1].take_key(event)):
                continue
            path = tuple(level.step for level in levels)
            if path == place[: len(path)]:
                best = (levels[-1].mark if levels else None) or _mark(event)
                if path == place:
                    return best
            if isinstance(event, yaml.ScalarEvent):
                if levels:
                    levels[-1].next()
            else:
                in_mapping = isinstance(event, yaml.MappingStartEvent)
                levels.append(_Level(in_mapping, None if in_mapping else 0))
    except yaml.YAMLError:
        # JSON that is no YAML has no marks; the reason is told all the same.
        pass
    return best


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


# What JSON allows and YAML does not, as long, so that every mark stays where it is.
_NO_YAML = re.compile(r"\\u[dD][89a-fA-F][0-9a-fA-F]{2}|[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def _as_yaml(text: str) -> str:
    if text.lstrip()[:1] != "{":
        return text
    return _NO_YAML.sub(lambda found: "_" * len(found[0]), text).replace("\t", " ")


def _unreadable(where: str, reason: str) -> InputError:
    return InputError(f"{where}: {reason}", slug="bad-document")
