"""Names, texts, numbers, times and actors: what is accepted, and what the error says otherwise."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.actor import resolve_actor
from crisplens.core.clock import now, parse_time, to_text
from crisplens.core.decimals import check_decimal, check_number
from crisplens.core.errors import CrisplensError, InputError, Refused, RegistryError
from crisplens.core.names import check_name, nearest, unknown_name
from crisplens.core.text import MOST_CHARACTERS, check_text
from crisplens.core.work import no_project


def refused(call: Callable[[], object], slug: str, *words: str) -> None:
    """`call` raises an `InputError` with that slug, and says these words."""
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.slug == slug
    assert all(word in f"{caught.value.message}\n{caught.value.hint}" for word in words)


@pytest.mark.parametrize("name", ["a", "A-b_c.9", "0", "x" * 100])
def test_names_that_can_be_used(name: str) -> None:
    assert check_name("model", name) == name


@pytest.mark.parametrize("name", ["", " a", "a ", "-a", ".a", "a/b", "a@1", "ä", "x" * 101, "a\n"])
def test_names_that_cannot_be_used(name: str) -> None:
    refused(lambda: check_name("model", name), "bad-name", "model", repr(name), "1 to 100")


def test_the_nearest_names_come_first_whatever_their_case() -> None:
    assert nearest("CHRUN", ["churn", "return", "holdout"])[0] == "churn"
    assert nearest("zzz", ["churn"]) == []


@pytest.mark.parametrize(
    ("known", "hint"),
    [
        (["churn", "other"], "Did you mean churn?"),
        (["aaa", "bbb"], "Known: aaa, bbb."),
        ([f"{n:03}" for n in range(20)], "There are 20; the first are 000, 001"),
        ([], "Add one."),
    ],
)
def test_an_unknown_name_comes_with_what_is_known(known: list[str], hint: str) -> None:
    error = unknown_name("project", "chrn", known, none_yet="Add one.")
    assert error.slug == "unknown-name"
    assert hint in error.hint


@pytest.mark.parametrize("text", ["x", " x ", "x" * MOST_CHARACTERS])
def test_text_is_kept_as_given(text: str) -> None:
    assert check_text("the note", text) == text


def test_text_that_says_nothing_or_too_much_is_refused() -> None:
    refused(lambda: check_text("the note", " \n\t"), "empty-text", "the note")
    refused(lambda: check_text("the note", "x" * 11, most=10), "text-too-long", "11", "10")


@pytest.mark.parametrize(
    ("given_number", "kept"),
    [("0.80", "0.80"), (" 1 ", "1"), ("-3e-2", "-3e-2"), (0.1, "0.1"), (2400, "2400"), ("1" * 60, "1" * 60)],
)
def test_decimals_are_kept_as_written(given_number: str | float, kept: str) -> None:
    assert check_decimal("the target", given_number) == kept


@pytest.mark.parametrize(
    "wrong", ["", "x", "0,8", "1%", "nan", "inf", "-Infinity", "1" * 61, float("nan"), "0x10"]
)
def test_what_is_no_decimal_is_refused(wrong: str | float) -> None:
    refused(lambda: check_decimal("the target", wrong), "not-a-number", "the target", str(wrong)[:60])


HUGE = pytest.param(
    10**400,
    id="10**400",
    marks=pytest.mark.xfail(strict=True, raises=OverflowError, reason="float() of it overflows"),
)


@pytest.mark.parametrize("wrong", ["", "x", "nan", "1e400", "1_0", float("inf"), 10**400])
def test_what_is_no_finite_number_is_refused(wrong: str | float) -> None:
    refused(lambda: check_number("the metric auc", wrong), "not-a-number", "the metric auc")


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_kept_exactly(number: float) -> None:
    assert check_number("n", repr(number)) == number == check_number("n", number)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-01", "2026-03-01T00:00:00.000000Z"),
        ("2026-03-01T12:30", "2026-03-01T12:30:00.000000Z"),
        ("2026-03-01T12:30:00+01:00", "2026-03-01T11:30:00.000000Z"),
        ("2026-03-01T12:30:00.5Z", "2026-03-01T12:30:00.500000Z"),
    ],
)
def test_times_are_utc_to_the_microsecond(text: str, moment: str) -> None:
    assert to_text(parse_time(text)) == moment


@pytest.mark.parametrize("text", ["", "yesterday", "2026-13-01", "12:30", "2026-03-01T25:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    refused(lambda: parse_time(text), "bad-time", repr(text), "ISO 8601")


moments = st.datetimes(datetime(1000, 1, 1), timezones=st.just(UTC))


@given(moments, moments)
def test_the_order_of_texts_is_the_order_of_times(one: datetime, other: datetime) -> None:
    assert (to_text(one) < to_text(other)) == (one < other)
    assert parse_time(to_text(one)) == one


def test_early_years_have_four_digits() -> None:
    assert to_text(datetime(999, 1, 1, tzinfo=UTC)) == "0999-01-01T00:00:00.000000Z"


@pytest.mark.parametrize("text", ["0001-01-01T00:00+14:00", "9999-12-31T23:00-12:00"])
def test_times_that_utc_cannot_say_are_refused(text: str) -> None:
    refused(lambda: to_text(parse_time(text)), "bad-time", repr(text))


def test_now_is_in_utc() -> None:
    assert now().tzinfo is UTC


@pytest.mark.parametrize(
    ("option", "environment", "configured", "expected"),
    [
        ("o@x", {"CRISPLENS_ACTOR": "e@x"}, "c@x", ("o@x", "option")),
        (None, {"CRISPLENS_ACTOR": "e@x"}, "c@x", ("e@x", "environment")),
        (None, {}, "c@x", ("c@x", "configuration")),
        (None, {}, None, ("g@x", "git")),
        (" o@x ", {}, None, ("o@x", "option")),
    ],
)
def test_the_actor_is_the_first_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
    option: str | None,
    environment: dict[str, str],
    configured: str | None,
    expected: tuple[str, str],
) -> None:
    monkeypatch.setattr("crisplens.core.actor._git_email", lambda: "g@x")
    actor = resolve_actor(option, environment, configured)
    assert (actor.id, actor.source) == expected


@pytest.mark.parametrize("wrong", ["", "  ", "a\nb", "x" * 321, "\0"])
def test_an_actor_that_is_no_stable_identity_is_refused(wrong: str) -> None:
    refused(lambda: resolve_actor(wrong, {}, None), "bad-actor", "option")
    refused(lambda: resolve_actor(None, {"CRISPLENS_ACTOR": wrong}, None), "bad-actor", "environment")


@pytest.mark.parametrize("failure", [FileNotFoundError(), subprocess.TimeoutExpired("git", 5), None])
def test_nobody_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch, failure: Exception | None) -> None:
    def run(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        if failure:
            raise failure
        return subprocess.CompletedProcess([], 1, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    refused(lambda: resolve_actor(None, {}, None), "no-actor", "--actor", "CRISPLENS_ACTOR", "user.email")


def test_exit_codes_tell_kinds_of_errors_apart() -> None:
    assert (InputError.exit_code, Refused.exit_code, RegistryError.exit_code) == (2, 1, 3)
    error = no_project()
    assert isinstance(error, CrisplensError)
    assert str(error) == error.message
    assert error.slug == "no-project"
