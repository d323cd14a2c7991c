"""Costs and observed KPIs in the report, and the line that is drawn of them."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import msgspec

from crisplens.reports.content import AuditReport
from crisplens.reports.observation_chart import observation_chart
from crisplens.reports.rendering import render_html
from tests.reports.pages import Page
from tests.reports.stories import HOSTILE


def test_costs_are_held_against_the_goal(governed: AuditReport) -> None:
    found = {
        (one.kind, one.currency): (one.expected, one.actual, one.over, one.recorded)
        for one in governed.value.costs
    }
    assert found["training", "EUR"] == ("800.50", "812.40", True, 1)
    assert found["data", "EUR"][::3] == ("12000", 0)
    assert found["inference", "GBP"][:2] == (None, "100")
    text = Page(render_html(governed)).text
    assert "812.40 EUR" in text
    assert "100 GBP" in text


def test_observed_kpis_are_held_against_their_targets(governed: AuditReport) -> None:
    (auc,) = governed.value.kpis
    assert [one.value for one in auc.observations] == ["0.78", "0.82", "0.79"]
    assert (auc.comparison.observed, auc.comparison.met, auc.comparison.worth) == ("0.79", True, "49800")
    text = Page(render_html(governed)).text
    assert "49,800 EUR" in text
    assert "month 2" in text


def test_observations_are_drawn_as_a_line_with_words(governed: AuditReport) -> None:
    (auc,) = governed.value.kpis
    root = ET.fromstring(observation_chart(auc))
    assert root.get("role") == "img"
    assert [one.get("class") for one in root.findall("circle")] == ["missed", "met", "met"]
    assert len(root.findall("line[@class='line']")) == 2
    places = [float((one.get("cx") or "").rstrip("%")) for one in root.findall("circle")]
    assert places == sorted(places)
    assert root.findtext("title") == (
        "auc as observed, target 0.80: 2025-01-28 0.78 (missed), 2025-02-28 0.82 (met), 2025-03-28 0.79 (met)"
    )
    heights = [float(one.get("cy") or 0) for one in root.findall("circle")]
    assert heights[1] < heights[2] < heights[0]
    region = root.find("rect[@class='good']")
    assert region is not None
    bottom = float(region.get("y") or 0) + float(region.get("height") or 0)
    assert [height <= bottom + 0.1 for height in heights] == [False, True, True]


def test_one_observation_and_hostile_names_are_drawn(governed: AuditReport) -> None:
    (auc,) = governed.value.kpis
    kpi = msgspec.structs.replace(auc.kpi, name=HOSTILE, direction="lower", target="0.80")
    drawn = observation_chart(msgspec.structs.replace(auc, kpi=kpi, observations=auc.observations[:1]))
    assert "<script" not in drawn
    root = ET.fromstring(drawn)
    assert len(root.findall("circle")) == 1
    assert HOSTILE in (root.findtext("title") or "")
