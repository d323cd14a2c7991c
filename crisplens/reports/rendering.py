"""The report as one HTML file or as JSON; both are returned as text."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

import msgspec

from crisplens.core.text import count
from crisplens.lifecycle.coverage import ControlCoverage
from crisplens.reports import numbers
from crisplens.reports.content import AuditReport

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATE = "audit_report.html.j2"


def render_html(report: AuditReport) -> str:
    """One self-contained HTML file: no script, and nothing that is fetched from elsewhere."""
    return _environment().get_template(TEMPLATE).render(report=report)


def render_json(report: AuditReport) -> str:
    """The same content as JSON, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


@cache
def _environment() -> Environment:
    # jinja2 costs its import only where a report is rendered.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from crisplens.reports.charts import SIGNS, drift_chart, heat_grid, kpi_chart, legend_mark
    from crisplens.reports.lineage_picture import lineage_picture
    from crisplens.reports.observation_chart import observation_chart

    environment = Environment(
        loader=PackageLoader("crisplens.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": numbers.show_number,
        "metric": numbers.show_metric,
        "decimal": numbers.show_decimal,
        "time": numbers.show_time,
        "digest": numbers.show_digest,
        "size": numbers.show_size,
        "count": count,
        "scalar": _scalar,
        "unbroken": _unbroken,
        "words": _words,
        "duration": numbers.show_duration,
        "groups": _groups,
    }
    environment.globals |= {
        "kpi_chart": kpi_chart,
        "drift_chart": drift_chart,
        "heat_grid": heat_grid,
        "legend_mark": legend_mark,
        "signs": SIGNS,
        "lineage_picture": lineage_picture,
        "observation_chart": observation_chart,
    }
    return environment


def _unbroken(text: str) -> Markup:
    """Text whose words, such as options and dates, are not broken at their hyphens."""
    from markupsafe import Markup

    word = Markup('<span class="word">{}</span>')
    return Markup(" ").join(word.format(one) if "-" in one else one for one in text.split(" "))


def _scalar(value: Any) -> str:
    """A parameter's value: numbers are not rounded, they are settings."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _words(name: str) -> str:
    """A code word such as `no-drift` as words."""
    return str(name).replace("-", " ").replace("_", " ")


def _groups(controls: Iterable[ControlCoverage]) -> list[list[ControlCoverage]]:
    """Controls that follow each other in the same part of their framework."""
    return [list(group) for _, group in groupby(controls, key=lambda one: one.group)]
