"""Amazon SageMaker Model Monitor's `constraints.json`, read and written.

The format: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-constraints.html
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from crisplens.core.documents import Document, Place
from crisplens.monitors.model import Family
from crisplens.monitors.quality import foreign
from crisplens.monitors.quality.documents import MOST_COLUMNS, written_place
from crisplens.monitors.quality.foreign import Exported, an_object, fault, remark_unknown
from crisplens.monitors.quality.model import ColumnConstraint, Constraints
from crisplens.monitors.quality.violations import named

MOST_BYTES = 2**20

TYPES: dict[str, tuple[Family | None, bool]] = {
    "Integral": (Family.NUMBER, True),
    "Fractional": (Family.NUMBER, False),
    "String": (Family.TEXT, False),
    "Unknown": (None, False),
}
_FAMILIES = frozenset(family for family, _ in TYPES.values())
_SWITCH = ("Enabled", "Disabled")
_THRESHOLDS = ("datatype_check_threshold", "domain_content_threshold")
# The documentation spells it in one way and Amazon's SDK in the other, which also puts it among the strings'.
_OVERRIDES = ("monitoringConfigOverrides", "monitoring_config_overrides")


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """Constraints from another tool's file, and a sentence for each part of it that is not carried over."""

    constraints: Constraints
    remarks: tuple[str, ...]


def read_model_monitor(data: bytes, name: str = "constraints.json") -> Imported:
    """The constraints that a `constraints.json` demands; `name` is what errors call it.

    `datatype_check_threshold` and `domain_content_threshold` are taken as Model Monitor's own reports use them: the
    share of values that must be of the type, or of the domain. Model Monitor knows no optional and no extra columns.
    Raises `InputError` with the place (such as `features[3].completeness`) and what is accepted there, for a file of
    more than 1 MiB, and for what is no JSON object.
    """
    document = foreign.read_object(data, name, MOST_BYTES)
    remarks: list[str] = []
    root = an_object(document, document.value, ())
    version = root.get("version", 0)
    if isinstance(version, bool) or version != 0:
        raise fault(document, f"{foreign.shown(version)} is no version that is read; it is 0", "version")
    remark_unknown(root, ("version", "features", "monitoring_config"), (), remarks)
    config = _config(document, root.get("monitoring_config"), remarks)
    features = foreign.a_list(document, root.get("features"), ("features",))
    if len(features) > MOST_COLUMNS:
        raise fault(
            document, f"there are {len(features):,} features; at most {MOST_COLUMNS:,} are read", "features"
        )
    columns: dict[str, ColumnConstraint] = {}
    for index, feature in enumerate(features):
        column = _feature(document, feature, ("features", index), config, remarks)
        if column.column in columns:
            raise fault(document, f"{foreign.shown(column.column)} is given twice", "features", index, "name")
        columns[column.column] = column
    return Imported(
        constraints=Constraints(columns=tuple(columns.values())), remarks=foreign.bounded(remarks)
    )


class _Config(msgspec.Struct, frozen=True, kw_only=True):
    """The thresholds for all features: the shares that must fit."""

    datatype: float
    domain: float


def _config(document: Document, value: Any, remarks: list[str]) -> _Config:
    place: Place = ("monitoring_config",)
    given = an_object(document, value, place)
    known = ("evaluate_constraints", "emit_metrics", "distribution_constraints", *_THRESHOLDS)
    remark_unknown(given, known, place, remarks)
    for switch in ("evaluate_constraints", "emit_metrics"):
        if switch in given:
            foreign.a_choice(document, given[switch], _SWITCH, (*place, switch))
    if given.get("evaluate_constraints") == "Disabled":
        remarks.append("monitoring_config.evaluate_constraints is Disabled: they are read all the same.")
    if "emit_metrics" in given:
        remarks.append("monitoring_config.emit_metrics is not carried over: no metrics are sent.")
    drift = an_object(document, given.get("distribution_constraints"), (*place, "distribution_constraints"))
    for key, setting in drift.items():
        at = written_place((*place, "distribution_constraints", key))
        said = foreign.shown(setting)
        remarks.append(f"{at} ({said}) is not carried over: drift is compared by a monitor's own settings.")
    shares = []
    for threshold in _THRESHOLDS:
        if threshold not in given:
            remarks.append(f"monitoring_config.{threshold} is not given: every value must fit.")
        shares.append(foreign.a_share(document, given.get(threshold, 1.0), (*place, threshold)))
    return _Config(datatype=shares[0], domain=shares[1])


def _feature(
    document: Document, value: Any, place: Place, config: _Config, remarks: list[str]
) -> ColumnConstraint:
    given = an_object(document, value, place)
    name = foreign.a_name(document, given.get("name"), (*place, "name"))
    known = ("name", "inferred_type", "completeness", "num_constraints", "string_constraints", *_OVERRIDES)
    remark_unknown(given, known, place, remarks)
    kind = foreign.a_choice(
        document, given.get("inferred_type", "Unknown"), tuple(TYPES), (*place, "inferred_type")
    )
    family, whole = TYPES[kind]
    complete = foreign.a_share(document, given.get("completeness", 0), (*place, "completeness"))
    numbers = an_object(document, given.get("num_constraints"), (*place, "num_constraints"))
    remark_unknown(numbers, ("is_non_negative",), (*place, "num_constraints"), remarks)
    strings = an_object(document, given.get("string_constraints"), (*place, "string_constraints"))
    remark_unknown(strings, ("domains", *_OVERRIDES), (*place, "string_constraints"), remarks)
    domains = _domains(document, strings, (*place, "string_constraints", "domains"))
    changed, evaluated = _overrides(document, given, strings, place, config, remarks)
    if not evaluated:
        remarks.append(
            f"{written_place(place)} ({name[:60]}) is not evaluated: only its presence is demanded."
        )
        return ColumnConstraint(column=name)
    return ColumnConstraint(
        column=name,
        family=family,
        whole=whole,
        most_misfits=_rest(changed.datatype) if family else 0.0,
        most_nulls=_rest(complete) if complete else None,
        non_negative=foreign.a_flag(
            document, numbers.get("is_non_negative", False), (*place, "num_constraints", "is_non_negative")
        ),
        categories=domains or None,
        most_outside=_rest(changed.domain) if domains else 0.0,
    )


def _domains(document: Document, strings: dict[str, Any], place: Place) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for index, value in enumerate(foreign.a_list(document, strings.get("domains", []), place)):
        if not isinstance(value, str):
            raise fault(document, f"{foreign.shown(value)} is no text", *place, index)
        found[value] = None
    return tuple(found)


def _overrides(
    document: Document,
    given: dict[str, Any],
    strings: dict[str, Any],
    place: Place,
    config: _Config,
    remarks: list[str],
) -> tuple[_Config, bool]:
    """The thresholds of one feature, and whether its constraints are evaluated at all."""
    evaluated = True
    for part, prefix in ((given, place), (strings, (*place, "string_constraints"))):
        for spelling in _OVERRIDES:
            at = (*prefix, spelling)
            for key, setting in an_object(document, part.get(spelling), at).items():
                match key:
                    case "datatype_check_threshold":
                        config = msgspec.structs.replace(
                            config, datatype=foreign.a_share(document, setting, (*at, key))
                        )
                    case "domain_content_threshold":
                        config = msgspec.structs.replace(
                            config, domain=foreign.a_share(document, setting, (*at, key))
                        )
                    case "evaluate_constraints":
                        evaluated = foreign.a_choice(document, setting, _SWITCH, (*at, key)) == "Enabled"
                    case _:
                        remarks.append(f"{written_place((*at, key))} is not carried over.")
    return config, evaluated


def _rest(share: float) -> float:
    """1 - share, without the noise of binary fractions: 1 - 0.9 is 0.1."""
    return round(1 - share, 12)


def write_model_monitor(constraints: Constraints) -> Exported:
    """Constraints as a `constraints.json`, and what it cannot say of them.

    Thresholds are one for all features there: the loosest of the columns'. Distributions are not compared, for there
    is no `statistics.json` to compare with.
    """
    config = _Config(
        datatype=_rest(max((c.most_misfits for c in constraints.columns if _is_typed(c)), default=0.0)),
        domain=_rest(max((c.most_outside for c in constraints.columns if _has_domain(c)), default=0.0)),
    )
    value = {
        "version": 0.0,
        "features": [_written_feature(column) for column in constraints.columns],
        "monitoring_config": {
            "evaluate_constraints": "Enabled",
            "emit_metrics": "Enabled",
            "datatype_check_threshold": config.datatype,
            "domain_content_threshold": config.domain,
            "distribution_constraints": {"perform_comparison": "Disabled"},
        },
    }
    return Exported(text=foreign.json_text(value), remarks=tuple(_not_said(constraints, config)))


def _written_feature(column: ColumnConstraint) -> dict[str, Any]:
    feature: dict[str, Any] = {
        "name": column.column,
        "inferred_type": _written_type(column),
        "completeness": 0.0 if column.most_nulls is None else _rest(column.most_nulls),
    }
    if column.family is Family.NUMBER:
        feature["num_constraints"] = {"is_non_negative": column.non_negative}
    if _has_domain(column):
        feature["string_constraints"] = {"domains": list(column.categories or ())}
    return feature


def _written_type(column: ColumnConstraint) -> str:
    wanted = (column.family, column.family is Family.NUMBER and column.whole)
    return next((name for name, known in TYPES.items() if known == wanted), "Unknown")


def _is_typed(column: ColumnConstraint) -> bool:
    return column.family in (Family.NUMBER, Family.TEXT)


def _has_domain(column: ColumnConstraint) -> bool:
    return column.family is Family.TEXT and bool(column.categories)


def _not_said(constraints: Constraints, config: _Config) -> Iterable[str]:
    for what, names in _columns_not_said(constraints, config).items():
        yield f"{what} cannot be said ({named(names)})."
    if constraints.extra_columns:
        yield "That extra columns are allowed cannot be said: they are reported."
    for part, what in (
        (constraints.volume, "How many rows a window has"),
        (constraints.freshness, "How old its newest value may be"),
        (constraints.duplicates, "How many of its rows may be duplicates"),
        (constraints.severities, "How severe a violation is"),
    ):
        if part:
            yield f"{what} cannot be said."


def _columns_not_said(constraints: Constraints, config: _Config) -> dict[str, list[str]]:
    """What the format has no field for, and the columns that demand it."""
    found: dict[str, list[str]] = {}
    for column in constraints.columns:
        counted = column.unique or (column.least_unique, column.most_unique) != (None, None)
        said = {
            "That a column is optional": not column.required,
            "The family of values that are neither numbers nor text": column.family not in _FAMILIES,
            "A type by its exact name": column.type is not None,
            "That values other than numbers are whole": column.whole and column.family is not Family.NUMBER,
            "The minimum and the maximum": (column.minimum, column.maximum) != (None, None),
            "That values other than numbers are not negative": column.non_negative
            and column.family is not Family.NUMBER,
            "The share of NaN and infinities": column.most_not_finite is not None,
            "The categories of values other than text": column.categories is not None
            and not _has_domain(column),
            "How many distinct values there are": counted,
            "A share of misfits of its own": _is_typed(column)
            and _rest(column.most_misfits) != config.datatype,
            "A share outside the categories of its own": _has_domain(column)
            and _rest(column.most_outside) != config.domain,
        }
        for what, lost in said.items():
            if lost:
                found.setdefault(what, []).append(column.column)
    return found
