"""NAME=VALUE and its relatives."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.cli.parsing import answers, numbers_by_part, pairs, scalars, variants
from crisplens.core.errors import InputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        (" 3 ", 3),
        ("0.5", 0.5),
        ("1e-3", 1e-3),
        ("true", True),
        ("false", False),
        ("True", "True"),
        ("", ""),
        ("007", "007"),
        ("1_000", "1_000"),
        ("nan", "nan"),
        ("Infinity", "Infinity"),
        ("1e400", "1e400"),
        ("9007199254740991", 9007199254740991),
        ("9007199254740992", "9007199254740992"),
        ("12345678901234567890", "12345678901234567890"),
        ("[1]", "[1]"),
        ("\u0661", "\u0661"),
        ("a=b", "a=b"),
    ],
)
def test_parameters_are_numbers_where_they_are_exact(text: str, value: object) -> None:
    found = scalars("--param", [f"x={text}"], example="depth=3")["x"]
    assert (found, type(found)) == (value, type(value))


@given(st.text(max_size=30))
def test_no_text_breaks_parameters(text: str) -> None:
    assert "x" in scalars("--param", [f"x={text}"], example="depth=3")


@given(st.lists(st.text(max_size=20), max_size=4))
def test_pairs_are_parsed_or_refused(items: list[str]) -> None:
    with contextlib.suppress(InputError):
        assert len(pairs("--metric", items, example="a=1")) == len(items)


def test_parts_may_hold_the_separators() -> None:
    found = numbers_by_part("--slice", ["plan=a:b:mae=1", "plan=a:b:rmse=2"], part="PART", example="")
    assert found == {"plan=a:b": {"mae": "1", "rmse": "2"}}


def test_answers() -> None:
    assert answers(["EV-1=met:reviewed: twice", "EV-2 = partial "]) == {
        "EV-1": ("met", "reviewed: twice"),
        "EV-2": ("partial", ""),
    }


def test_variants() -> None:
    assert variants(["b=m@2:10"]) == {"b": ("m@2", "10")}
    with pytest.raises(InputError, match="PERCENT"):
        variants(["b=m@2"])
