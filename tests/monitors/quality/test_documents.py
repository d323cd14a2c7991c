"""Constraints as people write them: read with the place of every mistake, and written so that they read as equal."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.documents import Document, read_document
from crisplens.core.errors import InputError
from crisplens.monitors.model import Family
from crisplens.monitors.quality.documents import MOST_COLUMNS, read_constraints, write_constraints
from crisplens.monitors.quality.model import (
    ColumnConstraint,
    Constraints,
    Duplicates,
    Freshness,
    Rule,
    Severity,
    Volume,
)

FULL = """\
version: 1
extra-columns: true
columns:
- column: age
  family: number
  whole: true
  most-nulls: 0.02
  minimum: 0
  maximum: 120
- column: country
  required: false
  categories: [de, 'no', fr]
  most-outside: 0.01
volume: {least: 100, most-of-reference: 2.5}
freshness: {column: created, most-hours: 24}
duplicates: {columns: [id], most: 0.001}
severities: {above-maximum: error}
"""


def read(text: str, name: str = "c.yaml") -> Constraints:
    return read_constraints(read_document(text.encode(), name))


def refused(text: str) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.slug == "bad-document"
    return caught.value


def test_all_that_can_be_demanded_is_read():
    constraints = read(FULL)
    age, country = constraints.columns
    assert (age.family, age.whole, age.most_nulls, age.maximum) == (Family.NUMBER, True, 0.02, 120.0)
    assert (country.required, country.categories) == (False, ("de", "no", "fr"))
    assert constraints.volume == Volume(least=100, most_of_reference=2.5)
    assert constraints.freshness == Freshness(column="created", most_hours=24)
    assert constraints.duplicates == Duplicates(columns=("id",), most=0.001)
    assert constraints.severities == {Rule.ABOVE_MAXIMUM: Severity.ERROR}


def test_json_is_read_as_well():
    assert read(json.dumps(msgspec.to_builtins(read(FULL))), "c.json") == read(FULL)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("[1]", "line 1, column 1", "a mapping"),
        ("version: 2", "line 1, column 1", "it is 1"),
        ("columns: 3", "line 1, column 1", "Expected `array`"),
        ("columns:\n- family: number", "line 2, column 3", "missing required field `column`"),
        ("columns:\n- column: ''", "line 2, column 3", "the name is empty"),
        ("columns:\n- column: a\n- column: a", "line 3, column 3", "has constraints already"),
        ("columns:\n- column: a\n  most-nulls: 1.5", "line 3, column 3", "no share from 0 to 1"),
        ("columns:\n- column: a\n  most-outside: -1", "line 3, column 3", "no share from 0 to 1"),
        ("columns:\n- column: a\n  most-misfits: x", "line 3, column 3", "Expected `float"),
        ("columns:\n- column: a\n  minimum: 2\n  maximum: 1", "line 3, column 3", "above the maximum"),
        ("columns:\n- column: a\n  family: numeric", "line 3, column 3", "'numeric'"),
        ("columns:\n- column: a\n  categories: [x, x]", "line 3, column 3", "a category is given twice"),
        (
            "columns:\n- column: a\n  least-unique: 5\n  most-unique: 4",
            "line 3, column 3",
            "above most-unique",
        ),
        ("volume: {least: -1}", "line 1, column 10", "is not 0 or more"),
        ("volume: {least: 5, most: 4}", "line 1, column 10", "above most"),
        ("freshness: {column: a, most-hours: 0}", "line 1, column 24", "no age above 0"),
        ("duplicates: {most: 2}", "line 1, column 14", "no share"),
        ("duplicates: {columns: [a, a]}", "line 1, column 14", "given twice"),
        ("severities: {nulls: fatal}", "line 1, column 14", "'fatal'"),
    ],
)
def test_a_mistake_is_told_with_its_line_column_and_reason(text, place, reason):
    message = refused(text).message
    assert message.startswith(f"c.yaml, {place}: ")
    assert reason in message


@pytest.mark.parametrize(
    ("text", "field", "meant"),
    [
        ("colums: []", "'colums'", "columns"),
        ("columns:\n- column: a\n  max-nulls: 0.1", "'max-nulls'", "most-nulls"),
        ("columns:\n- column: a\n  most_nulls: 0.1", "columns[0].most_nulls", "most-nulls"),
        ("volume: {leest: 1}", "volume.leest", "least"),
        ("freshness: {colunm: a}", "freshness.colunm", "column"),
        ("severities: {null: error}", "'null'", "nulls"),
    ],
)
def test_an_unknown_field_comes_with_the_nearest_known_one(text, field, meant):
    error = refused(text)
    assert field in error.message
    assert error.hint.startswith(f"Did you mean {meant}")


def test_a_field_unlike_any_comes_with_all_that_are_known():
    assert "extra-columns" in refused("qqqqqqqq: 1").hint


def test_there_may_be_many_columns_but_not_any_number():
    many = "columns:\n" + "\n".join(f"- column: c{i}" for i in range(MOST_COLUMNS + 1))
    assert "at most 20,000" in refused(many).message


def test_what_demands_nothing_is_not_written():
    written = write_constraints(Constraints(columns=(ColumnConstraint(column="a", most_nulls=0.5),)))
    assert written == "version: 1\ncolumns:\n- column: a\n  most-nulls: 0.5\n"


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
odd = st.sampled_from(
    [
        "yes",
        "null",
        "1",
        "1.0",
        "~",
        "2026-01-01",
        "a: b",
        "- x",
        "#",
        " ",
        "\x00",
        "\x85",
        "\ufeff",
        "<<",
        "=",
    ]
)
names = texts | odd
shares = st.floats(0, 1)
finite = st.floats(allow_nan=False, allow_infinity=False)
counts = st.none() | st.integers(0, 2**53)


@st.composite
def columns(draw, name):
    low, high = sorted((draw(finite), draw(finite)))
    return ColumnConstraint(
        column=name,
        required=draw(st.booleans()),
        family=draw(st.none() | st.sampled_from(Family)),
        type=draw(st.none() | names),
        whole=draw(st.booleans()),
        most_misfits=draw(shares),
        most_nulls=draw(st.none() | shares),
        most_not_finite=draw(st.none() | shares),
        non_negative=draw(st.booleans()),
        minimum=draw(st.none() | st.just(low)),
        maximum=draw(st.none() | st.just(high)),
        categories=draw(st.none() | st.lists(names, unique=True, max_size=3).map(tuple)),
        most_outside=draw(shares),
        unique=draw(st.booleans()),
        most_unique=draw(counts),
    )


@st.composite
def all_constraints(draw):
    named = draw(st.lists(names, unique=True, max_size=3))
    return Constraints(
        columns=tuple(draw(columns(name)) for name in named),
        extra_columns=draw(st.booleans()),
        volume=draw(
            st.none() | st.builds(Volume, least=counts, most_of_reference=st.none() | st.floats(0, 9))
        ),
        freshness=draw(st.none() | st.builds(Freshness, column=names, most_hours=st.floats(0.1, 1e6))),
        duplicates=draw(
            st.none()
            | st.builds(Duplicates, columns=st.lists(names, unique=True, max_size=2).map(tuple), most=shares)
        ),
        severities=draw(st.dictionaries(st.sampled_from(Rule), st.sampled_from(Severity), max_size=3)),
    )


@given(all_constraints())
def test_what_is_written_reads_as_equal_and_is_written_the_same_again(constraints):
    written = write_constraints(constraints)
    assert read(written) == constraints
    assert write_constraints(read(written)) == written
    assert msgspec.json.decode(msgspec.json.encode(constraints), type=Constraints) == constraints


@given(
    st.recursive(
        st.none() | st.booleans() | finite | names,
        lambda x: (
            st.lists(x, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["version", "columns", "column", "volume", "least", "severities", "duplicates", "most"]
                )
                | names,
                x,
                max_size=3,
            )
        ),
    )
)
def test_any_document_is_read_or_refused_with_its_place(value):
    document = read_document(
        json.dumps({"columns": value} if not isinstance(value, dict) else value).encode(), "c.json"
    )
    assert outcome(document) is None or outcome(document).startswith("c.json, line 1, column ")


def outcome(document: Document) -> str | None:
    """The message of a refusal; None when the constraints are read."""
    try:
        read_constraints(document)
    except InputError as error:
        return error.message
    return None
