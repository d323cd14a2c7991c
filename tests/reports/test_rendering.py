"""The report as HTML and JSON: whole, safe, small, and the same for the same record."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import msgspec
import pytest

from crisplens.reports.content import AuditReport
from crisplens.reports.rendering import render_html, render_json
from tests.reports.pages import Page
from tests.reports.stories import HOSTILE, Registry

MOST_BYTES = 400_000
SECTIONS = (
    *("verdict", "facts", "goals", "policy", "phases", "risks", "frameworks", "record", "lineage", "drift"),
    *("incidents", "gaps", "cycles", "ledger", "method"),
)


@pytest.fixture(params=["report", "in_order", "empty", "wide", "hostile", "governed", "reviewed"])
def any_report(request: pytest.FixtureRequest) -> AuditReport:
    found: AuditReport = request.getfixturevalue(request.param)
    return found


def test_the_page_is_well_formed_small_and_complete(any_report: AuditReport) -> None:
    html = render_html(any_report)
    page = Page(html)
    assert len(html.encode()) < MOST_BYTES
    ids = page.attributes("id")
    assert len(ids) == len(set(ids))
    assert [id for id in ids if id in SECTIONS] == list(SECTIONS)
    for name in ("aria-labelledby", "aria-describedby"):
        assert set(page.attributes(name)) <= set(ids)
    assert {href[1:] for href in page.attributes("href") if href.startswith("#")} <= set(ids)


def test_headings_go_down_step_by_step(any_report: AuditReport) -> None:
    levels = [
        int(tag[1])
        for tag, _ in Page(render_html(any_report)).elements
        if tag in {f"h{n}" for n in range(1, 7)}
    ]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_tables_and_pictures_have_names(any_report: AuditReport) -> None:
    html = render_html(any_report)
    elements = Page(html).elements
    tables = [tag for tag, _ in elements if tag == "table"]
    assert html.count("<caption") == len(tables)
    assert all("scope" in attributes for tag, attributes in elements if tag == "th")
    for tag, attributes in elements:
        if tag == "svg":
            assert attributes.get("role") == "img" or attributes.get("aria-hidden") == "true"
    tags = {tag for tag, _ in elements}
    assert {"header", "nav", "main", "footer"} <= tags
    # What is folded away says so, opens without a script, and is unfolded on paper.
    assert [tag for tag, _ in elements].count("details") == [tag for tag, _ in elements].count("summary")
    assert "details::details-content" in html


def test_nothing_runs_and_nothing_is_fetched(any_report: AuditReport) -> None:
    page = Page(render_html(any_report))
    tags = {tag for tag, _ in page.elements}
    assert not tags & {
        "script",
        "img",
        "iframe",
        "object",
        "embed",
        "form",
        "base",
        "video",
        "audio",
        "image",
        "use",
    }
    for tag, attributes in page.elements:
        assert not [
            name for name in attributes if name.startswith("on") or name in {"src", "srcset", "action"}
        ]
        if tag == "link":
            assert attributes["href"] == "data:,"
        elif "href" in attributes:
            assert tag == "a"
            assert attributes["href"].startswith(("#", "https://docs.aws.amazon.com/"))
        assert "url(" not in attributes.get("style", "")


def test_styles_fetch_nothing(report: AuditReport) -> None:
    html = render_html(report)
    style = html[html.index("<style>") : html.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style


@pytest.mark.parametrize(("name", "most"), [("hostile", 60), ("reviewed", 30)])
def test_hostile_text_is_shown_and_not_obeyed(name: str, most: int, request: pytest.FixtureRequest) -> None:
    html = render_html(request.getfixturevalue(name))
    page = Page(html)
    assert "<script" not in html
    assert "<img" not in html
    assert page.text.count("<script>alert(1)</script>") > most
    assert HOSTILE in "".join(page.parts)
    assert not [value for _, attributes in page.elements for value in attributes if "alert" in value]


@pytest.mark.parametrize(("name", "most"), [("hostile", 35), ("reviewed", 15)])
def test_every_free_text_is_in_the_page(name: str, most: int, request: pytest.FixtureRequest) -> None:
    """Each field gets a text of its own, so that none hides behind another."""
    built, expected = _tagged(msgspec.to_builtins(request.getfixturevalue(name)))
    text = "".join(Page(render_html(msgspec.convert(built, AuditReport))).parts)
    # The page shows these as the report arranges them: answers as controls, slices and classes as tables.
    again = (".checkpoint.answers.", ".evaluation.slices.", ".evaluation.classes.")
    assert [tag for tag in expected if tag not in text and not any(part in tag for part in again)] == []
    assert len(expected) > most


def _tagged(value: object, path: str = "") -> tuple[object, list[str]]:
    """`value` with each hostile text replaced by its path, and those paths."""
    if isinstance(value, dict):
        parts = {key: _tagged(one, f"{path}.{key[:20]}") for key, one in value.items()}
        return {key: one for key, (one, _) in parts.items()}, [
            tag for _, tags in parts.values() for tag in tags
        ]
    if isinstance(value, list | tuple):
        found = [_tagged(one, f"{path}.{number}") for number, one in enumerate(value)]
        return [one for one, _ in found], [tag for _, tags in found for tag in tags]
    if value == HOSTILE:
        return f"¶{path}¶", [f"¶{path}¶"]
    return value, []


def test_json_holds_the_same_content(any_report: AuditReport) -> None:
    text = render_json(any_report)
    assert msgspec.json.decode(text, type=AuditReport) == any_report


def test_the_same_record_gives_the_same_bytes(story: Registry) -> None:
    first, second = story.report(), story.report()
    assert render_html(first) == render_html(second)
    assert render_json(first) == render_json(second)


def test_numbers_stand_in_the_page_as_recorded(report: AuditReport) -> None:
    text = Page(render_html(report)).text
    assert report.head
    for wanted in (
        *("0.8312", "0.7951", "96.5", "101.25", "0.1174", "12,500", "90,000 EUR", "87.5%"),
        *("2026-11-21 03:24 UTC", report.head.root, report.verdict.sentence),
        *(model.digest for model in report.record.models),
        *(gap.title for gap in report.gaps),
    ):
        assert wanted in text


def test_failed_verification_is_said_beside_the_verdict(report: AuditReport) -> None:
    broken = msgspec.structs.replace(report.verification[1], passed=False, found=1)
    text = Page(render_html(msgspec.structs.replace(report, verification=(broken,)))).text
    assert "Read the rest with care" in text
    assert "Read the rest with care" not in Page(render_html(report)).text


def test_jinja_is_imported_only_to_render() -> None:
    script = "import sys; import crisplens.reports.rendering as r; print('jinja2' in sys.modules)"
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
