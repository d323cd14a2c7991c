"""The risk register: recorded, changed, reviewed, closed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.clock import now
from crisplens.core.dates import day_after, day_of
from crisplens.lifecycle.risks.queries import Risk
from tests.conftest import ANA, BO, assert_refused

pytestmark = pytest.mark.stored

GIVEN = {"likelihood": "possible", "impact": "major", "review_by": "2026-06-01"}


@pytest.fixture
def risky(registry: Registry) -> Registry:
    """One risk, recorded by Ana with everything."""
    registry.risk.add(
        "Labels come late",
        **GIVEN,
        description="Churn is known after 90 days.",
        owner=BO,
        mitigation="A proxy label.",
        controls=["EV-1"],
    )
    return registry


def tomorrow() -> str:
    """The day after this one, in UTC."""
    return day_after(day_of(now()))


def test_a_risk_says_what_how_bad_and_who_answers(risky: Registry) -> None:
    (risk,) = risky.risk.list()
    (control,) = risk.controls
    assert "EV-1" in control
    assert risk == Risk(
        id="risk-1",
        title="Labels come late",
        description="Churn is known after 90 days.",
        likelihood="possible",
        impact="major",
        owner=BO,
        mitigation="A proxy label.",
        review_by="2026-06-01",
        controls=(control,),
        state="open",
        reviewed_by=None,
        reviewed_at=None,
        review_note=None,
        closed_by=None,
        closed_at=None,
        close_reason=None,
        recorded_by=ANA,
        recorded_at=risk.recorded_at,
        seq=risk.seq,
        changed_seq=risk.seq,
    )
    assert (risk.score, risk.level, risk.is_open) == (12, "high", True)
    assert risky.risk.show("risk-1") == risk
    assert risky.audit.verify().passed


def test_a_risk_is_its_recorders_unless_named(registry: Registry) -> None:
    risk = registry.acting_as(BO).risk.add("Rows are lost", **GIVEN)
    assert (risk.owner, risk.recorded_by) == (BO, BO)
    assert (risk.description, risk.mitigation, risk.controls) == ("", "", ())


def test_a_control_named_twice_counts_once(registry: Registry) -> None:
    assert len(registry.risk.add("Rows are lost", **GIVEN, controls=["EV-1", "EV-1"]).controls) == 1


def test_only_what_is_given_changes(risky: Registry) -> None:
    before = risky.risk.show("risk-1")
    after = risky.acting_as(BO).risk.update("risk-1", impact="severe", mitigation="")
    assert (after.impact, after.mitigation, after.level) == ("severe", "", "high")
    kept = ("title", "description", "likelihood", "owner", "review_by", "controls", "state", "seq")
    assert [getattr(after, name) for name in kept] == [getattr(before, name) for name in kept]
    assert (after.recorded_by, after.recorded_at) == (ANA, before.recorded_at)
    rest = {"title": "T", "description": "D", "likelihood": "rare", "owner": "O", "review_by": "2026-07-01"}
    stated = risky.risk.update("risk-1", **rest, controls=[])
    assert {name: getattr(stated, name) for name in rest} == rest
    assert stated.controls == ()
    assert risky.risk.list() == [stated]
    assert risky.audit.verify().passed


@pytest.mark.parametrize("given", [{}, {"impact": "major"}, {"controls": ["EV-1"], "owner": BO}])
def test_a_change_changes_something(risky: Registry, given: dict[str, Any]) -> None:
    call = lambda: risky.risk.update("risk-1", **given)  # noqa: E731
    assert_refused(risky, call, "nothing-to-change", "risk-1", "mitigation")


def test_a_review_says_how_the_risk_stands_and_when_it_is_next(risky: Registry) -> None:
    first = risky.acting_as(BO).risk.review("risk-1", note="Half as late.", review_by=tomorrow())
    assert (first.likelihood, first.impact, first.review_by) == ("possible", "major", tomorrow())
    assert (first.reviewed_by, first.review_note, first.recorded_by) == (BO, "Half as late.", ANA)
    assert first.reviewed_at
    second = risky.risk.review(
        "risk-1", note="Again.", review_by="2999-01-01", likelihood="rare", impact="minor"
    )
    assert (second.likelihood, second.impact, second.level) == ("rare", "minor", "low")
    assert (second.reviewed_by, second.review_note, second.state) == (ANA, "Again.", "open")
    assert risky.risk.show("risk-1") == second
    assert risky.audit.verify().passed


def test_a_change_leaves_the_review_as_it_was(risky: Registry) -> None:
    reviewed = risky.acting_as(BO).risk.review("risk-1", note="n", review_by="2999-01-01")
    changed = risky.risk.update("risk-1", title="Labels are late")
    assert (changed.reviewed_by, changed.reviewed_at, changed.review_note, changed.review_by) == (
        BO,
        reviewed.reviewed_at,
        "n",
        "2999-01-01",
    )


@pytest.mark.parametrize(
    ("today", "overdue"), [("2026-05-31", False), ("2026-06-01", False), ("2026-06-02", True)]
)
def test_a_review_is_overdue_after_its_day(risky: Registry, today: str, overdue: bool) -> None:
    assert risky.risk.show("risk-1").is_overdue(today) is overdue
    assert risky.risk.close("risk-1", reason="gone").is_overdue(today) is False


def test_a_closed_risk_stays_closed(risky: Registry) -> None:
    closed = risky.acting_as(BO).risk.close("risk-1", reason="Labels come daily now.")
    assert (closed.state, closed.closed_by, closed.close_reason) == ("closed", BO, "Labels come daily now.")
    assert closed.closed_at
    assert (closed.is_open, closed.recorded_by) == (False, ANA)
    for call in (
        lambda: risky.risk.update("risk-1", title="T"),
        lambda: risky.risk.review("risk-1", note="n", review_by="2999-01-01"),
        lambda: risky.risk.close("risk-1", reason="r"),
    ):
        assert_refused(risky, call, "not-open", "risk-1", BO, closed.closed_at[:10])
    assert risky.risk.list() == [closed]
    assert risky.audit.verify().passed


def test_open_risks_are_listed_alone(risky: Registry) -> None:
    second = risky.risk.add("Rows are lost", **GIVEN)
    first = risky.risk.close("risk-1", reason="r")
    assert risky.risk.list() == [first, second]
    assert risky.risk.list(open_only=True) == [second]
    assert risky.risk.add("A third", **GIVEN).id == "risk-3"


@pytest.mark.parametrize(
    ("call", "slug", "words"),
    [
        (lambda r: r.risk.add(" ", **GIVEN), "empty-text", ["title"]),
        (lambda r: r.risk.add("x" * 201, **GIVEN), "text-too-long", ["200"]),
        (lambda r: r.risk.add("t", **{**GIVEN, "likelihood": "often"}), "bad-choice", ["often", "possible"]),
        (lambda r: r.risk.add("t", **{**GIVEN, "impact": "bad"}), "bad-choice", ["bad", "negligible, minor"]),
        (lambda r: r.risk.add("t", **{**GIVEN, "review_by": "June"}), "bad-time", ["June", "2026-03-01"]),
        (lambda r: r.risk.add("t", **GIVEN, owner=" "), "empty-text", ["owner"]),
        (lambda r: r.risk.add("t", **GIVEN, owner=""), "empty-text", ["owner"]),
        (lambda r: r.risk.add("t", **GIVEN, controls=["EV-99"]), "unknown-name", ["EV-99"]),
        (lambda r: r.risk.add("t", **GIVEN, description="x" * 20_001), "text-too-long", ["description"]),
        (lambda r: r.risk.update("risk-9", title="t"), "unknown-name", ["risk-9", "risk-1"]),
        (lambda r: r.risk.update("risk-1", title=""), "empty-text", ["title"]),
        (lambda r: r.risk.update("risk-1", likelihood=""), "bad-choice", ["likelihood"]),
        (lambda r: r.risk.update("risk-1", review_by="2026-13-01"), "bad-time", ["2026-13-01"]),
        (lambda r: r.risk.update("risk-1", controls=["EV-99"]), "unknown-name", ["EV-99"]),
        (lambda r: r.risk.review("risk-9", note="n", review_by="2999-01-01"), "unknown-name", ["risk-1"]),
        (lambda r: r.risk.review("risk-1", note=" ", review_by="2999-01-01"), "empty-text", ["note"]),
        (lambda r: r.risk.review("risk-1", note="n", review_by="soon"), "bad-time", ["soon"]),
        (lambda r: r.risk.review("risk-1", note="n", review_by="2020-01-01"), "bad-time", ["past"]),
        (
            lambda r: r.risk.review("risk-1", note="n", review_by="2999-01-01", impact="x"),
            "bad-choice",
            ["'x'", "severe"],
        ),
        (lambda r: r.risk.close("risk-9", reason="r"), "unknown-name", ["risk-1"]),
        (lambda r: r.risk.close("risk-1", reason=" "), "empty-text", ["reason"]),
        (lambda r: r.risk.show("risk-9"), "unknown-name", ["risk-1"]),
        (lambda r: r.on_project("chrn").risk.add("t", **GIVEN), "unknown-name", ["chrn", "churn"]),
        (lambda r: r.on_project("chrn").risk.close("risk-1", reason="r"), "unknown-name", ["chrn"]),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    risky: Registry, call: Callable[[Registry], Any], slug: str, words: list[str]
) -> None:
    assert_refused(risky, lambda: call(risky), slug, *words)


def test_projects_do_not_see_each_other(risky: Registry) -> None:
    risky.project.add("other")
    other = risky.on_project("other")
    assert other.risk.list() == []
    assert_refused(risky, lambda: other.risk.show("risk-1"), "unknown-name", "crisplens risk add")
    assert other.risk.add("Another", **GIVEN).id == "risk-1"
    other.risk.close("risk-1", reason="r")
    assert risky.risk.show("risk-1").is_open
