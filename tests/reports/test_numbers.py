from __future__ import annotations

import pytest

from crisplens.core.text import count
from crisplens.reports import numbers


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "\u2013"),
        (0, "0"),
        (12500, "12,500"),
        (0.123456, "0.1235"),
        (-0.5, "\u22120.5"),
        (1234.0, "1234"),
        (12345.6, "12,346"),
        (-98765.4, "\u221298,765"),
        (1e-9, "1e\u221209"),
        (1e300, "1e+300"),
    ],
)
def test_numbers_have_four_digits_and_separators(value: float | None, shown: str) -> None:
    assert numbers.show_number(value) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0.80", "0.80"),
        ("1234567.890123", "1,234,567.890123"),
        ("-12000", "\u221212,000"),
        ("1e9", "1e9"),
        (None, "\u2013"),
    ],
)
def test_decimals_keep_every_digit(text: str | None, shown: str) -> None:
    assert numbers.show_decimal(text) == shown


@pytest.mark.parametrize(
    ("value", "target", "shown"),
    [
        (0.8312, "0.80", "0.8312"),
        (101.25, "100", "101.25"),
        (0.79999999, "0.80", "0.79999999"),
        (0.80000001, "0.8", "0.80000001"),
        (0.8, "0.80", "0.8"),
    ],
)
def test_rounding_never_moves_a_result_onto_its_target(value: float, target: str, shown: str) -> None:
    assert numbers.show_measured(value, target) == shown


def test_times_digests_and_sizes() -> None:
    assert numbers.show_time("2026-11-21T03:24:59.123456Z") == "2026-11-21 03:24 UTC"
    assert numbers.show_digest("sha256:0123456789abcdef") == "0123456789ab\u2026"
    assert [numbers.show_size(size) for size in (1, 999, 1000, 1_310_000, 5 * 10**15)] == [
        "1 byte",
        "999 bytes",
        "1 kB",
        "1.31 MB",
        "5 PB",
    ]


def test_words() -> None:
    assert numbers.shorten("short", 5) == "short"
    assert numbers.shorten("a-long-name_01", 9) == "a-lo\u2026e_01"
    assert [count(number, "row") for number in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert [numbers.join_words(words) for words in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]
