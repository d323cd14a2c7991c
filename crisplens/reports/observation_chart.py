"""A KPI as it was observed in production, as SVG: a line over time against the target."""

from __future__ import annotations

from datetime import date
from itertools import pairwise

from markupsafe import Markup

from crisplens.registry.projects.model import Direction
from crisplens.reports.charts import BELOW, TOP, Scale, svg
from crisplens.reports.governance_content import ObservedKpi
from crisplens.reports.numbers import show_decimal

_HIGH = 110
# Up to so many points are told in words and have room for their values.
_FEW = 6
_TOLD = 12


def observation_chart(observed: ObservedKpi) -> Markup:
    """The newest observations by the end of their period, and where the target is met, its error included."""
    kpi, points = observed.kpi, observed.observations
    target, error = float(kpi.target), float(kpi.acceptable_error or 0)
    higher = kpi.direction == Direction.HIGHER
    up = Scale([target - error, target + error, *(float(one.value) for one in points)])
    along = Scale([float(date.fromisoformat(one.end).toordinal()) for one in points])

    def y(value: float) -> float:
        return TOP + _HIGH * (100 - up(value)) / 100

    limit = y(target - error if higher else target + error)
    region = (TOP, limit - TOP) if higher else (limit, TOP + _HIGH - limit)
    parts = [
        Markup('<rect class="good" x="0" width="100%" y="{:.1f}" height="{:.1f}"/>').format(*region),
        Markup('<line class="target" x1="0" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/>').format(y(target)),
        Markup('<text class="halo" x="0" y="{:.1f}">target {}</text>').format(
            y(target) - 5, show_decimal(kpi.target)
        ),
    ]
    places = [
        (along(float(date.fromisoformat(one.end).toordinal())), y(float(one.value)), one) for one in points
    ]
    for (x1, y1, _), (x2, y2, _) in pairwise(places):
        parts.append(
            Markup('<line class="line" x1="{:.2f}%" x2="{:.2f}%" y1="{:.1f}" y2="{:.1f}"/>').format(
                x1, x2, y1, y2
            )
        )
    for number, (x, height, one) in enumerate(places):
        met = kpi.goal_line.is_met_by(float(one.value))
        parts.append(
            Markup('<circle class="{}" cx="{:.2f}%" cy="{:.1f}" r="4.5"/>').format(
                "met" if met else "missed", x, height
            )
        )
        if len(places) <= _FEW or number == len(places) - 1:
            parts.append(
                Markup('<text class="halo" x="{:.2f}%" y="{:.1f}" text-anchor="middle">{}</text>').format(
                    x, height - 9, show_decimal(one.value)
                )
            )
    foot = TOP + _HIGH + BELOW - 4
    parts.append(
        Markup('<text x="{:.2f}%" y="{}" text-anchor="middle">{}</text>').format(
            places[0][0], foot, points[0].end
        )
    )
    if points[-1].end != points[0].end:
        parts.append(
            Markup('<text x="{:.2f}%" y="{}" text-anchor="middle">{}</text>').format(
                places[-1][0], foot, points[-1].end
            )
        )
    return svg("observed", foot + 6, _in_words(observed), parts)


def _in_words(observed: ObservedKpi) -> str:
    kpi, points = observed.kpi, observed.observations
    told = ", ".join(
        f"{one.end} {one.value} ({'met' if kpi.goal_line.is_met_by(float(one.value)) else 'missed'})"
        for one in points[-_TOLD:]
    )
    before = f"{len(points) - _TOLD} before, then " if len(points) > _TOLD else ""
    return f"{kpi.name} as observed, target {kpi.target}: {before}{told}"
