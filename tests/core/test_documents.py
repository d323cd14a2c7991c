"""Documents that users write: read as plain data within bounds, and every fault told with its place."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crisplens.core.documents import (
    MOST_DEPTH,
    MOST_JSON_BYTES,
    MOST_YAML_BYTES,
    Document,
    read_document,
    read_document_file,
)
from crisplens.core.errors import InputError


def read(text: str | bytes, name: str = "a.yaml") -> Document:
    return read_document(text if isinstance(text, bytes) else text.encode(), name)


def refused(text: str | bytes, name: str = "a.yaml") -> str:
    with pytest.raises(InputError) as caught:
        read(text, name)
    assert (caught.value.slug, caught.value.exit_code) == ("bad-document", 2)
    return caught.value.message


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("a: 1", {"a": 1}),
        ("a: [yes, No, true, OFF]", {"a": [True, False, True, False]}),
        ("a: [~, null, '']", {"a": [None, None, ""]}),
        ("a: 2026-01-31", {"a": "2026-01-31"}),
        ("a: 2026-01-31T12:00:00Z", {"a": "2026-01-31T12:00:00Z"}),
        ("a: [1, -2, 1_000, .5, 1.5e+3, '3']", {"a": [1, -2, 1000, 0.5, 1500.0, "3"]}),
        ("a: !!str 3", {"a": "3"}),
        ("1: a\nyes: b", {"1": "a", "yes": "b"}),
        ("<<: {a: 1}", {"<<": {"a": 1}}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("{a: 1}", {"a": 1}),
        ("\ufeffa: 1", {"a": 1}),
        ('\ufeff {"a": 1}', {"a": 1}),
        ('{"a": [1, 2.5, true, null, "x"]}', {"a": [1, 2.5, True, None, "x"]}),
        ("[1, 2]", [1, 2]),
    ],
)
def test_yaml_and_json_are_read_as_plain_data(text: str, value: Any) -> None:
    assert read(text).value == value


def test_text_that_is_json_is_read_so_whatever_it_is_called() -> None:
    text = '{"a": "\\u00e4"}'
    assert [read(text, name).value for name in ("a.yaml", "a.json", "a")] == [{"a": "ä"}] * 3
    assert "a.json, line 1, column 2" in refused("{a: 1}", "a.json")


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("a: &x 1\nb: *x", "line 1, column 4", "anchors and aliases are not read"),
        ("a: 1\nb: *x", "line 2, column 4", "anchors and aliases are not read"),
        ("a: {b: &x [1]}", "line 1, column 8", "anchors and aliases are not read"),
        ("a: !foo 1", "line 1, column 4", "the tag !foo is not read"),
        ("a: !!python/name:os.system x", "line 1, column 4", "is not read"),
        ("a: !!binary aGk=", "line 1, column 4", "is not read"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "line 4, column 3", "'c' is given twice"),
        ("a: 1\n'a': 2", "line 2, column 1", "'a' is given twice"),
        ("? [a]\n: 1", "line 1, column 3", "a key is text"),
        ("a:\n  - .nan", "line 2, column 5", ".nan is no plain number"),
        ("a: -.inf", "line 1, column 4", "-.inf is no plain number"),
        ("a: 1.0e+400", "line 1, column 4", "is no plain number"),
        ("a: 0x1F", "line 1, column 4", "write text in quotes"),
        ("a: 1:30", "line 1, column 4", "write text in quotes"),
        ("a: !!int abc", "line 1, column 4", "abc is no plain number"),
        (f"a: {'9' * 5000}", "line 1, column 4", f"{'9' * 40} is no plain number"),
        ("a: [", "line 2, column 1", "did not find expected node content"),
        ("a:\n\t- b", "line 2, column 1", "found character that cannot start any token"),
        ("a: 1\n---\nb: 2", "line 2, column 1", "another document"),
        (b"a: 1\nb: \xff", "line 2", "is not UTF-8 text"),
        ("a: 1".encode("utf-16"), "line 1", "is not UTF-8 text"),
        ("[" * 41 + "]" * 41, "line 1, column 41", "is nested too deeply"),
        ("- " * 41 + "x", "line 1, column 81", "is nested too deeply"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_its_place(text: str | bytes, place: str, reason: str) -> None:
    said = refused(text)
    assert said.startswith(f"a.yaml, {place}: ")
    assert reason in said


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1,\n "b": }', "line 2, column 7"),
        ('{"a": 1, "a": 2}', "gives 'a' twice in one object"),
        ('{"x": {"a": 1, "b": 2, "b": 2}}', "gives 'b' twice in one object"),
        ('{"a": NaN}', "holds NaN, which is no number of JSON"),
        ('{"a": -Infinity}', "holds -Infinity"),
        ('{"a": "\\ud800"}', "half of a surrogate pair"),
        ('{"a":' * 41 + "1" + "}" * 41, "is nested too deeply"),
        ('{"a":' * 100_000 + "1" + "}" * 100_000, "is nested too deeply"),
        (f'{{"a": {"9" * 5000}}}', "4300 digits"),
        ('{"a": 1} x', "line 1, column 10"),
        ("{", "line 1, column 2"),
    ],
)
def test_what_is_no_plain_json_is_refused(text: str, reason: str) -> None:
    said = refused(text, "a.json")
    assert said.startswith("a.json")
    assert reason in said


def test_a_document_may_be_as_deep_as_is_said() -> None:
    assert read("[" * MOST_DEPTH + "]" * MOST_DEPTH).value
    # The innermost number counts as a part too.
    inner = MOST_DEPTH - 1
    assert read('{"a":' * inner + "1" + "}" * inner, "a.json").value
    assert "too deeply" in refused('{"a":' * MOST_DEPTH + "1" + "}" * MOST_DEPTH, "a.json")


def test_a_document_may_be_as_long_as_is_said(tmp_path: Path) -> None:
    rest = MOST_YAML_BYTES - len("a: ")
    assert read("a: " + "x" * rest).value
    assert "is longer than 2 MiB" in refused("a: " + "x" * (rest + 1))
    assert "is longer than 2 MiB" in refused("a: " + "ä" * rest)
    assert read(json.dumps({"a": "x" * MOST_YAML_BYTES}), "a.json").value
    file = tmp_path / "long.json"
    file.write_bytes(b'{"a": "' + b"x" * MOST_JSON_BYTES + b'"}')
    with pytest.raises(InputError, match="32 MiB"):
        read_document_file(file)


@pytest.mark.parametrize("name", ["none.yaml", "", "x" * 300])
def test_a_file_that_cannot_be_read_is_said_to_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="cannot read") as caught:
        read_document_file(tmp_path / name)
    assert caught.value.slug == "unreadable-file"


def test_a_file_is_called_by_its_name_alone(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [", encoding="utf-8")
    with pytest.raises(InputError, match=r"^a\.yaml, line "):
        read_document_file(tmp_path / "a.yaml")


class Part(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    count: int = 1


class Whole(msgspec.Struct, forbid_unknown_fields=True):
    title: str
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = {}


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("", (1, 1), "Expected `object`, got `null`"),
        ("- a", (1, 1), "Expected `object`, got `array`"),
        ("parts: []", (1, 1), "missing required field `title`"),
        ("title: 3", (1, 1), "Expected `str`, got `int` (title)"),
        ("title: a\nparst: []", (2, 1), "unknown field `parst`"),
        ("title: a\nparts:\n  - name: b\n  - nam: b", (4, 5), "unknown field `nam`"),
        ("title: a\nparts:\n  - name: b\n  - count: 2", (4, 5), "missing required field `name` (parts[1])"),
        ("title: a\nparts:\n  - {name: b, count: x}", (3, 15), "Expected `int`, got `str` (parts[0].count)"),
        ("title: a\nparts:\n  - name: b\n    count:\n      - 1", (4, 5), "Expected `int`, got `array`"),
        ('{"title": "a",\n\t"parts": [{"name": "\\ud83d\\ude00", "count": "x"}]}', (2, 37), "Expected `int`"),
        ('{"title": "\u2028\x7f", "parts": 3}', (1, 17), "Expected `array`, got `int`"),
    ],
)
def test_a_part_of_the_wrong_kind_is_told_with_its_place(
    text: str, place: tuple[int, int], reason: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(text, "w").convert(Whole)
    assert caught.value.message.startswith(f"w, line {place[0]}, column {place[1]}: ")
    assert reason in caught.value.message


def test_what_converts_is_what_was_written() -> None:
    whole = read("title: a\nparts: [{name: b}]\nby_name: {x: {name: c, count: 2}}").convert(Whole)
    assert whole == Whole(title="a", parts=(Part("b"),), by_name={"x": Part("c", 2)})


@pytest.mark.parametrize(
    ("steps", "place"),
    [
        ((), "1, column 1"),
        (("a",), "1, column 1"),
        (("b",), "2, column 1"),
        (("b", 0), "3, column 5"),
        (("b", 1, "d"), "4, column 5"),
        (("b", 1, "missing"), "4, column 5"),
        (("b", 9), "2, column 1"),
        (("missing", "x"), "1, column 1"),
    ],
)
def test_the_place_of_a_part_is_where_it_or_what_is_around_it_begins(
    steps: tuple[str | int, ...], place: str
) -> None:
    assert read("a: 1\nb:\n  - c\n  - d: 2\n").where(*steps) == f"a.yaml, line {place}"


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=12,
)
PUNCTUATION = st.text("{}[]:,-?!&*|>'\"#%@` \n\t\\ab1.~<=", max_size=40)


def _is_a_document_or_an_input_error(data: bytes, name: str) -> None:
    try:
        document = read_document(data, name)
    except InputError as told:
        said = told.message
    else:
        for kind in (Whole, tuple[Part, ...]):
            with contextlib.suppress(InputError):
                document.convert(kind)
        said = document.where()
    assert said.startswith(name)
    assert said.encode()


@given(st.text(max_size=60) | PUNCTUATION, st.sampled_from(["a.yaml", "a.json", "-"]))
@example("a: !!float .inf", "a.yaml")
@example("%YAML 3.0\n---\na", "a.yaml")
@example("!<> a", "a.yaml")
@example("a: \x01", "a.yaml")
@example("a: !!timestamp x", "a.yaml")
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_document_or_a_told_error(text: str, name: str) -> None:
    _is_a_document_or_an_input_error(text.encode("utf-8", "surrogatepass"), name)


@given(st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_a_document_or_a_told_error(data: bytes) -> None:
    _is_a_document_or_an_input_error(data, "a.yaml")


@given(VALUES)
@settings(max_examples=150, deadline=None)
def test_any_json_is_read_as_it_was_written(value: Any) -> None:
    text = json.dumps({"value": value}, allow_nan=False) if _finite(value) else None
    if text is None:
        return
    document = read(text, "a.json")
    assert document.value == {"value": value}
    assert document.where("value") == "a.json, line 1, column 2"


def _finite(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False).encode()
    except (ValueError, UnicodeEncodeError):
        return False
    return True


DEFECT = "reported: see the test's name"


def test_a_number_too_large_for_a_float_is_told() -> None:
    assert "is no plain number" in refused("a: " + "9" * 400)


def test_a_json_number_that_overflows_is_told() -> None:
    refused('{"a": 1e400}', "a.json")


@pytest.mark.parametrize(
    "text", ["!foo {a: 1}", "a: !!python/tuple [1]", "!foo a: 1", "!!set {a, b}", "a: !!bool maybe"]
)
def test_no_tag_is_read_on_any_node(text: str) -> None:
    refused(text)


def test_a_name_that_no_file_can_have_is_told() -> None:
    with pytest.raises(InputError):
        read_document_file(Path("a\0.yaml"))


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("title: a\nby_name:\n  x: {name: b}\n  y:\n    name: 3", "line 5, column 5"),
        ("title: a\nby_name:\n  x: {name: b}\n  y:\n    name: b\n    nam: 3", "line 6, column 5"),
    ],
)
def test_a_fault_below_a_name_of_the_writers_is_told_with_its_place(text: str, place: str) -> None:
    with pytest.raises(InputError, match=place):
        read(text).convert(Whole)


@pytest.mark.parametrize(("text", "line"), [('{"a": 1,\n"a": 2}', 2), ('{"a":\nNaN}', 2)])
def test_every_fault_of_json_is_told_with_its_line(text: str, line: int) -> None:
    assert f"line {line}" in refused(text, "a.json")


def test_yaml_of_any_depth_leaves_the_process_alive() -> None:
    code = (
        "from crisplens.core.documents import read_document\n"
        "from crisplens.core.errors import InputError\n"
        "try: read_document(b'- ' * 100_000, 'a.yaml')\n"
        "except InputError as told: print(told.message)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "nested too deeply" in done.stdout
