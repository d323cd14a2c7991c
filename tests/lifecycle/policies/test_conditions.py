"""Conditions in CEL: type-checked against the view, bounded, and told why when they cannot be answered."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.lifecycle.phases import list_phases
from crisplens.lifecycle.policies.conditions import (
    MOST_CHARACTERS,
    Answered,
    Fault,
    check_expression,
    evaluate,
    names_in,
)
from crisplens.lifecycle.policies.demands import Values, judge
from crisplens.lifecycle.policies.model import Condition, PhasePolicy
from crisplens.lifecycle.policies.view import VIEW
from crisplens.lifecycle.record import load_record
from crisplens.lifecycle.rules import Situation
from tests.conftest import Files

LOOPS = "[1].all(a, [1].all(b, [1].all(c, true)))"
EMPTY: dict[str, Any] = {"string": "", "int": 0, "bool": False, "double": 0.0}


def fault(text: str) -> Fault:
    found = check_expression(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "goal.stated",
        "size(kpis.baselines) > 0",
        "kpis.targets['auc'] >= 0.8 && kpis.targets.auc < 1.0",
        "risks.levels.all(risk, risks.levels[risk] != 'critical')",
        "evaluation.slices.all(one, evaluation.slices[one].exists(m, evaluation.slices[one][m] > 0.5))",
        "[1].all(a, [1].all(b, true)) && [1].all(a, [1].all(b, true))",
        "risks.open.map(a, a).filter(b, b != '').exists_one(c, c == 'risk-1')",
        "now > timestamp('2026-01-01T00:00:00Z')",
        "run.code_version.matches('^git:[0-9a-f]+$')",
        "goal.stated // it's fine\n && cycle.number > 0 // isn't it",
        "project.name == '[1].all(a, [1].all(b, [1].all(c, true)))'",
        "project.name == '// no comment' && true",
        "has(kpis.targets.auc) ? kpis.targets.auc > 0.8 : false",
    ],
)
def test_an_expression_that_can_be_asked_has_no_fault(text: str) -> None:
    assert check_expression(text) is None


@pytest.mark.parametrize(
    ("text", "reason", "line", "column"),
    [
        ("", "is empty", 1, 1),
        (" \n", "is empty", 1, 1),
        ("true" + " " * MOST_CHARACTERS, f"at most {MOST_CHARACTERS} are read", 1, 1),
        ("true &&\n && false", "Syntax error", 2, 2),
        ("size(", "Syntax error", 1, 6),
        ("kpis.targets > 3", "no matching overload", 1, 14),
        ("goal.stated == 'yes'", "no matching overload", 1, 13),
        ("project.name + 1 == ''", "no matching overload", 1, 14),
        ("size(risks.open)", "is int, where true or false is needed", 1, 1),
        ("project.name", "is string, where true or false is needed", 1, 1),
        ("risks.open", "is list<string>, where true or false is needed", 1, 1),
        ("dyn(true)", "is dyn, where true or false is needed", 1, 1),
        ("goal.staated", "'goal.staated' is unknown; did you mean goal.stated", 1, 5),
        ("true &&\n  risk.open.size() == 0", "'risk.open' is unknown; did you mean risks.open", 2, 7),
        ("zzz", "'zzz' is unknown", 1, 1),
        ("nothing(goal.stated)", "'nothing' is unknown", 1, 8),
    ],
)
def test_an_expression_that_cannot_be_asked_says_why_and_where(
    text: str, reason: str, line: int, column: int
) -> None:
    found = fault(text)
    assert reason in found.reason
    assert (found.line, found.column) == (line, column)


@pytest.mark.parametrize(
    "text",
    [
        LOOPS,
        "[1].all(a, ([1].all(b, ([1].all(c, true)))))",
        "[1] . all (a, [1].\n//x\nall(b, [1]//all(\n.all(c, true)))",
        "[1].all(a, ')' != '' && [1].all(b, \"))\" != '' && [1].all(c, true)))",
        "[1].all(a, '//' != '' && [1].all(b, [1].all(c, true)))",
        "[1].all(a, r')' != '' && [1].all(b, '''))\n)''' != '' && [1].all(c, true)))",
        "[1].all(a, // )))\n [1].all(b, // ))\n [1].all(c, true)))",
        "[1].all(a, [[1].all(b, {1: [1].all(c, true)}[1])][0])",
        "[1].exists_one(a, [1].filter(b, [1].map(c, c) != []) != [])",
        "[1].exists(a, [1].exists(b, [1].map(c, c > 0, c) != []))",
        f"'\\'' == '' && {LOOPS} && '\\'' == ''",
        f"true // it's\n && {LOOPS} // it's",
        f'true // "\n && {LOOPS} // "',
        f"[1].map(x, {LOOPS})[0]",
    ],
)
def test_loops_that_stand_too_deep_are_found_wherever_they_hide(text: str) -> None:
    assert "would run without bound: at most 2 loops" in fault(text).reason


def test_the_loop_too_many_is_told_with_its_place() -> None:
    found = fault("true &&\n[1].all(a, [1].all(b,\n  [1].all(c, true)))")
    assert (found.line, found.column) == (3, 6)


HIDDEN = {
    "triple quotes in comments": f"// '''\n{LOOPS}\n// '''\n",
    "a quote and a backslash in comments": f'true // "\\\n && {LOOPS} // "',
    "an escaped quote before three": f'"""a\\"""" != "x" && {LOOPS} && "y" != "z"',
    "the same in single quotes": f"'''a\\'''' != 'x' && {LOOPS} && 'y' != 'z'",
}


@pytest.mark.parametrize("how", HIDDEN)
def test_loops_cannot_hide_between_quotes_that_are_none(how: str) -> None:
    assert "would run without bound" in fault(HIDDEN[how]).reason


def test_names_cannot_hide_between_quotes_that_are_none() -> None:
    text = "// '''\nsize(risks.open) == 0 // '''"
    assert check_expression(text) is None
    assert names_in(text) == {"risks.open"}
    assert evaluate(text, {"risks.open": []}).met


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("true", set()),
        ("size(risks.open) > 0", {"risks.open"}),
        ("kpis.targets.auc > kpis.baselines['auc']", {"kpis.targets", "kpis.baselines"}),
        ("risks . levels\n.exists(one, true)", {"risks.levels"}),
        (".goal.stated", {"goal.stated"}),
        ("project.name == 'risks.open'", {"project.name"}),
        ("goal.stated // not risks.open", {"goal.stated"}),
        ("project.name == '//' && risks.open == []", {"project.name", "risks.open"}),
        ("risks.opened", set()),
        ("data.rows[model.datasets[0]] > 3", {"data.rows", "model.datasets"}),
    ],
)
def test_the_names_that_an_expression_touches_are_found(text: str, names: set[str]) -> None:
    assert names_in(text) == names


@pytest.mark.parametrize("name", VIEW)
def test_every_name_is_found_where_it_stands(name: str) -> None:
    assert names_in(f"[{name}] != []") == {name}


@pytest.mark.parametrize(
    ("text", "answered"),
    [
        ("kpis.targets['auc'] > 0.8", Answered(True)),
        ("kpis.targets['auc'] > 0.9", Answered(False)),
        ("kpis.targets['f1'] > 0.5", Answered(False, 'Key not found in map : "f1"')),
        ("risks.open[300] == ''", Answered(False, "Index error: index=300 size=200")),
        ("1 / (size(risks.open) - 200) == 1", Answered(False, "divide by zero")),
        ("has(kpis.targets.f1)", Answered(False)),
        ("risks.open.exists(a, a == 'r199')", Answered(True)),
        (
            "risks.open.all(a, risks.open.all(b, a != b || true))",
            Answered(False, "it was stopped: Iteration budget exceeded"),
        ),
        (
            "risks.open.map(a, risks.open.map(b, a + b)).size() > 0",
            Answered(False, "it was stopped: Iteration budget exceeded"),
        ),
        ("kpis.targets['f1'] > 0.5 || true", Answered(True)),
        ("false && kpis.targets['f1'] > 0.5", Answered(False)),
    ],
)
def test_an_expression_is_answered_or_says_why_it_cannot_be(text: str, answered: Answered) -> None:
    values = {"kpis.targets": {"auc": 0.85}, "risks.open": [f"r{number}" for number in range(200)]}
    assert check_expression(text) is None
    assert evaluate(text, values) == answered


@pytest.mark.parametrize(
    ("when", "expression", "met", "found"),
    [
        ("", "goal.stated", True, "it holds"),
        ("", "!goal.stated", False, "it does not hold: !goal.stated"),
        ("goal.stated", "cycle.number > 1", False, "it does not hold: cycle.number > 1"),
        ("!goal.stated", "cycle.number > 1", True, "does not apply"),
        ("goal.stated", "cycle.number > 0", True, "it holds"),
        # What cannot be told to apply is asked all the same.
        ("kpis.targets['f1'] > 0.5", "goal.stated", True, "it holds"),
        ("kpis.targets['f1'] > 0.5", "!goal.stated", False, "it does not hold: !goal.stated"),
        ("", "kpis.targets['f1'] > 0.5", False, 'Key not found in map : "f1"'),
    ],
)
def test_a_condition_is_asked_when_it_applies(when: str, expression: str, met: bool, found: str) -> None:
    condition = Condition(id="c", title="C", expression=expression, when=when, remedy="do it")
    values = {"goal.stated": True, "cycle.number": 1, "kpis.targets": {}}
    (told,) = judge(PhasePolicy(conditions=(condition,)), "evaluation", values)
    assert (told.id, told.title, told.met, told.found, told.remedy) == ("c", "C", met, found, "do it")
    assert told.names == names_in(expression) | names_in(when)


@given(st.text("[]().,'\"\\/\n ab1risks.open.all&|!=?:{}", max_size=40))
@settings(max_examples=200, deadline=None)
def test_any_text_is_an_expression_or_has_a_fault(text: str) -> None:
    found = check_expression(text)
    if found is None:
        assert isinstance(evaluate(text, {"risks.open": ["a"]}), Answered)
    else:
        assert found.reason
        assert found.line >= 1
        assert found.column >= 1


def typed(name: str, kind: str) -> str:
    """An expression that is true when `name` and its parts are of that type while it is evaluated."""
    if kind == "timestamp":
        return f"type({name}) == google.protobuf.Timestamp && {name} > timestamp('2000-01-01T00:00:00Z')"
    if kind.startswith("list("):
        return f"type({name}) == list && {name}.all(one, {typed('one', kind[5:-1])})"
    if kind.startswith("map("):
        key, _, value = kind[4:-1].partition(", ")
        inner = typed(f"{name}[key{len(name)}]", value)
        return (
            f"type({name}) == map && {name}.all(key{len(name)}, {typed(f'key{len(name)}', key)} && {inner})"
        )
    return f"type({name}) == {kind}"


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_every_name_of_the_view_is_of_its_type_on_a_record_of_everything(
    story: Registry, files: Files
) -> None:
    report = ("test-report", files.text("all fine"))
    story.checkpoint.record("evaluation", summary="again", evidence=[report], model="churn-gbm@2")
    story.risk.add("Nobody looks", likelihood="rare", impact="minor", review_by="2026-01-31")
    with story.reading() as session:
        record = load_record(session, "churn")
    served = next(one for one in record.model_versions if str(one.ref) == "churn-gbm@2")
    seen: dict[str, Any] = {}
    for phase in list_phases():
        checkpoint = next((one for one in reversed(record.checkpoints) if one.phase == phase.id), None)
        values = Values(Situation(record, served, checkpoint))
        assert list(values) == list(VIEW)
        assert len(values) == len(VIEW)
        for name, one in VIEW.items():
            text = typed(name, one.type)
            assert check_expression(text) is None, text
            assert evaluate(text, values) == Answered(True), (name, values[name])
            seen[name] = seen.get(name) or values[name]
    assert [name for name, value in seen.items() if not value] == []


@pytest.mark.stored
@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
def test_every_name_of_the_view_is_of_its_type_on_an_empty_record(registry: Registry) -> None:
    with registry.reading() as session:
        record = load_record(session, "churn")
    values = Values(Situation(record, None, None))
    for name, one in VIEW.items():
        assert evaluate(typed(name, one.type), values) == Answered(True), (name, values[name])


def test_every_name_is_described() -> None:
    for name, one in VIEW.items():
        assert one.about
        assert name.count(".") == (name != "now")
