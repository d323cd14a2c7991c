"""Constraints that people write: read from YAML or JSON, with every mistake told by line and column; and written."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec

from crisplens.core.documents import Document, Place
from crisplens.core.errors import InputError
from crisplens.core.names import nearest
from crisplens.monitors.quality.model import (
    ColumnConstraint,
    ConstraintPart,
    Constraints,
    Duplicates,
    Freshness,
    Rule,
    Volume,
)

VERSION = 1
MOST_COLUMNS = 20_000

# What the YAML library writes so that it is not read as it was, unless it writes ASCII.
_ODD = re.compile("[\x85\u2028\u2029\ufeff\ufffe\uffff]")
_SHARES = ("most_nulls", "most_not_finite", "most_misfits", "most_outside")


def read_constraints(document: Document) -> Constraints:
    """The constraints that a document (see `crisplens.core.documents.read_document`) holds.

    Raises `InputError` with file, line, column and reason for the first thing that cannot be; a field that is not
    known comes with the nearest that is.
    """
    if not isinstance(document.value, dict):
        raise document.fault("constraints are a mapping with version, columns and what else is demanded")
    for place, part, kind in _parts(document.value):
        _check_fields(document, place, part, kind)
    constraints = document.convert(Constraints)
    for place, reason in faults(constraints):
        raise document.fault(f"{reason} ({written_place(place)})", *place)
    return constraints


def write_constraints(constraints: Constraints) -> str:
    """Constraints as YAML that `read_constraints` reads as equal; what demands nothing is left out."""
    import yaml

    plain = {"version": constraints.version, **_without_defaults(constraints)}
    plainly = not _ODD.search(msgspec.json.encode(plain).decode())
    return str(yaml.safe_dump(plain, sort_keys=False, allow_unicode=plainly, width=100))


def faults(constraints: Constraints) -> Iterator[tuple[Place, str]]:
    """What cannot be in constraints of the right form: where (keys as they are written), and why."""
    if constraints.version != VERSION:
        yield ("version",), f"{constraints.version} is no version that is read; it is {VERSION}"
    if len(constraints.columns) > MOST_COLUMNS:
        yield (
            ("columns",),
            f"there are {len(constraints.columns):,} columns; at most {MOST_COLUMNS:,} are read",
        )
    first: dict[str, int] = {}
    for index, column in enumerate(constraints.columns):
        if first.setdefault(column.column, index) != index:
            yield ("columns", index, "column"), f"{column.column[:100]!r} has constraints already"
        for name, reason in _column_faults(column):
            yield ("columns", index, name), reason
    for name, reason in _volume_faults(constraints.volume or Volume()):
        yield ("volume", name), reason
    if constraints.freshness and not 0 < constraints.freshness.most_hours < math.inf:
        yield ("freshness", "most-hours"), f"{constraints.freshness.most_hours:g} is no age above 0"
    if constraints.duplicates:
        if not _is_share(constraints.duplicates.most):
            yield ("duplicates", "most"), _no_share(constraints.duplicates.most)
        if len(set(constraints.duplicates.columns)) < len(constraints.duplicates.columns):
            yield ("duplicates", "columns"), "a column is given twice"


def written_place(place: Place) -> str:
    """A place as people write it: `columns[3].most-nulls`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).lstrip(".")[:200]


def _parts(value: dict[str, Any]) -> Iterator[tuple[Place, Any, type[ConstraintPart]]]:
    yield (), value, Constraints
    columns = value.get("columns")
    for index, column in enumerate(columns if isinstance(columns, list) else ()):
        yield ("columns", index), column, ColumnConstraint
    yield ("volume",), value.get("volume"), Volume
    yield ("freshness",), value.get("freshness"), Freshness
    yield ("duplicates",), value.get("duplicates"), Duplicates


def _check_fields(document: Document, place: Place, part: Any, kind: type[ConstraintPart]) -> None:
    known = kind.__struct_encode_fields__
    for name in part if isinstance(part, dict) else ():
        if name not in known:
            raise _unknown(document, f"there is no field {name[:100]!r}", name, known, (*place, name))
    if kind is Constraints and isinstance(part.get("severities"), dict):
        rules = [rule.value for rule in Rule]
        for name in part["severities"]:
            if name not in rules:
                place = ("severities", name)
                raise _unknown(document, f"there is no rule {name[:100]!r}", name, rules, place)


def _unknown(
    document: Document, reason: str, name: str, known: tuple[str, ...] | list[str], place: Place
) -> InputError:
    close = nearest(name, known)
    hint = f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(known)}."
    return document.fault(f"{reason} ({written_place(place)})", *place, hint=hint)


def _column_faults(column: ColumnConstraint) -> Iterator[tuple[str, str]]:
    if not column.column:
        yield "column", "the name is empty"
    for field in _SHARES:
        share = getattr(column, field)
        if share is not None and not _is_share(share):
            yield field.replace("_", "-"), _no_share(share)
    for field in ("minimum", "maximum"):
        bound = getattr(column, field)
        if bound is not None and not math.isfinite(bound):
            yield field, f"{bound} is no finite number"
    if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:
        yield "minimum", f"{column.minimum:g} is above the maximum, {column.maximum:g}"
    if column.categories is not None and len(set(column.categories)) < len(column.categories):
        yield "categories", "a category is given twice"
    yield from _bound_faults("least-unique", column.least_unique, "most-unique", column.most_unique)


def _volume_faults(volume: Volume) -> Iterator[tuple[str, str]]:
    yield from _bound_faults("least", volume.least, "most", volume.most)
    yield from _bound_faults(
        "least-of-reference", volume.least_of_reference, "most-of-reference", volume.most_of_reference
    )


def _bound_faults(low: str, least: float | None, high: str, most: float | None) -> Iterator[tuple[str, str]]:
    for name, bound in ((low, least), (high, most)):
        if bound is not None and not 0 <= bound < math.inf:
            yield name, f"{bound:g} is not 0 or more"
    if least is not None and most is not None and least > most:
        yield low, f"{least:g} is above {high}, {most:g}"


def _is_share(number: float) -> bool:
    return 0 <= number <= 1


def _no_share(number: float) -> str:
    return f"{number:g} is no share from 0 to 1"


def _without_defaults(part: ConstraintPart) -> dict[str, Any]:
    """A part's fields that differ from their defaults, as they are written, in the order of the class."""
    plain: dict[str, Any] = {}
    for field in msgspec.structs.fields(part):
        value = getattr(part, field.name)
        default = {} if field.default_factory is dict else field.default
        if value != default:
            plain[field.encode_name] = _plain(value)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, ConstraintPart):
        return _without_defaults(value)
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
    return msgspec.to_builtins(value)
