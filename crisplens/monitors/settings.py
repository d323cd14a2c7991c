"""A monitor's options as the values that are recorded: checked, with the defaults filled in."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec

from crisplens.core.decimals import check_number
from crisplens.core.errors import InputError
from crisplens.core.names import nearest, unknown_name
from crisplens.core.text import check_text
from crisplens.monitors.effects import TOLERANCE, check_tolerance
from crisplens.monitors.features import classified, resolved
from crisplens.monitors.idle import BESIDE_OTHERS, OF_RESPONSE, option_of, refuse_idle
from crisplens.monitors.incidents.model import Response, TriggerPolicy
from crisplens.monitors.model import CheckSettings, OtherProfile, Profile
from crisplens.monitors.moving import parse_moving
from crisplens.monitors.scores import METHODS, default_method
from crisplens.monitors.segments import check_segments

# Of windows that come one after another, two of three must drift; a window that comes alone decides alone.
PERSISTENCE_OF_WINDOWS = (2, 3)
LEVEL = 0.05
ESCALATE_AFTER = 24
MOST_WINDOWS = 100
MOST_HOURS = 24 * 366
MOST_WEIGHT = 1000
MOST_MINIMUM_ROWS = 1_000_000_000
# What is said of single columns.
_PER_COLUMN = ("thresholds", "methods", "weights")
# Fields of the settings that one option gives under another name.
_FIELDS = {"persistence": ("needed", "of"), "reference_also": ("also",)}
_PERSISTENCE = re.compile(r"([1-9][0-9]{0,2})/([1-9][0-9]{0,2})")


def check_settings(
    *,
    columns: Sequence[str] = (),
    thresholds: Mapping[str, float] | None = None,
    methods: Mapping[str, str] | None = None,
    drift_share: float | None = None,
    minimum_rows: int = 30,
    tolerance: float | None = None,
    level: float | None = None,
    weights: Mapping[str, float] | None = None,
    persistence: str | None = None,
    comes_alone: bool = True,
    exact: bool = False,
    segments: Sequence[Sequence[str]] = (),
    reference_also: str | None = None,
) -> CheckSettings:
    """Settings in their range. `persistence` is `K/N`; `comes_alone` says that no further window follows.

    Without a `tolerance` it is 0.1, without a `level` 0.05. Raises `InputError` naming the one that is out of its
    range or does nothing beside another; whether columns and methods are known is the engine's to say.
    """
    needed, of = _persistence(persistence, comes_alone=comes_alone)
    found = CheckSettings(
        columns=tuple(columns),
        thresholds=_numbers("threshold", thresholds),
        methods=dict(methods or {}),
        drift_share=None if drift_share is None else check_number("the drift share", drift_share),
        minimum_rows=minimum_rows,
        tolerance=TOLERANCE if tolerance is None else check_number("the tolerance", tolerance),
        level=LEVEL if level is None else check_number("the level", level),
        weights=_numbers("weight", weights),
        needed=needed,
        of=of,
        exact=exact,
        segments=check_segments(segments),
        also=parse_moving(reference_also) if reference_also else None,
    )
    _check_ranges(found)
    given = {"tolerance": tolerance, "level": level}
    _refuse_idle(given | {"thresholds": thresholds, "methods": methods, "weights": weights}, found)
    return found


def check_fits(reference: Profile, watched: Collection[str], settings: CheckSettings) -> None:
    """Raise `InputError` for settings by which no window could be found to drift from this reference."""
    least, known = settings.minimum_rows, resolved(settings, reference)
    compared = [
        column.name
        for column in reference.columns
        if column.name in watched and not isinstance(column, OtherProfile) and column.count >= least
    ]
    compared += [source.column for source in classified(reference, settings)]
    if not compared:
        raise InputError(
            f"no column of the reference has {least:,} values that windows could be compared with",
            slug="no-comparison",
            hint="Give a reference with more rows, or watch other columns; --minimum-rows says how many are enough.",
        )
    profiled = {one.name: one for one in reference.columns if not isinstance(one, OtherProfile)}
    for name, threshold in known.thresholds.items():
        # Whatever windows hold, the default is a p-value for a small reference and a distance for others.
        default = default_method(profiled[name], None) if name in profiled else ""
        method = METHODS.get(known.methods.get(name, default))
        if method is not None and method.p_value and threshold > 1:
            raise _out_of_range(
                f"the threshold {threshold:g} of {name!r} is no p-value, which {method.name} gives"
            )
    if settings.drift_share is None and all(
        known.weights.get(name) == 0 and name not in known.thresholds for name in compared
    ):
        raise _out_of_range(
            "every column that can be compared has the weight 0, so that none would ever drift"
        )


def check_response(
    *,
    trigger: str = TriggerPolicy.AUTOMATIC,
    cool_down: int = 0,
    owner: str = "",
    escalate_to: str = "",
    escalate_after: int | None = None,
) -> Response:
    """What follows an alarm; times are hours, without `escalate_after` 24.

    Raises `InputError` naming what is out of its range or does nothing beside another.
    """
    after = ESCALATE_AFTER if escalate_after is None else escalate_after
    found = _response(trigger, cool_down, owner, escalate_to, after)
    refuse_idle({"cool_down": cool_down or None, "escalate_after": escalate_after}, OF_RESPONSE, found)
    return found


def changed_response(response: Response, **given: Any) -> Response:
    """This response with what is given (not None) instead; raises `InputError` as `check_response`."""
    said = {name: value for name, value in given.items() if value is not None}
    found = _response(**(msgspec.structs.asdict(response) | said))
    refuse_idle(said | {"cool_down": said.get("cool_down") or None}, OF_RESPONSE, found)
    return found


def _response(trigger: str, cool_down: int, owner: str, escalate_to: str, escalate_after: int) -> Response:
    policies = [str(one) for one in TriggerPolicy]
    if trigger not in policies:
        raise unknown_name("trigger policy", trigger, policies)
    for what, hours, least in (("cool-down", cool_down, 0), ("time to escalate", escalate_after, 1)):
        if not least <= hours <= MOST_HOURS:
            raise InputError(
                f"the {what} is {hours} hours, not {least} to {MOST_HOURS:,}", slug="bad-setting"
            )
    return Response(
        trigger=TriggerPolicy(trigger),
        cool_down=cool_down,
        owner=check_text("the owner", owner, required=False),
        escalate_to=check_text("who it is escalated to", escalate_to, required=False),
        escalate_after=escalate_after,
    )


def changed(settings: CheckSettings, **given: Any) -> CheckSettings:
    """These settings with those that are given (not None) instead; raises `InputError` as `check_settings`."""
    said = {name: value for name, value in given.items() if value is not None}
    fresh = check_settings(**said)
    fields = (field for name in said for field in _FIELDS.get(name, (name,)))
    found = msgspec.structs.replace(settings, **{field: getattr(fresh, field) for field in fields})
    _refuse_idle(said, found)
    return found


def _refuse_idle(given: Mapping[str, object], settings: CheckSettings) -> None:
    refuse_idle(given, BESIDE_OTHERS, settings)
    watched = {*settings.columns, *(name for one in settings.segments for name in one)}
    for option in (one for one in _PER_COLUMN if settings.columns and given.get(one)):
        for name in getattr(settings, option):
            # A feature or segment of a column is called such as `text (length)`.
            if name not in watched and not name.startswith(tuple(f"{one} (" for one in watched)):
                close = nearest(name, watched)
                raise InputError(
                    f"{option_of(option)} names {name!r}, which is not among those of --column",
                    slug="unknown-name",
                    hint=f"Did you mean {' or '.join(close)}?" if close else "Watch it too, or leave it out.",
                )
    both = sorted(settings.weights.keys() & settings.thresholds.keys())
    if both and given.get("weights") and settings.drift_share is None:
        raise InputError(
            f"--weight does nothing for {', '.join(both[:5])}, beside --threshold",
            slug="bad-setting",
            hint="A column with a threshold drifts by its score, whatever its weight. Leave one of the two out.",
        )


def _numbers(kind: str, given: Mapping[str, float] | None) -> dict[str, float]:
    return {name: check_number(f"the {kind} of {name}", value) for name, value in (given or {}).items()}


def _persistence(text: str | None, *, comes_alone: bool) -> tuple[int, int]:
    if text is None:
        return (1, 1) if comes_alone else PERSISTENCE_OF_WINDOWS
    match = _PERSISTENCE.fullmatch(text)
    if match is None or not int(match[1]) <= int(match[2]) <= MOST_WINDOWS:
        raise InputError(
            f"the persistence {text[:60]!r} is not K/N windows",
            slug="bad-setting",
            hint=f"Such as 2/3 for two of the newest three; N is at most {MOST_WINDOWS}.",
        )
    return int(match[1]), int(match[2])


def _check_ranges(settings: CheckSettings) -> None:
    if settings.drift_share is not None and not 0 < settings.drift_share <= 1:
        raise _out_of_range(f"the drift share {settings.drift_share:g} is not above 0 and at most 1")
    if not 1 <= settings.minimum_rows <= MOST_MINIMUM_ROWS:
        raise _out_of_range(f"the minimum of rows is {settings.minimum_rows}, not 1 to {MOST_MINIMUM_ROWS:,}")
    check_tolerance(settings.tolerance)
    if not 0 < settings.level < 1:
        raise _out_of_range(f"the level {settings.level:g} is not between 0 and 1")
    for kind, given in (("threshold", settings.thresholds), ("weight", settings.weights)):
        for name, number in given.items():
            if number < 0:
                raise _out_of_range(f"the {kind} of {name!r} is {number}, not a number of 0 or more")
    if any(weight > MOST_WEIGHT for weight in settings.weights.values()):
        raise _out_of_range(
            f"a weight is above {MOST_WEIGHT:,}; weights are shares of each other, and 1 is usual"
        )


def _out_of_range(message: str) -> InputError:
    return InputError(message, slug="bad-setting")
