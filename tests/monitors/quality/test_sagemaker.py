"""SageMaker Model Monitor's files: read, with what is not carried over, and written, with what cannot be said."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors.model import Family
from crisplens.monitors.quality.judge import judge
from crisplens.monitors.quality.model import (
    ColumnConstraint,
    Constraints,
    Duplicates,
    Freshness,
    Rule,
    Severity,
    Violation,
    Volume,
)
from crisplens.monitors.quality.sagemaker import MOST_BYTES, read_model_monitor, write_model_monitor
from crisplens.monitors.quality.sagemaker_violations import write_violations
from tests.monitors.quality.made import numbers, table, text


def baseline() -> dict:
    """A file as Model Monitor's own baseline job suggests it, of three columns."""
    return {
        "version": 0.0,
        "features": [
            {
                "name": "Calls",
                "inferred_type": "Integral",
                "completeness": 1.0,
                "num_constraints": {"is_non_negative": True},
            },
            {
                "name": "Balance",
                "inferred_type": "Fractional",
                "completeness": 0.97,
                "num_constraints": {"is_non_negative": False},
            },
            {
                "name": "Plan",
                "inferred_type": "String",
                "completeness": 1.0,
                "string_constraints": {"domains": ["basic", "plus"]},
            },
            {"name": "Raw", "inferred_type": "Unknown", "completeness": 0.0},
        ],
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": 0.95,
            "domain_content_threshold": 0.9,
            "distribution_constraints": {
                "perform_comparison": "Enabled",
                "comparison_threshold": 0.1,
                "comparison_method": "Robust",
                "categorical_comparison_threshold": 0.1,
                "categorical_drift_method": "LInfinity",
            },
        },
    }


def changed(*place, to) -> bytes:
    """The baseline with another value at `place`."""
    value = at = baseline()
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = to
    return json.dumps(value).encode()


def read(value: dict):
    return read_model_monitor(json.dumps(value).encode())


def test_a_baseline_is_read():
    constraints = read(baseline()).constraints
    assert constraints == Constraints(
        columns=(
            ColumnConstraint(
                column="Calls",
                family=Family.NUMBER,
                whole=True,
                most_misfits=0.05,
                most_nulls=0.0,
                non_negative=True,
            ),
            ColumnConstraint(column="Balance", family=Family.NUMBER, most_misfits=0.05, most_nulls=0.03),
            ColumnConstraint(
                column="Plan",
                family=Family.TEXT,
                most_misfits=0.05,
                most_nulls=0.0,
                categories=("basic", "plus"),
                most_outside=0.1,
            ),
            ColumnConstraint(column="Raw"),
        )
    )


def test_what_a_baseline_demands_is_judged():
    window = table(
        numbers(
            [1.0, -2.0],
            "Calls",
        ),
        numbers([None] * 60 + [0.5] * 40, "Balance"),
        text(["basic"] * 60 + ["max"] * 40, "Plan"),
        rows=100,
    )
    broken = [(v.column, v.rule.value) for v in judge(read(baseline()).constraints, window)]
    assert broken == [
        ("Raw", "missing-column"),
        ("Calls", "not-whole"),
        ("Calls", "negative"),
        ("Balance", "nulls"),
        ("Plan", "new-categories"),
    ]


def test_each_part_that_is_not_carried_over_is_named():
    value = baseline()
    value["data_digest"] = "abc"
    value["features"][1]["num_constraints"]["is_positive"] = True
    value["features"][2]["string_constraints"]["pattern"] = ".*"
    del value["monitoring_config"]["datatype_check_threshold"]
    remarks = " ".join(read(value).remarks)
    for part in (
        "data_digest",
        "features[1].num_constraints.is_positive",
        "features[2].string_constraints.pattern",
        "monitoring_config.emit_metrics",
        "monitoring_config.datatype_check_threshold is not given",
        "monitoring_config.distribution_constraints.comparison_threshold (0.1)",
        'monitoring_config.distribution_constraints.comparison_method ("Robust")',
    ):
        assert part in remarks


def test_constraints_that_are_switched_off_are_told():
    assert "evaluate_constraints is Disabled" in " ".join(
        read_model_monitor(changed("monitoring_config", "evaluate_constraints", to="Disabled")).remarks
    )


@pytest.mark.parametrize("spelling", ["monitoringConfigOverrides", "monitoring_config_overrides"])
@pytest.mark.parametrize("among_strings", [False, True])
def test_a_feature_may_override_the_thresholds_and_be_switched_off(spelling, among_strings):
    value = baseline()
    plan = value["features"][2]
    place = plan["string_constraints"] if among_strings else plan
    place[spelling] = {"domain_content_threshold": 0.5, "emit_metrics": "Enabled"}
    imported = read(value)
    assert imported.constraints.columns[2].most_outside == 0.5
    assert any(spelling + ".emit_metrics" in remark for remark in imported.remarks)
    place[spelling] = {"evaluate_constraints": "Disabled"}
    imported = read(value)
    assert imported.constraints.columns[2] == ColumnConstraint(column="Plan")
    assert any("features[2] (Plan) is not evaluated" in remark for remark in imported.remarks)


@pytest.mark.parametrize(
    ("place", "to", "said"),
    [
        (("version",), 1, "1 is no version that is read; it is 0 (version)"),
        (("version",), None, "null is no version"),
        (("features",), None, "null is no list (features)"),
        (("features", 1), "x", '"x" is no object (features[1])'),
        (("features", 1, "name"), "", "a name is text of 1 to 1,000 characters (features[1].name)"),
        (("features", 1, "name"), "Calls", '"Calls" is given twice (features[1].name)'),
        (("features", 3, "completeness"), 1.5, "1.5 is no number from 0 to 1 (features[3].completeness)"),
        (("features", 3, "completeness"), True, "true is no number from 0 to 1"),
        (("features", 3, "completeness"), "1", '"1" is no number'),
        (("features", 0, "inferred_type"), "Boolean", "none of Integral, Fractional, String, Unknown"),
        (("features", 0, "num_constraints"), [], "a list is no object (features[0].num_constraints)"),
        (("features", 0, "num_constraints", "is_non_negative"), 1, "1 is not true or false"),
        (("features", 2, "string_constraints", "domains"), {}, "an object is no list"),
        (
            ("features", 2, "string_constraints", "domains", 1),
            7,
            "(features[2].string_constraints.domains[1])",
        ),
        (("monitoring_config", "emit_metrics"), True, "none of Enabled, Disabled"),
        (
            ("monitoring_config", "domain_content_threshold"),
            -0.1,
            "monitoring_config.domain_content_threshold",
        ),
    ],
)
def test_a_fault_names_its_line_its_place_and_what_is_accepted(place, to, said):
    with pytest.raises(InputError) as caught:
        read_model_monitor(changed(*place, to=to))
    assert caught.value.slug == "bad-document"
    assert caught.value.message.startswith("constraints.json, line 1, column ")
    assert said in caught.value.message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "a JSON object is expected"),
        (b"[]", "a JSON object is expected"),
        (b"features: []", "a JSON object is expected"),
        (b"{", "line 1"),
        (b'{"features": [NaN]}', "NaN"),
        (b'{"features": [], "features": []}', "twice"),
        (b'{"a":' * 50 + b"1" + b"}" * 50, "nested too deeply"),
        (b"{\xff}", "UTF-8"),
        (b'{"features": []}' + b" " * MOST_BYTES, "longer than 1 MiB"),
    ],
)
def test_what_is_no_such_file_is_refused(data, said):
    with pytest.raises(InputError, match=said):
        read_model_monitor(data)


def test_remarks_do_not_grow_without_bound():
    imported = read({"features": [], **{f"key{i}": i for i in range(1000)}})
    assert len(imported.remarks) == 201
    assert imported.remarks[-1] == "802 more parts are not carried over."


def test_what_the_format_cannot_say_is_told():
    constraints = Constraints(
        columns=(
            ColumnConstraint(
                column="a", family=Family.NUMBER, maximum=5, most_not_finite=0.0, required=False
            ),
            ColumnConstraint(
                column="b", family=Family.BOOLEAN, categories=("true",), non_negative=True, whole=True
            ),
            ColumnConstraint(column="c", family=Family.TEXT, type="VARCHAR", unique=True, most_misfits=0.1),
        ),
        extra_columns=True,
        volume=Volume(least=1),
        freshness=Freshness(column="t", most_hours=1),
        duplicates=Duplicates(),
        severities={Rule.NULLS: Severity.WARNING},
    )
    assert set(write_model_monitor(constraints).remarks) == {
        "That a column is optional cannot be said (a).",
        "The minimum and the maximum cannot be said (a).",
        "The share of NaN and infinities cannot be said (a).",
        "A share of misfits of its own cannot be said (a).",
        "The family of values that are neither numbers nor text cannot be said (b).",
        "That values other than numbers are whole cannot be said (b).",
        "That values other than numbers are not negative cannot be said (b).",
        "The categories of values other than text cannot be said (b).",
        "A type by its exact name cannot be said (c).",
        "How many distinct values there are cannot be said (c).",
        "That extra columns are allowed cannot be said: they are reported.",
        "How many rows a window has cannot be said.",
        "How old its newest value may be cannot be said.",
        "How many of its rows may be duplicates cannot be said.",
        "How severe a violation is cannot be said.",
    }


shares = st.integers(0, 10**6).map(lambda millionths: millionths / 10**6)


@st.composite
def sayable(draw):
    """Constraints that the format can say: shares that may not fit are the same for all columns."""
    misfits, outside = draw(shares), draw(shares)
    columns = []
    for name in draw(
        st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), unique=True, max_size=4)
    ):
        family = draw(st.sampled_from([Family.NUMBER, Family.TEXT, None]))
        number, words = family is Family.NUMBER, family is Family.TEXT
        domains = draw(
            st.lists(st.text(st.characters(exclude_categories=["Cs"])), unique=True, min_size=1, max_size=3)
        )
        listed = words and draw(st.booleans())
        columns.append(
            ColumnConstraint(
                column=name,
                family=family,
                whole=number and draw(st.booleans()),
                most_misfits=misfits if family else 0.0,
                most_nulls=draw(st.none() | shares.filter(lambda share: share < 1)),
                non_negative=number and draw(st.booleans()),
                categories=tuple(domains) if listed else None,
                most_outside=outside if listed else 0.0,
            )
        )
    return Constraints(columns=tuple(columns))


@given(sayable())
def test_what_the_format_can_say_is_equal_when_it_is_read_again(constraints):
    exported = write_model_monitor(constraints)
    assert exported.remarks == ()
    assert read_model_monitor(exported.text.encode()).constraints == constraints


names = st.text(st.characters(exclude_categories=["Cs"]), max_size=3)
keys = names | st.sampled_from(
    [
        *(
            "version",
            "features",
            "name",
            "inferred_type",
            "completeness",
            "num_constraints",
            "is_non_negative",
        ),
        *("string_constraints", "domains", "monitoring_config", "monitoringConfigOverrides"),
        *("distribution_constraints", "evaluate_constraints", "domain_content_threshold"),
    ]
)
leaves = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | names | st.integers()
values = st.recursive(leaves, lambda x: st.lists(x, max_size=3) | st.dictionaries(keys, x, max_size=4))
features = st.lists(
    st.dictionaries(keys, values, max_size=4) | st.builds(lambda n: {"name": n}, names), max_size=3
)


def outcome(data: bytes) -> str | None:
    """The message of a refusal; None when the file is read."""
    try:
        read_model_monitor(data)
    except InputError as error:
        return error.message
    return None


@given(features, values)
def test_any_file_is_read_or_refused_by_name(given_features, config):
    message = outcome(json.dumps({"features": given_features, "monitoring_config": config}).encode())
    assert message is None or message.startswith("constraints.json")


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused_by_name(data):
    message = outcome(b"{" + data)
    assert message is None or message.startswith("constraints.json")


# Violations


def violation(column: str | None, rule: Rule) -> Violation:
    return Violation(
        column=column,
        rule=rule,
        observed=None,
        allowed=None,
        reason=f"{column} breaks it.",
        severity=Severity.ERROR,
    )


def test_violations_are_written_with_model_monitors_names_of_checks():
    window = table(text(["max"] * 9, "Plan"), numbers([None], "Calls"), other_columns=("zzzzzzz",))
    exported = write_violations(judge(read(baseline()).constraints, window))
    written = json.loads(exported.text)
    assert set(written) == {"violations"}
    assert [(v["feature_name"], v["constraint_check_type"]) for v in written["violations"]] == [
        ("Balance", "missing_column_check"),
        ("Raw", "missing_column_check"),
        ("zzzzzzz", "extra_column_check"),
        ("Calls", "completeness_check"),
        ("Plan", "categorical_values_check"),
    ]
    assert written["violations"][3]["description"] == "1 of 1 values (100 %) of Calls are null; none may be."


@pytest.mark.parametrize("rule", Rule)
def test_each_violation_of_a_column_is_written_or_told_as_unsayable(rule):
    exported = write_violations((violation("x", rule), violation(None, rule)))
    written = json.loads(exported.text)["violations"]
    assert len(written) + len(exported.remarks) == 2
    table_wide = {
        Rule.TOO_FEW_ROWS,
        Rule.TOO_MANY_ROWS,
        Rule.STALE,
        Rule.IN_FUTURE,
        Rule.DUPLICATES,
        Rule.NOT_CHECKED,
    }
    assert len(written) == (0 if rule in table_wide else 1)


def test_remarks_and_text_encode_to_json():
    exported = write_model_monitor(Constraints())
    assert msgspec.json.decode(msgspec.json.encode(exported), type=type(exported)) == exported
