"""Catalogues that a team brings: our own format, AWS custom lenses and OSCAL catalogs, good and bad."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisplens.core.documents import read_document
from crisplens.core.errors import InputError
from crisplens.core.names import NAME_PATTERN
from crisplens.lifecycle.catalogues.custom_lens import cut, from_custom_lens, slug
from crisplens.lifecycle.catalogues.model import Catalogue, ControlRisk, Pillar, folded_id
from crisplens.lifecycle.catalogues.oscal import from_oscal
from crisplens.lifecycle.catalogues.reading import MOST_CONTROLS, read_catalogue
from crisplens.lifecycle.phases import list_phases

PHASE = list_phases()[0].id

OWN = f"""\
catalogue: house-rules
version: "2026.1"
title: House rules
source: https://example.org/rules
controls:
  - id: HR-1
    title: The data has an owner
    description: |
      Somebody answers for it.
      By name.
    phases: [{PHASE}]
    pillar: security
    risk: high
    source: https://example.org/rules#1
  - id: HR-2
    title: The model has an owner
"""


def read(text: str, name: str = "rules.yaml") -> Catalogue:
    return read_catalogue(read_document(text.encode(), name))[0]


def read_json(value: Any) -> tuple[Catalogue, str]:
    return read_catalogue(read_document(json.dumps(value, indent=2).encode(), "some.json"))


def refused(text: str, name: str = "rules.yaml") -> InputError:
    with pytest.raises(InputError) as caught:
        read(text, name)
    assert caught.value.exit_code == 2
    assert caught.value.slug == "bad-document"
    return caught.value


def line_of(text: str, part: str) -> int:
    """The line in which `part` stands; with a leading `^`, the one before, where the object around it begins."""
    wanted = part.removeprefix("^")
    assert text.count(wanted) == 1, f"{wanted!r} stands {text.count(wanted)} times"
    return text[: text.index(wanted)].count("\n") + (0 if part.startswith("^") else 1)


def lens() -> dict[str, Any]:
    """A lens of two pillars, one of them ours."""
    return {
        "schemaVersion": "2021-11-01",
        "name": "Acme Models: a Lens",
        "description": "What we ask of our models.",
        "pillars": [
            {
                "id": "costOptimization",
                "name": "What it costs",
                "questions": [
                    {
                        "id": "cost_1",
                        "title": "How do you keep training cheap?",
                        "description": "Training takes the most.",
                        "choices": [
                            {
                                "id": "cost_1_spot",
                                "title": "Spare\n  capacity is used",
                                "helpfulResource": {
                                    "displayText": "Capacity that may be taken away costs less.",
                                    "url": "https://example.org/spot",
                                },
                                "improvementPlan": {
                                    "displayText": "Use it.",
                                    "url": "https://example.org/plan",
                                },
                            },
                            {
                                "id": "cost_1_stop",
                                "title": "Training stops early",
                                "improvementPlan": {
                                    "displayText": "Stop.",
                                    "url": "https://example.org/stop",
                                },
                            },
                            {"id": "cost_1_no", "title": "Nothing is done"},
                        ],
                        "riskRules": [
                            {"condition": "cost_1_spot && cost_1_stop", "risk": "NO_RISK"},
                            {"condition": "(!cost_1_stop) && cost_1_spot", "risk": "MEDIUM_RISK"},
                            {"condition": "default", "risk": "HIGH_RISK"},
                        ],
                    }
                ],
            },
            {
                "id": "house",
                "name": "The house",
                "questions": [
                    {
                        "id": "house_1",
                        "title": "Is there an owner?",
                        "choices": [
                            {
                                "id": "yes",
                                "title": "Yes.",
                                "helpfulResource": {"displayText": None, "url": None},
                            },
                            {"id": "other", "title": "No"},
                            {"id": "third", "title": "None of the above"},
                        ],
                    }
                ],
            },
        ],
    }


def catalog() -> dict[str, Any]:
    """An OSCAL catalog with nested groups, an enhancement, parameters, links and a withdrawn control."""
    return {
        "catalog": {
            "uuid": "8d2c8e0c-9d5a-4b0e-8c53-1e2f5cbf8a10",
            "metadata": {
                "title": "House Controls",
                "version": "1.2",
                "oscal-version": "1.1.3",
                "links": [{"href": "#r1", "rel": "canonical"}],
            },
            "groups": [
                {
                    "id": "outer",
                    "title": "Access",
                    "groups": [
                        {
                            "id": "ha",
                            "title": "Accounts",
                            "params": [{"id": "g_prm", "label": "a role"}],
                            "controls": [
                                {
                                    "id": "ha-1",
                                    "title": "Account  Rules",
                                    "params": [
                                        {"id": "p1", "guidelines": [{"prose": "how often"}]},
                                        {
                                            "id": "p2",
                                            "select": {
                                                "how-many": "one-or-more",
                                                "choice": ["mail", "{{ insert: param, g_prm }} "],
                                            },
                                        },
                                        {"id": "p3", "label": "unread", "values": ["30 days"]},
                                    ],
                                    "props": [
                                        {"name": "label", "value": "HA-01", "class": "zero-padded"},
                                        {"name": "label", "value": "HA-1"},
                                        {"name": "label", "value": "other", "ns": "https://example.org/ns"},
                                    ],
                                    "links": [
                                        {"href": "#ha-2", "rel": "related"},
                                        {"href": "https://example.org/ha-1", "rel": "reference"},
                                    ],
                                    "parts": [
                                        {
                                            "name": "statement",
                                            "parts": [
                                                {
                                                    "name": "item",
                                                    "props": [{"name": "label", "value": "a."}],
                                                    "prose": "Tell {{ insert: param, g_prm }} by "
                                                    "{{ insert: param, p2 }}",
                                                },
                                                {
                                                    "name": "item",
                                                    "props": [{"name": "label", "value": "b."}],
                                                    "prose": "{{ insert: param, p1 }}, {{p3}}, "
                                                    "{{ insert: param, gone }}.",
                                                },
                                            ],
                                        },
                                        {"name": "guidance", "prose": "Not told."},
                                    ],
                                    "controls": [
                                        {
                                            "id": "ha-1.1",
                                            "title": "By Machine",
                                            "props": [
                                                {"name": "label", "value": "HA-1(1)", "class": "sp800-53"}
                                            ],
                                        }
                                    ],
                                },
                                {
                                    "id": "ha-2",
                                    "title": "Gone",
                                    "props": [{"name": "status", "value": "withdrawn"}],
                                },
                            ],
                        }
                    ],
                },
                {"id": "bare", "title": "Bare", "controls": [{"id": "hb-1", "title": "No label"}]},
            ],
            "back-matter": {
                "resources": [
                    {"uuid": "r1", "rlinks": [{"href": "./local.pdf"}, {"href": "https://example.org/all"}]}
                ]
            },
        }
    }


def test_our_own_format_is_read() -> None:
    document = read_document(OWN.encode(), "rules.yaml")
    catalogue, format = read_catalogue(document)
    assert format == "crisplens"
    assert (catalogue.catalogue, catalogue.version) == ("house-rules", "2026.1")
    first, second = catalogue.controls
    assert first.phases == (PHASE,)
    assert (first.pillar, first.risk) == (Pillar.SECURITY, ControlRisk.HIGH)
    assert first.description == "Somebody answers for it.\nBy name.\n"
    assert (second.id, second.title, second.source) == ("HR-2", "The model has an owner", "")


def test_our_own_format_as_json_is_the_same_catalogue() -> None:
    document = read_document(OWN.encode(), "rules.yaml")
    assert read_json(document.value) == (read_catalogue(document)[0], "crisplens")


@pytest.mark.parametrize(
    ("old", "new", "at", "reason"),
    [
        (
            "catalogue: house-rules",
            "catalogue: house rules",
            "catalogue:",
            "'house rules' cannot name a catalogue",
        ),
        ('version: "2026.1"', "version: 2026.1", "version:", "Expected `str`, got `float`"),
        ('version: "2026.1"', 'version: ""', "version:", "the version is empty"),
        ("title: House rules", "title: ' '", "title: ' '", "the title is empty"),
        ("title: House rules", f"title: {'x' * 1001}", "title: xxx", "at most 1,000"),
        ("https://example.org/rules\n", "ftp://example.org/\n", "ftp:", "is no http(s) link"),
        ("https://example.org/rules#1", "javascript:alert(1)", "javascript", "is no http(s) link"),
        ("https://example.org/rules#1", "https:///rules", "https:///", "is no http(s) link"),
        ("id: HR-2", "id: hr_1", "id: hr_1", "the control id 'hr_1' is the same as 'HR-1' above"),
        ("id: HR-2", "id: HR-1  # again", "HR-1  # again", "the control id 'HR-1' is given twice"),
        ("id: HR-2", "id: ''", "id: ''", "the id is empty"),
        ("id: HR-2", f"id: {'x' * 101}", "id: xx", "the id has 101 characters; at most 100"),
        ("id: HR-2", 'id: "HR\\e[2J"', "HR\\e", "the id holds control characters"),
        ("id: HR-2", 'id: "HR\\n2"', "HR\\n2", "the id holds control characters"),
        ("id: HR-2", 'id: "HR\\ud8002"', "HR\\ud", "invalid Unicode character escape"),
        ("title: The model has an owner", "title: ''", "title: ''", "the title is empty"),
        (
            "title: The model has an owner",
            'title: "a\\u202eb"',
            "a\\u202e",
            "the title holds control characters",
        ),
        ("      Somebody", "      " + "x" * 4001, "description:", "at most 4,000"),
        (
            "    risk: high",
            f"    outputs: [{'a, ' * 100}b]",
            "outputs:",
            "101 outputs are given; at most 100",
        ),
        ("    risk: high", "    outputs: [a, '']", "outputs:", "the text in outputs is empty"),
        ("title: House rules", "title: House rules\ndoubts:\n- ' '", "- ' '", "the text in doubts is empty"),
        (f"[{PHASE}]", f"[{PHASE}, {PHASE}]", "phases:", "a phase is given twice"),
        ("pillar: security", "pillar: secrecy", "pillar:", "Invalid enum value 'secrecy'"),
        ("risk: high", "risk: [high]", "risk:", "got `array`"),
        ("    risk: high", "    rsk: high", "rsk:", "unknown field `rsk`"),
        ("  - id: HR-2\n    title", "  - title", "- title: The model", "missing required field `id`"),
        ("id: HR-1", "id: &one HR-1", "&one", "anchors and aliases are not read"),
        ("id: HR-2", "id: *one", "*one", "anchors and aliases are not read"),
        ("    risk: high", "    pillar: reliability", "pillar: reliability", "'pillar' is given twice"),
        ("id: HR-2", "id: !!python/name:os.system x", "!!python", "is not read"),
        ("id: HR-2", "id: HR-2: x", "HR-2: x", "mapping values are not allowed"),
    ],
)
def test_a_bad_part_is_refused_with_its_line(old: str, new: str, at: str, reason: str) -> None:
    assert OWN.count(old) == 1
    text = OWN.replace(old, new)
    error = refused(text)
    assert error.message.startswith(f"rules.yaml, line {line_of(text, at)}, column ")
    assert reason in error.message


def test_an_unknown_phase_is_told_with_the_nearest() -> None:
    text = OWN.replace(f"[{PHASE}]", f"\n      - {PHASE}\n      - {PHASE[:-1]}")
    error = refused(text)
    assert error.message == f"rules.yaml, line 13, column 9: there is no phase named {PHASE[:-1]!r}"
    assert error.hint.startswith(f"Did you mean {PHASE}")


def test_none_and_too_many_controls_are_refused() -> None:
    head = OWN[: OWN.index("controls:")]
    error = refused(head + "controls: []\n")
    assert error.message == "rules.yaml, line 5, column 1: holds no controls; 1 to 5,000 are accepted"
    controls = [{"id": f"C{number}", "title": "x"} for number in range(MOST_CONTROLS)]
    own = {"catalogue": "many", "version": "1", "title": "Many", "controls": controls}
    assert len(read_json(own)[0].controls) == MOST_CONTROLS
    controls.append({"id": "one more", "title": "x"})
    assert "holds 5001 controls" in refused(json.dumps(own), "many.json").message


@pytest.mark.parametrize(
    "value",
    [
        "{}",
        "[]",
        "null",
        "text",
        '{"schemaVersion": "2021-11-01"}',
        '{"pillars": []}',
        '{"catalog": "house"}',
        "- a",
    ],
)
def test_what_is_no_catalogue_is_told_what_is_accepted(value: str) -> None:
    error = refused(value)
    assert "line 1, column 1: is no catalogue of controls" in error.message
    assert all(word in error.hint for word in ("catalogue of crisplens", "custom lens", "OSCAL"))


def test_an_oscal_profile_is_told_apart() -> None:
    error = refused('{"profile": {"uuid": "x"}}', "p.json")
    assert "is an OSCAL profile" in error.message
    assert "Resolve it" in error.hint


def test_a_custom_lens_is_read() -> None:
    catalogue, format = read_json(lens())
    assert format == "custom-lens"
    assert (catalogue.catalogue, catalogue.version) == ("acme-models-a-lens", "1")
    assert catalogue.title == "Acme Models: a Lens"
    spot, stop, owner = catalogue.controls
    assert (spot.id, spot.title) == ("cost_1.cost_1_spot", "Spare capacity is used")
    assert spot.description == "Capacity that may be taken away costs less."
    assert spot.source == "https://example.org/spot"
    assert (spot.group, spot.pillar, spot.risk) == (
        "What it costs",
        Pillar.COST_OPTIMISATION,
        ControlRisk.HIGH,
    )
    assert (stop.description, stop.source) == ("Training takes the most.", "https://example.org/stop")
    assert stop.risk == ControlRisk.MEDIUM
    # A "yes" is told by its question; "no" and "none of the above" are no practices.
    assert (owner.id, owner.title, owner.group) == ("house_1.yes", "Is there an owner?", "The house")
    assert (owner.pillar, owner.risk, owner.source, owner.description) == (None, None, "", "")
    assert catalogue == from_custom_lens(read_document(json.dumps(lens()).encode(), "lens.json"))


@pytest.mark.parametrize(
    ("rules", "spot", "stop"),
    [
        ([], None, None),
        ([("default", "MEDIUM_RISK")], "medium", "medium"),
        ([("default", "NO_RISK")], None, None),
        ([("cost_1_spot || cost_1_stop", "NO_RISK"), ("default", "HIGH_RISK")], None, None),
        ([("!cost_1_spot", "HIGH_RISK"), ("! ( cost_1_stop )", "MEDIUM_RISK")], "high", "medium"),
        ([("cost_1_no", "HIGH_RISK"), ("default", "MEDIUM_RISK")], "medium", "medium"),
        # Two rules hold: which of them counts is not said.
        ([("!cost_1_spot", "HIGH_RISK"), ("!cost_1_spot || !cost_1_stop", "MEDIUM_RISK")], None, "medium"),
        # Not understood: nested, unknown, malformed.
        ([("!(cost_1_spot && cost_1_stop)", "HIGH_RISK"), ("default", "MEDIUM_RISK")], None, None),
        ([("!nobody", "HIGH_RISK"), ("default", "MEDIUM_RISK")], None, None),
        ([("!cost_1_spot &&", "HIGH_RISK"), ("default", "MEDIUM_RISK")], None, None),
        ([("cost_1_spot cost_1_stop", "HIGH_RISK"), ("default", "MEDIUM_RISK")], None, None),
        ([("cost_1(_spot)", "HIGH_RISK"), ("default", "MEDIUM_RISK")], None, None),
        ([("!cost_1_spot" + " " * 20_000 + "|| cost_1_stop", "HIGH_RISK")], None, None),
        ([("", "HIGH_RISK"), ("default", "MEDIUM_RISK")], None, None),
        ([("__import__('os')", "HIGH_RISK")], None, None),
        ([("(" * 5_000, "HIGH_RISK")], None, None),
        ([("default", "ENORMOUS_RISK")], None, None),
    ],
)
def test_the_risk_of_a_choice_is_its_questions_risk_without_it(
    rules: list[tuple[str, str]], spot: str | None, stop: str | None
) -> None:
    value = lens()
    question = value["pillars"][0]["questions"][0]
    question["riskRules"] = [{"condition": condition, "risk": risk} for condition, risk in rules]
    controls = read_json(value)[0].controls
    assert [control.risk for control in controls[:2]] == [spot, stop]


@pytest.mark.parametrize(
    ("id", "name", "pillar"),
    [
        ("SEC", "Security", Pillar.SECURITY),
        ("performance", "Fast", Pillar.PERFORMANCE_EFFICIENCY),
        ("PERF", "Performance efficiency", Pillar.PERFORMANCE_EFFICIENCY),
        ("operationalExcellence", "x", Pillar.OPERATIONAL_EXCELLENCE),
        ("COST", "Cost Optimization", Pillar.COST_OPTIMISATION),
        ("COST", "Cost and performance", None),
    ],
)
def test_a_lens_pillar_is_ours_by_id_or_name(id: str, name: str, pillar: Pillar | None) -> None:
    value = lens()
    value["pillars"][1] |= {"id": id, "name": name}
    assert read_json(value)[0].controls[-1].pillar == pillar


@pytest.mark.parametrize(("given", "version"), [("v3.1", "v3.1"), (2.0, "2.0"), ({}, "1"), (None, "1")])
def test_a_lens_version_is_taken_where_it_is_given(given: object, version: str) -> None:
    assert read_json(lens() | {"_version": given})[0].version == version


def _question(value: Any) -> Any:
    return value["pillars"][0]["questions"][0]


def _only_none(value: Any) -> None:
    """Leave a lens that has no practice in it."""
    del value["pillars"][0]
    del value["pillars"][0]["questions"][0]["choices"][0]


@pytest.mark.parametrize(
    ("spoil", "at", "reason"),
    [
        (lambda v: v.update(schemaVersion="2030-01-01"), '"schemaVersion"', "2021-11-01 is"),
        (lambda v: v.update(pillars=[]), '"pillars"', "length >= 1"),
        (lambda v: v.update(pillars={}), '"pillars"', "Expected `array`, got `object`"),
        (lambda v: v.update(name=""), '"name": ""', "the name is empty"),
        (lambda v: v.pop("name"), '^"schemaVersion"', "missing required field `name`"),
        (lambda v: v["pillars"][1].update(questions=[]), '"questions": []', "length >= 1"),
        (lambda v: _question(v).update(choices=[]), '"choices": []', "length >= 1"),
        (lambda v: _question(v).pop("choices"), '^"id": "cost_1",', "missing required field `choices`"),
        (lambda v: _question(v).update(id="a.b"), '"id": "a.b"', "matching regex"),
        (lambda v: _question(v).update(id="house_1"), '^"title": "Is there', "'house_1' is given twice"),
        (
            lambda v: _question(v)["choices"][1].update(id="cost_1_spot"),
            '^"title": "Training st',
            "is given twice",
        ),
        (lambda v: _question(v)["choices"][1].update(title=7), '"title": 7', "Expected `str`, got `int`"),
        (
            lambda v: _question(v)["choices"][1].update(title="\u0007"),
            '"title": "\\u0007"',
            "the title is empty",
        ),
        (lambda v: _question(v)["choices"][1].update(title="x" * 1001), '"title": "xx', "at most 1,000"),
        (lambda v: _question(v)["choices"][1].update(id="x" * 99), '"id": "xxx', "at most 100"),
        (lambda v: _question(v).update(riskRules=[{"risk": "NO_RISK"}]), '^"risk": "NO_RISK"', "`condition`"),
        (_only_none, '"pillars"', "holds no controls"),
    ],
)
def test_a_bad_lens_is_refused_with_its_line(spoil: Callable[[Any], object], at: str, reason: str) -> None:
    value = lens()
    spoil(value)
    text = json.dumps(value, indent=2)
    error = refused(text, "lens.json")
    assert reason in error.message
    assert error.message.startswith(f"lens.json, line {line_of(text, at)}, column "), error.message


@pytest.mark.parametrize("spoiled", [{"name": "a\ud800"}, {"pillars": ["\udfff"]}, {"\ud800": 1}])
def test_half_a_character_is_refused_before_anything_is_made_of_it(spoiled: dict[str, Any]) -> None:
    assert "half of a surrogate pair" in refused(json.dumps(lens() | spoiled), "lens.json").message


def test_whole_characters_may_be_escaped() -> None:
    assert read_json(lens() | {"name": "Lens \U0001f600"})[0].title == "Lens \U0001f600"


def test_an_oscal_catalog_is_read() -> None:
    catalogue, format = read_json(catalog())
    assert format == "oscal"
    assert (catalogue.catalogue, catalogue.version, catalogue.title) == (
        "house-controls",
        "1.2",
        "House Controls",
    )
    assert catalogue.source == "https://example.org/all"
    first, enhancement, bare = catalogue.controls
    assert (first.id, first.title, first.group) == ("HA-1", "Account Rules", "Access / Accounts")
    assert (
        first.description
        == "a. Tell [a role] by [one or more of: mail; a role] b. [how often], [30 days], [gone]."
    )
    assert first.source == "https://example.org/ha-1"
    assert (enhancement.id, enhancement.title) == ("HA-1(1)", "By Machine")
    assert enhancement.group == first.group
    assert (bare.id, bare.description, bare.source, bare.group) == ("HB-1", "", "", "Bare")
    assert catalogue == from_oscal(read_document(json.dumps(catalog()).encode(), "catalog.json"))


def test_controls_beside_groups_and_below_a_withdrawn_one_are_kept() -> None:
    value = catalog()
    top, inner = value["catalog"], value["catalog"]["groups"][0]["groups"][0]
    top["controls"] = [{"id": "top-1", "title": "First"}]
    inner["controls"][1]["controls"] = [{"id": "ha-2.1", "title": "Still there"}]
    ids = [control.id for control in read_json(value)[0].controls]
    assert ids == ["TOP-1", "HA-1", "HA-1(1)", "HA-2.1", "HB-1"]


def test_labels_that_are_not_unique_give_way_to_ids() -> None:
    value = catalog()
    value["catalog"]["groups"][1]["controls"][0]["props"] = [{"name": "label", "value": "ha 1"}]
    assert [control.id for control in read_json(value)[0].controls] == ["HA-1", "HA-1(1)", "HB-1"]


def test_a_long_statement_is_cut_at_a_word() -> None:
    value = catalog()
    value["catalog"]["groups"][1]["controls"][0]["parts"] = [{"name": "statement", "prose": "word " * 900}]
    description = read_json(value)[0].controls[-1].description
    assert description.endswith(" word…")
    assert 990 <= len(description) <= 1_000


def _control(value: Any) -> Any:
    return value["catalog"]["groups"][1]["controls"][0]


@pytest.mark.parametrize(
    ("spoil", "at", "reason"),
    [
        (lambda v: v["catalog"]["metadata"].pop("version"), '"metadata"', "missing required field `version`"),
        (lambda v: v["catalog"]["metadata"].update(version=1), '"version": 1', "Expected `str`, got `int`"),
        (lambda v: v["catalog"]["metadata"].update(title=""), '"title": ""', "the title is empty"),
        (lambda v: v["catalog"].pop("metadata"), '"catalog"', "missing required field `metadata`"),
        (lambda v: v["catalog"].update(groups={}), '"groups": {}', "Expected `array`, got `object`"),
        (lambda v: v["catalog"].update(groups=[]), '"catalog"', "holds no controls"),
        (lambda v: _control(v).update(title="\n"), '"title": "\\n"', "the title is empty"),
        (lambda v: _control(v).pop("title"), '^"id": "hb-1"', "missing required field `title`"),
        (lambda v: _control(v).update(id="ha-1"), '^"title": "No label"', "'HA-1' is given twice"),
        (lambda v: _control(v).update(id="y" * 101), '"id": "yyy', "at most 100"),
        (lambda v: _control(v).update(parts=[{"name": "x", "parts": 3}]), '"parts": 3', "Expected `array`"),
        (
            lambda v: _control(v).update(params=[{"label": "x"}]),
            '^"label": "x"',
            "missing required field `id`",
        ),
    ],
)
def test_a_bad_oscal_catalog_is_refused_with_its_line(
    spoil: Callable[[Any], object], at: str, reason: str
) -> None:
    value = catalog()
    spoil(value)
    text = json.dumps(value, indent=2)
    error = refused(text, "catalog.json")
    assert reason in error.message
    assert error.message.startswith(f"catalog.json, line {line_of(text, at)}, column "), error.message


@pytest.mark.parametrize(
    ("title", "id"),
    [
        ("  Ünïcode & Co. ", "unicode-co"),
        ("日本語", "else"),
        ("", "else"),
        ("a" * 70, "a" * 60),
        ("twelve chars " * 6, "twelve-chars-twelve-chars-twelve-chars-twelve-chars-twelve"),
    ],
)
def test_a_title_becomes_an_id(title: str, id: str) -> None:
    assert slug(title, otherwise="else") == id


def test_text_is_cut_within_its_bound() -> None:
    assert cut("one two three", 13) == "one two three"
    assert cut("one two three", 9) == "one two…"
    assert cut("x" * 20, 10) == "x" * 9 + "…"


@pytest.mark.parametrize("depth", [10, 60, 5_000])
def test_parts_nest_as_deep_as_documents_may(depth: int) -> None:
    text = '{"name": "statement", "parts": [' * depth + '{"name": "s", "prose": "x"}' + "]}" * depth
    head = '{"catalog": {"metadata": {"title": "t", "version": "1"}, "controls": [{"id": "a", "title": "b", "parts": ['
    document = head + text + "]}]}}"
    if depth == 10:
        assert read(document, "deep.json").controls[0].description == "x"
    else:
        assert "nested too deeply" in refused(document, "deep.json").message


def test_hostile_documents_take_time_in_proportion() -> None:
    """Each of these would take minutes if parts were gone through for each other part."""
    inserts = "{{ insert: param, p }} " * 40_000
    control = {
        "id": "a",
        "title": "b",
        "params": [{"id": "p", "select": {"choice": [inserts, "{{" * 100_000, "{{ " + " " * 100_000]}}],
        "parts": [{"name": "statement", "prose": inserts}] * 3,
    }
    oscal = {"catalog": {"metadata": {"title": "t", "version": "1"}, "controls": [control]}}
    value = lens()
    question = _question(value)
    question["choices"] = [{"id": f"c{number}", "title": "x"} for number in range(4_000)]
    condition = " && ".join(f"!c{number}" for number in range(4_000))
    question["riskRules"] = [{"condition": condition, "risk": "HIGH_RISK"}] * 20
    question["riskRules"].append({"condition": "(" + " " * 100_000 + "!", "risk": "HIGH_RISK"})
    other = value["pillars"][1]["questions"][0]
    other |= {"title": "y" * 1_000_000, "description": "z " * 1_000_000}
    other["choices"] = [{"id": f"c{number}", "title": "Yes"} for number in range(4_000)]
    begun = time.perf_counter()
    assert read_json(oscal)[0].controls[0].description.startswith("[")
    with pytest.raises(InputError, match="holds 8000 controls"):
        read_json(value)
    assert time.perf_counter() - begun < 5


KEYS = st.sampled_from(
    ["catalogue", "schemaVersion", "pillars", "catalog", "controls", "parts", "groups", "id", "title"]
)
ODD = ["{{ insert: param, a }}", "https://example.org", "javascript:x", "canonical", "#a", "\x1b", "!a && b"]
COMMON = ["2021-11-01", "default", "a", "b", "HIGH_RISK", "label", "status", "withdrawn", "statement", PHASE]
TEXT = st.text(max_size=20) | st.sampled_from(ODD + COMMON)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS | TEXT, inner, max_size=6),
    max_leaves=40,
)
# Mostly words, so that whole catalogues are met too.
WORDS = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
TEXTS = st.one_of(*[WORDS] * 12, TEXT)
LINKS = st.sampled_from(["", "https://example.org", "http://[::1]/x"]) | TEXT


def struct(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional)


def some(one: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(*[st.lists(one, min_size=1, max_size=3)] * 8, st.lists(one, max_size=3), VALUES)


RESOURCE = struct({}, {"displayText": TEXTS, "url": TEXTS})
CHOICE = struct({"id": TEXTS, "title": TEXTS}, {"helpfulResource": RESOURCE, "improvementPlan": RESOURCE})
RULE = struct({"condition": TEXTS, "risk": TEXTS}, {})
QUESTION = struct({"id": TEXTS, "title": TEXTS, "choices": some(CHOICE)}, {"riskRules": some(RULE)})
LENS = struct(
    {
        "schemaVersion": st.just("2021-11-01"),
        "name": TEXTS,
        "pillars": some(struct({"id": TEXTS, "name": TEXTS, "questions": some(QUESTION)}, {})),
    },
    {"_version": VALUES},
)
PROP = struct({"name": TEXTS, "value": TEXTS}, {"class": TEXTS, "ns": TEXTS})
PART = struct({"name": TEXTS}, {"prose": TEXTS, "props": some(PROP), "parts": st.just([]) | VALUES})
PARAM = struct(
    {"id": TEXTS}, {"label": TEXTS, "values": some(TEXTS), "select": struct({}, {"choice": some(TEXTS)})}
)
LINK = struct({"href": TEXTS, "rel": TEXTS}, {})
CONTROL = struct(
    {"id": TEXTS, "title": TEXTS},
    {
        "params": some(PARAM),
        "props": some(PROP),
        "parts": some(PART),
        "links": some(LINK),
        "controls": VALUES,
    },
)
CATALOG = struct(
    {
        "metadata": struct({"title": TEXTS, "version": TEXTS}, {"links": some(LINK)}),
        "controls": some(CONTROL),
    },
    {"groups": some(struct({"title": TEXTS}, {"controls": some(CONTROL), "groups": st.just([]) | VALUES}))},
)
OWN_CONTROL = struct(
    {"id": TEXTS, "title": TEXTS},
    {
        "description": TEXTS,
        "phases": some(st.just(PHASE) | TEXTS),
        "source": LINKS,
        "group": TEXTS,
        "outputs": some(TEXTS),
    },
)
OWN_CATALOGUE = struct(
    {"catalogue": TEXTS, "version": TEXTS, "title": TEXTS, "controls": some(OWN_CONTROL)},
    {"doubts": some(TEXTS), "source": LINKS, "licence": TEXTS},
)
DOCUMENTS = VALUES | LENS | struct({"catalog": CATALOG}, {}) | OWN_CATALOGUE


@given(DOCUMENTS)
@settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_anything_is_a_catalogue_that_can_be_kept_or_a_told_error(value: Any) -> None:
    try:
        catalogue, format = read_catalogue(read_document(json.dumps(value).encode(), "any.json"))
    except InputError as told:
        told.message.encode()
        return
    assert format in ("crisplens", "custom-lens", "oscal")
    assert NAME_PATTERN.fullmatch(catalogue.catalogue)
    ids = [folded_id(control.id) for control in catalogue.controls]
    assert 1 <= len(ids) == len(set(ids)) <= MOST_CONTROLS
    phases = {phase.id for phase in list_phases()}
    for control in catalogue.controls:
        assert 1 <= len(control.id) <= 100
        assert control.title.strip()
        assert set(control.phases) <= phases
        assert not control.source or control.source.lower().startswith(("http://", "https://"))
        f"{control}".encode()
