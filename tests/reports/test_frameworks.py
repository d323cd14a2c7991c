"""Coverage of frameworks in the report."""

from __future__ import annotations

from crisplens.lifecycle.catalogues.crosswalk import load_crosswalk
from crisplens.lifecycle.catalogues.shipped import SHIPPED, shipped_catalogue
from crisplens.lifecycle.coverage import Covered, ShownBy
from crisplens.reports.content import AuditReport
from crisplens.reports.frameworks import FULL, MOST_FOUND, _short
from crisplens.reports.rendering import render_html
from tests.reports.pages import Page


def section(report: AuditReport) -> str:
    html = render_html(report)
    return html[html.index('<section id="frameworks"') : html.index('<section id="record"')]


def test_every_item_of_annex_iv_is_told_with_what_shows_it_or_its_gap(governed: AuditReport) -> None:
    told = {one.id: one for one in governed.frameworks.full.controls}
    assert [*told] == [one.id for one in shipped_catalogue(FULL).controls]
    mapped = {id for topic in load_crosswalk().topics for id in topic.controls if id.startswith(f"{FULL}:")}
    assert mapped <= {f"{FULL}:{id}" for id in told}
    points = {f"AIV-1({letter})" for letter in "abcdefgh"} | {f"AIV-2({letter})" for letter in "abcdefgh"}
    points |= {f"AIV-{number}" for number in range(3, 10)}
    assert points <= set(told)
    page = section(governed)
    for one in told.values():
        assert f'class="long">{one.id} <span' in page
        if one.state in (Covered.GAP, Covered.PARTIAL, Covered.NOT_MET):
            assert one.close
        if one.state is not Covered.GAP:
            assert one.shown_by
    assert {Covered.GAP, Covered.PARTIAL, Covered.MET} <= {one.state for one in told.values()}


def test_evidence_doubts_and_whose_judgement_it_is_are_shown(governed: AuditReport) -> None:
    text = Page(f"<main>{section(governed)}</main>").text
    full = governed.frameworks.full
    assert governed.frameworks.judgement in text
    assert governed.frameworks.judgement == load_crosswalk().status
    for doubt in (*full.doubts, *(one.doubt for one in full.controls)):
        assert " ".join(doubt.split()) in text
    purpose = next(one for one in full.controls if one.id == "AIV-1(a)")
    assert (purpose.state, purpose.shown_by[0].evidence) == (Covered.MET, ("datasheet.md",))
    assert "met: Stated in the datasheet." in text
    assert "Evidence: datasheet.md" in text


def test_other_frameworks_are_a_row_each(governed: AuditReport) -> None:
    rows = {one.framework: one for one in governed.frameworks.others}
    assert [*rows] == [name for name in SHIPPED if name != FULL]
    assert [name for name, one in rows.items() if one.superseded] == ["sr-11-7"]
    assert all(sum(one.counts.values()) == one.total for one in rows.values())
    assert "superseded by sr-26-2" in section(governed)


def test_long_reasons_are_cut_where_they_count_again() -> None:
    long = ShownBy(kind="answer", name="X at checkpoint-1", found="met: " + "x" * 20_000)
    assert len(_short(long).found) == MOST_FOUND
    short = ShownBy(kind="answer", name="X at checkpoint-1", found="met: because")
    assert _short(short) is short
