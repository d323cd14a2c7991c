from __future__ import annotations

import xml.etree.ElementTree as ET

from crisplens.monitors.model import Verdict
from crisplens.registry.lineage.model import Graph
from crisplens.reports.charts import drift_chart, heat_grid, kpi_chart
from crisplens.reports.content import AuditReport
from crisplens.reports.lineage_picture import lineage_picture
from tests.reports.stories import HOSTILE


def drawn(svg: str) -> ET.Element:
    root = ET.fromstring(svg)
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert root.findtext("title")
    return root


def test_a_kpi_is_drawn_with_its_target_baseline_and_every_measured_version(report: AuditReport) -> None:
    latency = next(one for one in report.kpis if one.kpi.name == "latency_ms")
    root = drawn(kpi_chart(latency))
    assert [text.text for text in root.findall("text")] == [
        "target 100",
        "baseline 200",
        "churn@1  96.5",
        "churn@2  101.25",
    ]
    assert [circle.get("class") for circle in root.findall("circle")] == ["met", "missed"]
    assert "churn@2 101.25 (missed)" in (root.findtext("title") or "")


def test_what_is_better_is_shaded_on_the_side_of_the_target(report: AuditReport) -> None:
    for one in report.kpis:
        root = drawn(kpi_chart(one))
        region = root.find("rect[@class='good']")
        assert region is not None
        start = float((region.get("x") or "").rstrip("%"))
        end = start + float((region.get("width") or "").rstrip("%"))
        for circle in root.findall("circle"):
            inside = start <= float((circle.get("cx") or "").rstrip("%")) <= end
            assert inside == (circle.get("class") == "met")


def test_drift_has_a_bar_for_each_check(report: AuditReport) -> None:
    (story,) = report.monitors
    root = drawn(drift_chart(story))
    assert [bar.get("class") for bar in root.findall("rect")] == [
        "calm",
        "calm",
        "calm",
        "bad",
        "drift",
        "drift",
    ]
    assert "check-5 67%" in (root.findtext("title") or "")


def test_the_grid_has_a_cell_for_each_column_and_check(report: AuditReport) -> None:
    (story,) = report.monitors
    root = drawn(heat_grid(story))
    cells = {path.get("class"): (path.get("d") or "").count("M") for path in root.findall("path")}
    found = [verdict for column in story.history for verdict in column.verdicts]
    assert cells == {
        "drift": found.count(Verdict.DRIFT),
        "calm": found.count(Verdict.NO_DRIFT),
        "bad": found.count(Verdict.MISSING_COLUMN),
    }


def test_the_lineage_shows_every_thing_by_name(report: AuditReport) -> None:
    assert report.lineage.picture
    root = drawn(lineage_picture(report.lineage.picture))
    names = {text.text for text in root.iter("text") if text.get("class") == "name"}
    assert names == {node.name for node in report.lineage.picture.nodes}


def test_charts_of_very_long_and_of_hostile_names_are_well_formed(
    wide: AuditReport, hostile: AuditReport
) -> None:
    for one in (wide, hostile):
        for chart in (
            *map(kpi_chart, one.kpis),
            *map(drift_chart, one.monitors),
            *map(heat_grid, one.monitors),
        ):
            drawn(chart)
        assert one.lineage.picture
        drawn(lineage_picture(one.lineage.picture))
    assert HOSTILE in (drawn(heat_grid(hostile.monitors[0])).findtext("text/title") or "")


def test_an_empty_picture_is_well_formed() -> None:
    drawn(lineage_picture(Graph((), ())))
