"""Settings that do nothing beside others: which, and where. Giving one is refused, so nobody relies on it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from crisplens.core.errors import InputError
from crisplens.monitors.incidents.model import Response, TriggerPolicy
from crisplens.monitors.model import CheckSettings
from crisplens.monitors.performance.model import BinaryColumns
from crisplens.monitors.performance.plans import KpiPlan, PerformancePlan, Plan, VariantPlan

State = TypeVar("State")

# Options whose names are not those of the settings.
_OPTIONS = {"methods": "--method", "thresholds": "--threshold", "weights": "--weight", "groups": "--group"}


@dataclass(frozen=True)
class Idle(Generic[State]):
    """Settings that do nothing `where` (in words) and `when` others are so, and what to do instead."""

    settings: tuple[str, ...]
    where: str
    when: Callable[[State], bool]
    hint: str


BESIDE_OTHERS: tuple[Idle[CheckSettings], ...] = (
    Idle(
        ("tolerance", "level", "weights"),
        "beside --drift-share",
        lambda settings: settings.drift_share is not None,
        "With a drift share, columns drift by their scores alone. Leave one of the two out.",
    ),
)
OF_RESPONSE: tuple[Idle[Response], ...] = (
    Idle(
        ("cool_down",),
        "unless --trigger is automatic",
        lambda response: response.trigger is not TriggerPolicy.AUTOMATIC,
        "It is the time without a new trigger that is raised by itself. Give --trigger automatic, or leave it out.",
    ),
    Idle(
        ("escalate_after",),
        "without --escalate-to",
        lambda response: not response.escalate_to,
        "Say who gets the incidents that nobody takes on, --escalate-to WHO, or leave it out.",
    ),
)
OF_PERFORMANCE: tuple[Idle[tuple[PerformancePlan, CheckSettings]], ...] = (
    Idle(
        ("coverage", "labels_within"),
        "without --labels",
        lambda of: not of[0].labels,
        "Labels that stand in the data are not waited for. Give --labels and --key, or leave it out.",
    ),
    Idle(
        ("cut",),
        "unless --score alone tells the predicted class",
        lambda of: not isinstance(of[0].columns, BinaryColumns) or of[0].columns.predicted is not None,
        "Leave it out, or --predicted.",
    ),
    Idle(
        ("groups",),
        "without a fairness gap that is judged",
        lambda of: not of[0].gaps,
        "Such as --threshold demographic_parity_difference=0.1; --segment judges a metric in each group.",
    ),
    Idle(
        ("tolerance",),
        "where each metric has a --threshold",
        # A measured segment is compared with the rest, and may differ from it by the tolerance.
        lambda of: (of[0].estimated or not of[0].segments) and {*of[0].metrics} <= {*of[1].thresholds},
        "Leave it out, or judge a metric without a threshold.",
    ),
)
_OF_DRIFT = ("methods", "weights", "drift_share", "engine", "constraints", "exact", "reference_also")
_BY_PLAN: dict[type[Plan], Idle[Plan]] = {
    PerformancePlan: Idle(
        _OF_DRIFT,
        "for a monitor of performance",
        lambda plan: True,
        "It is judged by --threshold METRIC=NUMBER, --tolerance and --level; the others are for monitors of drift.",
    ),
    VariantPlan: Idle(
        (*_OF_DRIFT, "thresholds", "tolerance"),
        "for a monitor of variants",
        lambda plan: True,
        "Variants are compared at --level, once there are --minimum-rows; other settings need another monitor.",
    ),
    KpiPlan: Idle(
        (*_OF_DRIFT, "thresholds", "tolerance", "level", "minimum_rows", "current"),
        "for a monitor of a KPI",
        lambda plan: True,
        "It is held against its target, and against no thresholds: crisplens kpi set NAME --target NUMBER.",
    ),
}


def refuse_idle(given: Mapping[str, object], rules: Iterable[Idle[State]], state: State) -> None:
    """Raise `InputError` for a setting that is given and does nothing; what is None or empty is not given."""
    for rule in rules:
        if not rule.when(state):
            continue
        idle = [option_of(name) for name in rule.settings if _is_given(given.get(name))]
        if idle:
            verb = "does" if len(idle) == 1 else "do"
            raise InputError(
                f"{' and '.join(idle)} {verb} nothing {rule.where}", slug="bad-setting", hint=rule.hint
            )


def refuse_idle_of_plan(given: Mapping[str, object], plan: Plan) -> None:
    """Raise `InputError` for a setting that is given and does nothing for a monitor of this plan."""
    refuse_idle(given, (_BY_PLAN[type(plan)],), plan)


def option_of(setting: str) -> str:
    """The option of the command line that gives a setting."""
    return _OPTIONS.get(setting) or f"--{setting.replace('_', '-')}"


def _is_given(value: object) -> bool:
    return value is not None and value not in ("", (), [], {})
