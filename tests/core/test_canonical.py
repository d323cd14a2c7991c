"""Canonical JSON: the examples of RFC 8785, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from crisplens.core.canonical import CHUNK, canonical_json, digest_bytes, digest_file, digest_json
from crisplens.core.errors import InputError

MOST = 2**53 - 1

# The sample of RFC 8785, section 3.2.2 (its input) and 3.2.3 (its output, sorted).
RFC_SAMPLE = {
    "numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001],
    "string": "\u20ac$\u000f\u000aA'\u0042\u0022\u005c\\\"/",
    "literals": [None, True, False],
}
RFC_OUTPUT = (
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],'
    '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}'
)
# RFC 8785, section 3.2.3: property names and the order in which they stand.
RFC_ORDER = ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MOST, MOST)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=4
        )
    ),
    max_leaves=12,
)


def test_writes_the_sample_of_rfc_8785() -> None:
    assert canonical_json(RFC_SAMPLE) == RFC_OUTPUT


def test_sorts_names_by_utf_16_units() -> None:
    assert list(json.loads(canonical_json(dict.fromkeys(reversed(RFC_ORDER), 1)))) == RFC_ORDER


@pytest.mark.parametrize(
    ("number", "written"),
    # Samples of RFC 8785, appendix B.
    [
        (0.0, "0"),
        (-0.0, "0"),
        (5e-324, "5e-324"),
        (-5e-324, "-5e-324"),
        (1.7976931348623157e308, "1.7976931348623157e+308"),
        (9007199254740992.0, "9007199254740992"),
        (295147905179352830000.0, "295147905179352830000"),
        (9.999999999999997e22, "9.999999999999997e+22"),
        (1e23, "1e+23"),
        (1.0000000000000001e23, "1.0000000000000001e+23"),
        (999999999999999700000.0, "999999999999999700000"),
        (1e21, "1e+21"),
        (9.999999999999997e-7, "9.999999999999997e-7"),
        (0.000001, "0.000001"),
        (333333333.3333332, "333333333.3333332"),
        (333333333.33333325, "333333333.33333325"),
        (-0.0000033333333333333333, "-0.0000033333333333333333"),
        (1424953923781206.2, "1424953923781206.2"),
    ],
)
def test_writes_numbers_as_rfc_8785_does(number: float, written: str) -> None:
    assert canonical_json(number) == written


@given(json_values)
def test_reads_back_as_what_was_written_and_is_stable(value: Any) -> None:
    text = canonical_json(value)
    assert canonical_json(json.loads(text, parse_int=float)) == text


@given(json_values)
def test_the_fast_way_writes_what_rfc_8785_s_library_writes(value: Any) -> None:
    assert canonical_json(value) == rfc8785.dumps(value).decode()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False) | st.decimals(-9, 9, places=6).map(float)))
@settings(max_examples=500)
def test_the_fast_way_writes_the_numbers_that_rfc_8785_s_library_writes(numbers: list[float]) -> None:
    assert canonical_json(numbers) == rfc8785.dumps(numbers).decode()


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_text_is_escaped_as_rfc_8785_says(text: str) -> None:
    assert canonical_json({"a": [text]}) == rfc8785.dumps({"a": [text]}).decode()


@given(
    st.dictionaries(
        st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), st.integers(0, 9)
    )
)
def test_does_not_depend_on_the_order_of_names(value: dict[str, int]) -> None:
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        MOST + 1,
        -MOST - 1,
        {"a": [math.nan]},
        "\ud800",
        {"\udfff": 1},
        "nul\0",
        {"\0": 1},
    ],
)
def test_refuses_what_cannot_be_written_exactly(value: Any) -> None:
    with pytest.raises(InputError) as caught:
        canonical_json(value)
    assert caught.value.slug == "not-exact"


@pytest.mark.parametrize("text", ["\\u0000", "\\\\u0000", "a\\", "\\\\"])
def test_keeps_text_that_only_looks_like_an_escaped_nul(text: str) -> None:
    assert json.loads(canonical_json(text)) == text


def test_refuses_a_nul_after_a_backslash() -> None:
    with pytest.raises(InputError):
        canonical_json("\\\0")


def test_digests_are_sha_256_in_hexadecimal() -> None:
    assert digest_bytes(b"abc") == "sha256:" + hashlib.sha256(b"abc").hexdigest()
    assert digest_json({"b": 1, "a": 2}) == digest_bytes(b'{"a":2,"b":1}')


@pytest.mark.parametrize("size", [0, 1, CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_file_s_digest_is_that_of_its_bytes(tmp_path: Path, size: int) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * size)
    assert digest_file(file) == (digest_bytes(b"x" * size), size)


@pytest.mark.parametrize(("missing", "slug"), [("nowhere", "unreadable-file"), (".", "not-a-file")])
def test_a_file_that_cannot_be_read_is_bad_input(tmp_path: Path, missing: str, slug: str) -> None:
    with pytest.raises(InputError) as caught:
        digest_file(tmp_path / missing)
    assert caught.value.slug == slug
    assert str(tmp_path) in caught.value.message
