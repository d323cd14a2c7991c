"""SageMaker Model Monitor's `statistics.json`, read as a profile that windows can be compared with.

The format: https://docs.aws.amazon.com/sagemaker/latest/dg/model-monitor-byoc-statistics.html
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from crisplens.core.documents import Document, Place
from crisplens.monitors import profiles
from crisplens.monitors.model import (
    CategoricalProfile,
    ColumnProfile,
    Family,
    NumericProfile,
    OtherProfile,
    Profile,
)
from crisplens.monitors.quality import foreign
from crisplens.monitors.quality.documents import MOST_COLUMNS, written_place
from crisplens.monitors.quality.foreign import a_count, an_object, fault
from crisplens.monitors.quality.sagemaker import TYPES

# Its sketches of distributions, which are passed over, take most of the room.
MOST_BYTES = 16 * 2**20


class ImportedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile from another tool's file, and a sentence for each part of it that is not carried over."""

    profile: Profile
    remarks: tuple[str, ...]


def read_model_monitor_statistics(data: bytes, name: str = "statistics.json") -> ImportedProfile:
    """The profile that a `statistics.json` describes; `name` is what errors call it.

    Numbers get the file's buckets (ten, as a rule) for bins, so that drift scores against it are rough. Raises
    `InputError` with the place (such as `features[3].numerical_statistics.mean`) and what is accepted there, for a
    file of more than 16 MiB, and for what is no JSON object.
    """
    document = foreign.read_object(data, name, MOST_BYTES)
    remarks: list[str] = []
    root = an_object(document, document.value, ())
    foreign.remark_unknown(root, ("version", "dataset", "features"), (), remarks)
    dataset = an_object(document, root.get("dataset"), ("dataset",))
    rows = a_count(document, dataset.get("item_count"), ("dataset", "item_count"))
    features = foreign.a_list(document, root.get("features"), ("features",))
    if len(features) > MOST_COLUMNS:
        reason = f"there are {len(features):,} features; at most {MOST_COLUMNS:,} are read"
        raise fault(document, reason, "features")
    columns: list[ColumnProfile] = []
    others: list[str] = []
    for index, value in enumerate(features):
        place: Place = ("features", index)
        feature = an_object(document, value, place)
        column = foreign.a_name(document, feature.get("name"), (*place, "name"))
        if column in others or column in {known.name for known in columns}:
            raise fault(document, f"{foreign.shown(column)} is given twice", *place, "name")
        described = _column(document, feature, place, column, remarks)
        if described is None:
            remarks.append(f"{written_place(place)} ({column[:60]}) has no statistics that are read.")
            others.append(column)
        else:
            columns.append(described)
    profile = Profile(rows=rows, columns=tuple(columns), other_columns=tuple(others))
    return ImportedProfile(profile=profile, remarks=foreign.bounded(remarks))


def _column(
    document: Document, feature: dict[str, Any], place: Place, name: str, remarks: list[str]
) -> ColumnProfile | None:
    known = ("name", "inferred_type", "numerical_statistics", "string_statistics")
    foreign.remark_unknown(feature, known, place, remarks)
    kind = foreign.a_choice(
        document, feature.get("inferred_type", "Unknown"), tuple(TYPES), (*place, "inferred_type")
    )
    family, whole = TYPES[kind]
    if family is Family.NUMBER and feature.get("numerical_statistics") is not None:
        return _numbers(document, feature, (*place, "numerical_statistics"), name, whole, remarks)
    if family is Family.TEXT and feature.get("string_statistics") is not None:
        return _text(document, feature, (*place, "string_statistics"), name)
    return None


def _common(document: Document, given: dict[str, Any], place: Place) -> tuple[int, int]:
    common = an_object(document, given.get("common"), (*place, "common"))
    present, missing = (
        a_count(document, common.get(key), (*place, "common", key)) for key in ("num_present", "num_missing")
    )
    return present, missing


def _numbers(
    document: Document, feature: dict[str, Any], place: Place, name: str, whole: bool, remarks: list[str]
) -> NumericProfile:
    given = an_object(document, feature["numerical_statistics"], place)
    present, missing = _common(document, given, place)
    mean, spread, least, most = (
        _number(document, given.get(key), (*place, key)) for key in ("mean", "std_dev", "min", "max")
    )
    if least is not None and most is not None and least > most:
        raise fault(document, f"{least:g} is above the maximum, {most:g}", *place, "min")
    m2 = None if spread is None else spread * spread * present
    known = mean is not None and m2 is not None and math.isfinite(m2)
    edges, counts = _bins(document, given, (*place, "distribution"), present)
    if present and not edges:
        remarks.append(f"{written_place(place)} has no buckets that hold its values: drift has no bins.")
    return NumericProfile(
        name=name,
        type="BIGINT" if whole else "DOUBLE",
        integer=whole,
        rows=present + missing,
        nulls=missing,
        count=present,
        mean=mean if known else None,
        m2=m2 if known else None,
        minimum=least,
        maximum=most,
        edges=edges,
        counts=counts,
    )


def _number(document: Document, value: Any, place: Place) -> float | None:
    """A number; none where there are no values to calculate it from."""
    return None if value is None or value == "NaN" else foreign.a_number(document, value, place)


def _bins(
    document: Document, given: dict[str, Any], place: Place, present: int
) -> tuple[tuple[float, ...], tuple[int, ...]]:
    """Edges between the buckets, and how many values fall between; no edges when the buckets do not hold them all."""
    distribution = an_object(document, given.get("distribution"), place)
    kll = an_object(document, distribution.get("kll"), (*place, "kll"))
    at = (*place, "kll", "buckets")
    edges: list[float] = []
    counts: list[int] = []
    for index, value in enumerate(foreign.a_list(document, kll.get("buckets", []), at)):
        bucket = an_object(document, value, (*at, index))
        high = foreign.a_number(document, bucket.get("upper_bound"), (*at, index, "upper_bound"))
        held = a_count(document, bucket.get("count"), (*at, index, "count"))
        if edges and high < edges[-1]:
            raise fault(document, "the buckets are not in order", *at, index, "upper_bound")
        if edges and high == edges[-1]:
            counts[-1] += held
        else:
            edges.append(high)
            counts.append(held)
    if sum(counts) != present or not edges:
        return (), (present,)
    return tuple(edges), (*counts, 0)


def _text(
    document: Document, feature: dict[str, Any], place: Place, name: str
) -> CategoricalProfile | OtherProfile:
    given = an_object(document, feature["string_statistics"], place)
    present, missing = _common(document, given, place)
    distinct = a_count(document, given.get("distinct_count", 0), (*place, "distinct_count"))
    distribution = an_object(document, given.get("distribution"), (*place, "distribution"))
    categorical = an_object(
        document, distribution.get("categorical"), (*place, "distribution", "categorical")
    )
    at = (*place, "distribution", "categorical", "buckets")
    counts: dict[str, int] = {}
    for index, value in enumerate(foreign.a_list(document, categorical.get("buckets", []), at)):
        bucket = an_object(document, value, (*at, index))
        category = bucket.get("value")
        if not isinstance(category, str) or category in counts:
            raise fault(document, f"{foreign.shown(category)} is no text of its own", *at, index, "value")
        counts[category] = a_count(document, bucket.get("count"), (*at, index, "count"))
    if sum(counts.values()) > present:
        raise fault(document, f"the buckets hold more than the {present:,} values", *at)
    if present and not counts:
        reason = "The statistics list no categories."
        return OtherProfile(
            name=name,
            type="VARCHAR",
            family=Family.TEXT,
            rows=present + missing,
            nulls=missing,
            reason=reason,
        )
    return CategoricalProfile(
        name=name,
        type="VARCHAR",
        family=Family.TEXT,
        rows=present + missing,
        nulls=missing,
        count=present,
        categories=profiles.sorted_categories(counts.items()),
        rest=present - sum(counts.values()),
        n_unique=max(distinct, len(counts)),
    )
