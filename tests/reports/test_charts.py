from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from importlib.resources import files

from msgspec.structs import replace

from crisplens.monitors.model import Verdict
from crisplens.monitors.schedules.windows import TimeRule
from crisplens.registry.lineage.model import Graph
from crisplens.reports.charts import SIGNS, drift_chart, heat_grid, kpi_chart, legend_mark
from crisplens.reports.content import AuditReport
from crisplens.reports.lineage_picture import lineage_picture
from crisplens.reports.record_content import MonitorStory
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


def timed(story: MonitorStory, days: list[int]) -> MonitorStory:
    """The story with windows of days in March 2031, a check of each in this order."""
    named = [f"2031-03-{day:02}" for day in days]
    checks = [
        replace(one, window=day, start=f"{day}T00:00:00.000000Z")
        for one, day in zip(story.checks, named, strict=True)
    ]
    windows = TimeRule(length="day", every="day")
    return replace(story, monitor=replace(story.monitor, windows=windows), checks=tuple(checks))


def test_windows_of_time_stand_in_their_order_under_their_dates(report: AuditReport) -> None:
    (story,) = report.monitors
    kinds = [bar.get("class") for bar in drawn(drift_chart(story)).findall("rect")]
    moved = timed(story, [5, 6, 1, 2, 3, 4])
    chart, grid = drawn(drift_chart(moved)), drawn(heat_grid(moved))
    assert [bar.get("class") for bar in chart.findall("rect")] == kinds[2:] + kinds[:2]
    assert [text.text for text in chart.findall("text")][-2:] == ["2031-03-01", "2031-03-06"]
    assert [text.text for text in grid.findall("text")][-1] == "2031-03-01 to 2031-03-06"
    assert "check-3 (2031-03-01)" in (chart.findtext("rect/title") or "")


def test_other_windows_stand_under_the_day_of_their_check(report: AuditReport) -> None:
    (story,) = report.monitors
    assert not any(check.start for check in story.checks)
    dates = [text.text for text in drawn(drift_chart(story)).findall("text")][-2:]
    assert dates == [story.checks[0].at[:10], story.checks[-1].at[:10]]


def test_a_window_that_could_not_be_judged_is_bad_in_every_column(report: AuditReport) -> None:
    (story,) = report.monitors
    columns = len(story.history)
    unread = replace(story.checks[0], verdict=Verdict.BAD_DATA, checked=0, drifted=0, share=None)
    history = tuple(replace(one, verdicts=(None, *one.verdicts[1:])) for one in story.history)

    def bad(one: MonitorStory) -> int:
        found = drawn(heat_grid(one)).find("path[@class='bad']")
        return 0 if found is None else (found.get("d") or "").count("M")

    story = replace(story, history=history)
    before = bad(story)
    assert bad(replace(story, checks=(unread, *story.checks[1:]))) == before + columns
    few = replace(unread, verdict=Verdict.INSUFFICIENT_DATA)
    assert bad(replace(story, checks=(few, *story.checks[1:]))) == before


def test_a_mark_means_the_same_in_chart_grid_and_table(report: AuditReport) -> None:
    (story,) = report.monitors
    assert set(SIGNS) == {"drift", "bad", "calm", "none"}
    css = files("crisplens.reports").joinpath("templates/audit_report.css").read_text("utf-8")
    for kind, state in (("drift", "bad"), ("bad", "warn"), ("calm", "good"), ("none", "idle")):
        (escaped,) = re.findall(rf'[.]{state}[.]state::before {{ content: "[\\]([0-9A-F]+)"', css)
        assert chr(int(escaped, 16)) == SIGNS[kind]
    chart = drawn(drift_chart(story))
    signs = {text.get("class"): (text.text or "").split()[0] for text in chart.findall("text[@class]")}
    assert (signs["drift-sign"], signs["bad-sign"]) == (SIGNS["drift"], SIGNS["bad"])
    grid = drawn(heat_grid(story))
    for path in grid.findall("path"):
        mark = ET.fromstring(legend_mark(path.get("class") or "")).find("path")
        assert mark is not None
        # The same outline, wherever it stands.
        assert re.split("M[0-9. ]+", path.get("d") or "")[1] == re.split("M[0-9. ]+", mark.get("d") or "")[1]


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
