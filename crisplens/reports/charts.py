"""Charts as SVG text. Horizontal places are percentages, so that text keeps its size on any width.

Markup.format escapes what it is given, so that names from the record cannot become tags.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup

from crisplens.monitors.model import BAD_VERDICTS, FOUND, JUDGED, Verdict
from crisplens.monitors.schedules.windows import TimeRule
from crisplens.registry.projects.model import Direction
from crisplens.reports.content import KpiResults
from crisplens.reports.numbers import shorten, show_decimal, show_time
from crisplens.reports.record_content import CheckEntry, MonitorStory

_ROW, TOP = 26, 22
_CELL, _LABEL_CHARACTERS, _CHARACTER = 15, 32, 6.4
_PLOT, BELOW = 96, 18
# What a check found has one mark wherever it stands: as text, and drawn in a cell of the grid.
SIGNS = {"drift": "✕", "bad": "▲", "calm": "✓", "none": "○"}
_DRAWN = {
    "drift": (2, 2, "l11 11m0-11l-11 11"),
    "bad": (7.5, 2, "l6 11h-12z"),
    "calm": (4, 7.5, "l2.5 3 4.5-6"),
    "none": (4.5, 7.5, "a3 3 0 1 0 6 0a3 3 0 1 0-6 0"),
}
# So many bars leave room for a number above each.
_FEW = 12
_NOTHING = Markup("")


def kpi_chart(kpi_results: KpiResults) -> Markup:
    """Baseline, target with its acceptable error, and a dot for each model version that was measured."""
    kpi, measured = kpi_results.kpi, [one for one in kpi_results.results if one.value is not None]
    target, error = float(kpi.target), float(kpi.acceptable_error or 0)
    baseline = None if kpi.baseline is None else float(kpi.baseline)
    marks = [target - error, target + error, *([] if baseline is None else [baseline])]
    place = Scale([*marks, *(one.value for one in measured if one.value is not None)])
    limit = place(target - error if kpi.direction == Direction.HIGHER else target + error)
    height = TOP + _ROW * max(len(measured), 1) + BELOW
    region = (limit, 100 - limit) if kpi.direction == Direction.HIGHER else (0.0, limit)
    parts = [
        Markup('<rect class="good" x="{:.2f}%" y="{}" width="{:.2f}%" height="{}"/>').format(
            region[0], TOP, region[1], height - TOP - BELOW
        ),
        _mark(place(target), height, "target", f"target {show_decimal(kpi.target)}", top=True),
    ]
    if baseline is not None:
        parts.append(
            _mark(place(baseline), height, "baseline", f"baseline {show_decimal(kpi.baseline)}", top=False)
        )
    for row, one in enumerate(measured):
        x, y = place(one.value or 0.0), TOP + _ROW * row + _ROW // 2
        parts.append(_dot(x, y, f"{shorten(one.model, 26)}  {one.shown}", met=bool(one.met)))
    about = ", ".join(f"{one.model} {one.shown} ({'met' if one.met else 'missed'})" for one in measured)
    marks_in_words = f"target {kpi.target}, baseline {kpi.baseline or 'none'}"
    title = f"{kpi.name}: {marks_in_words}; {about or 'no version was measured'}"
    return svg("kpi", height, title, parts)


def drift_chart(story: MonitorStory) -> Markup:
    """The share of drifting columns in each check or window of time, and the share at which a window drifts."""
    if not story.checks:
        return _NOTHING
    checks = [story.checks[place] for place in _in_time(story)]
    step = 100 / max(len(checks), 8)
    parts = [Markup('<line class="axis" x1="0" x2="100%" y1="{0}" y2="{0}"/>').format(TOP + _PLOT)]
    share = story.checks[-1].drift_share
    if share is not None:
        limit = TOP + _PLOT * (1 - share)
        parts.append(Markup('<line class="limit" x1="0" x2="100%" y1="{0:.1f}" y2="{0:.1f}"/>').format(limit))
    few = len(checks) <= _FEW
    for place, check in enumerate(checks):
        x, size = (place + 0.5) * step, _PLOT * (check.share or 0)
        kind = _kind(check.verdict)
        parts.append(
            Markup(
                '<rect class="{}" x="{:.2f}%" y="{:.1f}" width="{:.2f}%" height="{:.1f}">'
                "<title>{}</title></rect>"
            ).format(
                kind,
                x - step * 0.32,
                TOP + _PLOT - max(size, 1.5),
                step * 0.64,
                max(size, 1.5),
                _check_in_words(check),
            )
        )
        sign = "" if kind == "calm" else SIGNS[kind]
        number = f"{check.share:.0%}" if few and check.share is not None else ""
        if sign or number:
            parts.append(
                Markup('<text class="{}-sign" x="{:.2f}%" y="{:.1f}" text-anchor="middle">{}</text>').format(
                    kind, x, TOP + _PLOT - size - 5, f"{sign} {number}".strip()
                )
            )
    foot = TOP + _PLOT + 14
    parts.append(Markup('<text x="0" y="{}">{}</text>').format(foot, _when(checks[0])))
    if len(checks) > 3:
        end = min((len(checks) - 0.1) * step, 100.0)
        parts.append(
            Markup('<text x="{:.2f}%" y="{}" text-anchor="end">{}</text>').format(
                end, foot, _when(checks[-1])
            )
        )
    shares = ", ".join(map(_check_in_words, checks))
    return svg("drift", foot + 6, f"Share of drifting columns, check by check: {shares}", parts)


def _in_time(story: MonitorStory) -> list[int]:
    """The places of the checks in a picture: windows of time by their start, others as they were checked."""
    places = range(len(story.checks))
    if not isinstance(story.monitor.windows, TimeRule):
        return [*places]
    return sorted(places, key=lambda place: story.checks[place].start or story.checks[place].at)


def _when(check: CheckEntry) -> str:
    """Where a window of time begins, else the day on which it was checked."""
    return check.window.partition(" to ")[0] if check.start else show_time(check.at)[:10]


def _check_in_words(check: CheckEntry) -> str:
    window = f" ({check.window})" if check.start else ""
    return f"{check.id}{window} {'none compared' if check.share is None else f'{check.share:.0%}'}"


def heat_grid(story: MonitorStory) -> Markup:
    """A row for each column, a cell for each check; the mark in the cell says what the colour says."""
    if not story.history:
        return _NOTHING
    marks: dict[str, list[str]] = {}
    labels = []
    order = _in_time(story)
    left = round(min(max(len(one.name) for one in story.history), _LABEL_CHARACTERS) * _CHARACTER) + 14
    for row, column in enumerate(story.history):
        y = row * _CELL
        labels.append(
            Markup('<text x="{}" y="{}" text-anchor="end"><title>{}</title>{}</text>').format(
                left - 8, y + 11, column.name, shorten(column.name, _LABEL_CHARACTERS)
            )
        )
        for place, check in enumerate(order):
            kind = _cell_kind(column.verdicts[check], story.checks[check])
            marks.setdefault(kind, []).append(_cell(left + place * _CELL, y, kind))
    # One path for all cells of a kind: a rectangle for each would make the file several times as large.
    paths = [
        Markup('<path class="{}" d="{}"/>').format(kind, "".join(ds)) for kind, ds in sorted(marks.items())
    ]
    drifting = [column.name for column in story.history if column.verdicts[-1] in FOUND]
    title = f"Verdict by column and check. Drifting in the latest check: {', '.join(drifting[:20]) or 'none'}"
    first, last = (_when(story.checks[place]) for place in (order[0], order[-1]))
    dates = first if first == last else f"{first} to {last}"
    foot = _CELL * len(story.history) + 15
    labels.append(Markup('<text x="{}" y="{}">{}</text>').format(left, foot, dates))
    width, height = left + max(_CELL * len(order), round(len(dates) * _CHARACTER)) + 2, foot + 5
    return Markup(
        '<svg class="heat" role="img" width="{0}" height="{1}" viewBox="0 0 {0} {1}">'
        "<title>{2}</title>{3}{4}</svg>"
    ).format(width, height, title, _NOTHING.join(labels), _NOTHING.join(paths))


def legend_mark(kind: str) -> Markup:
    """A cell of the grid by itself."""
    return Markup(
        '<svg width="15" height="15" class="heat" aria-hidden="true"><path class="{}" d="{}"/></svg>'
    ).format(kind, _cell(0, 0, kind))


def _kind(verdict: Verdict | None) -> str:
    if verdict in FOUND:
        return "drift"
    if verdict in BAD_VERDICTS or verdict is Verdict.BAD_DATA:
        return "bad"
    return "calm" if verdict in JUDGED else "none"


def _cell_kind(verdict: Verdict | None, check: CheckEntry) -> str:
    kind = _kind(verdict)
    # Nothing is known of the columns of a window that could not be read or has no rows, but that it is bad.
    unjudged = check.verdict is Verdict.BAD_DATA and not check.checked and verdict is not Verdict.UNSUPPORTED
    return "bad" if kind == "none" and unjudged else kind


def _cell(x: int, y: int, kind: str) -> str:
    right, down, path = _DRAWN[kind]
    return f"M{x + right:g} {y + down:g}{path}"


class Scale:
    """Places of values between 8 and 92 percent, so that labels have room."""

    def __init__(self, values: Iterable[float]) -> None:
        known = list(values)
        self.low, self.span = min(known), max(known) - min(known)

    def __call__(self, value: float) -> float:
        return 8 + 84 * (value - self.low) / self.span if self.span else 50.0


def _mark(x: float, height: int, kind: str, label: str, *, top: bool) -> Markup:
    y = 14 if top else height - 4
    return Markup(
        '<line class="{}" x1="{:.2f}%" x2="{:.2f}%" y1="{}" y2="{}"/>'
        '<text x="{:.2f}%" y="{}" text-anchor="{}">{}</text>'
    ).format(kind, x, x, TOP - 4, height - BELOW + 4, x, y, _anchor(x), label)


def _dot(x: float, y: int, label: str, *, met: bool) -> Markup:
    side = -10 if x > 50 else 10
    shape = (
        Markup('<circle class="met" cx="{:.2f}%" cy="{}" r="5"/>').format(x, y)
        if met
        else Markup('<circle class="missed" cx="{:.2f}%" cy="{}" r="4.5"/>').format(x, y)
    )
    return shape + Markup('<text class="halo" x="{:.2f}%" dx="{}" y="{}" text-anchor="{}">{}</text>').format(
        x, side, y + 4, "end" if x > 50 else "start", label
    )


def _anchor(x: float) -> str:
    return "start" if x < 20 else "end" if x > 80 else "middle"


def svg(kind: str, height: float, title: str, parts: list[Markup]) -> Markup:
    """A chart as wide as there is room, with what it shows in words."""
    return Markup(
        '<svg class="chart {}" role="img" width="100%" height="{}"><title>{}</title>{}</svg>'
    ).format(kind, height, title, _NOTHING.join(parts))
