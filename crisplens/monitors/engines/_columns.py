"""What engines share: which columns can be compared, and how a result is put together."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import msgspec

from crisplens.core.names import nearest, unknown_name
from crisplens.core.text import count as in_words
from crisplens.monitors import decisions, effects, features, profiles, scores
from crisplens.monitors.model import (
    CategoricalProfile,
    CheckResult,
    CheckSettings,
    ColumnCheck,
    ColumnKind,
    ColumnProfile,
    FeatureSource,
    NumericProfile,
    OtherProfile,
    Profile,
    Segment,
    Verdict,
)

Comparable = NumericProfile | CategoricalProfile


class Pair(msgspec.Struct, frozen=True):
    """A column that can be compared."""

    kind: ColumnKind
    reference: Comparable
    current: Comparable


def watched_columns(reference: Profile, settings: CheckSettings, methods: Collection[str]) -> tuple[str, ...]:
    """The columns and features to check, in order; `InputError` for settings that cannot hold for this reference."""
    known = [column.name for column in reference.columns]
    for name in [*settings.columns, *settings.thresholds, *settings.methods, *settings.weights]:
        if name not in known:
            raise unknown_name("column of the reference", name, known)
    for method in settings.methods.values():
        if method not in methods:
            raise unknown_name("drift method", method, methods)
    return features.watched(reference, settings)


def pair_up(
    reference: Profile, current: Profile, watched: Sequence[str], settings: CheckSettings
) -> tuple[dict[str, Pair], dict[str, ColumnCheck]]:
    """The columns that can be compared, and finished checks that say why the others cannot."""
    in_reference = {column.name: column for column in reference.columns}
    in_current = {column.name: column for column in current.columns}
    present = [one.name for one in current.columns if not features.source_of(one)]
    present += current.other_columns
    known = {source.column: source for source in reference.features}
    segments = features.segments_by_column(reference)
    pairs: dict[str, Pair] = {}
    checks: dict[str, ColumnCheck] = {}
    for name in watched:
        before, now = in_reference[name], in_current.get(name)
        source = features.source_of(before)
        if name in segments:
            finding = _finding_in_segment(
                before, now, segments[name], in_reference[source], in_current.get(source), present, settings
            )
        elif source:
            finding = _finding_of_feature(
                before, now, known[source], in_reference[source], in_current.get(source), present, settings
            )
        elif name in known and settings.methods.get(name) == features.DOMAIN_CLASSIFIER:
            finding = _finding_of_source(known[name], now, present)
        else:
            finding = _finding(before, now, name, present, settings)
        if finding is not None:
            verdict, reason = finding
            checks[name] = ColumnCheck(
                column=name,
                kind=kind_of(before),
                verdict=verdict,
                reason=reason,
                reference=profiles.summary(before),
                current=None if now is None else profiles.summary(now),
            )
        elif not isinstance(before, OtherProfile) and now is not None and not isinstance(now, OtherProfile):
            kind = ColumnKind.NUMERIC if isinstance(before, NumericProfile) else ColumnKind.CATEGORICAL
            pairs[name] = Pair(kind=kind, reference=before, current=now)
    return pairs, checks


def _finding_of_feature(
    before: ColumnProfile,
    now: ColumnProfile | None,
    source: FeatureSource,
    source_before: ColumnProfile,
    source_now: ColumnProfile | None,
    present: Sequence[str],
    settings: CheckSettings,
) -> tuple[Verdict, str] | None:
    """What is wrong with a feature is told of its column, as far as that is the cause."""
    found = _finding_of_source(source, source_now, present)
    if found is not None:
        return found
    if now is None:
        return Verdict.UNSUPPORTED, "The window was profiled without features."
    found = _finding(before, now, source.column, present, settings)
    if found is not None and found[0] is Verdict.ALL_NULL and not isinstance(now, OtherProfile):
        return Verdict.ALL_NULL, features.empty_reason(now)
    if found is None and isinstance(source_before, OtherProfile) and isinstance(source_now, OtherProfile):
        reason = features.uneven_calendar(before, source_before, source_now, settings.tolerance)
        found = (Verdict.INSUFFICIENT_DATA, reason) if reason else None
    return found


def _finding_in_segment(
    before: ColumnProfile,
    now: ColumnProfile | None,
    segment: Segment,
    source_before: ColumnProfile,
    source_now: ColumnProfile | None,
    present: Sequence[str],
    settings: CheckSettings,
) -> tuple[Verdict, str] | None:
    """What is wrong with the column as a whole is told of it in each segment."""
    for name in segment.where:
        if name not in present:
            return Verdict.MISSING_COLUMN, _missing(name, present)
    found = _finding(source_before, source_now, source_before.name, present, settings)
    if found is not None:
        return found
    if now is None:
        return Verdict.UNSUPPORTED, "The window was profiled without segments."
    if not now.rows:
        return Verdict.INSUFFICIENT_DATA, "The window has no rows of this segment."
    return _finding(before, now, source_before.name, present, settings)


def _finding_of_source(
    source: FeatureSource, now: ColumnProfile | None, present: Sequence[str]
) -> tuple[Verdict, str] | None:
    """What is wrong with a column that is watched through features."""
    name = source.column
    if not isinstance(now, OtherProfile):
        if name in present:
            return Verdict.UNSUPPORTED, "The window was profiled without features."
        return Verdict.MISSING_COLUMN, _missing(name, present)
    values = now.rows - now.nulls
    if not now.rows:
        return Verdict.INSUFFICIENT_DATA, "The window has no rows."
    if not values:
        return Verdict.ALL_NULL, f"All {now.rows} rows of the window's column {name} are null."
    if now.reason or now.misfits:
        return Verdict.WRONG_TYPE, now.reason or features.misfit_reason(source, now.misfits or 0, values)
    return None


def _missing(name: str, present: Sequence[str]) -> str:
    close = nearest(name, present)
    hint = f"; the nearest there is {', '.join(close)}" if close else ""
    return f"The window has no column {name}{hint}."


def _finding(
    before: ColumnProfile,
    now: ColumnProfile | None,
    name: str,
    present: Sequence[str],
    settings: CheckSettings,
) -> tuple[Verdict, str] | None:
    if now is None:
        return Verdict.MISSING_COLUMN, _missing(name, present)
    if isinstance(before, OtherProfile):
        return Verdict.UNSUPPORTED, before.reason
    if not now.rows:
        return Verdict.INSUFFICIENT_DATA, "The window has no rows."
    if now.nulls + (now.nans if isinstance(now, NumericProfile) else 0) == now.rows:
        return Verdict.ALL_NULL, f"All {now.rows} rows of the window are null."
    if isinstance(now, OtherProfile):
        return Verdict.WRONG_TYPE, now.reason
    if not now.count:
        return Verdict.ALL_NULL, f"None of the {now.rows} rows of the window has a finite value."
    least = settings.minimum_rows
    expected = now.rows * before.count / before.rows
    if before.count >= least and now.count < least <= expected:
        return Verdict.ALL_NULL, (
            f"Only {now.count} of {now.rows} rows of the window have a value; about {expected:.0f} would have, "
            "as in the reference."
        )
    for where, count in (("reference", before.count), ("window", now.count)):
        if count < least:
            return (
                Verdict.INSUFFICIENT_DATA,
                f"The {where} has {in_words(count, 'value')}, fewer than {least}.",
            )
    if any(isinstance(one, NumericProfile) and one.m2 is None for one in (before, now)):
        return Verdict.UNSUPPORTED, "The numbers are too large for their variance to be computed."
    return None


def kind_of(profile: ColumnProfile) -> ColumnKind | None:
    """The kind of a column; None for one that cannot be compared."""
    if isinstance(profile, OtherProfile):
        return None
    return ColumnKind.NUMERIC if isinstance(profile, NumericProfile) else ColumnKind.CATEGORICAL


def scored(
    name: str, pair: Pair, *, method: str, score: float, threshold: float, drift: bool, approximate: bool
) -> ColumnCheck:
    """The check of a column that was compared."""
    known = scores.METHODS.get(method)
    what = "p-value" if known and known.p_value else "distance" if known else "score"
    about = "approximate " if approximate else ""
    infinite = pair.current.infinities if isinstance(pair.current, NumericProfile) else 0
    lacking = f" {in_words(infinite, 'infinite value')} of the window count as missing." if infinite else ""
    return ColumnCheck(
        column=name,
        kind=pair.kind,
        method=method,
        score=score,
        threshold=threshold,
        verdict=Verdict.DRIFT if drift else Verdict.NO_DRIFT,
        beyond=drift,
        reason=f"The {about}{method} {what} {score:.4g} against the threshold {threshold:g} "
        f"means {'drift' if drift else 'no drift'}.{lacking}",
        approximate=approximate,
        reference=profiles.summary(pair.reference),
        current=profiles.summary(pair.current),
    )


def result(
    engine: str,
    reference: Profile,
    current: Profile,
    watched: Sequence[str],
    pairs: Mapping[str, Pair],
    checks: Mapping[str, ColumnCheck],
    settings: CheckSettings,
) -> CheckResult:
    """The result of a check, with the window's verdict, the columns in the order they are watched."""
    columns = tuple(checks[name] for name in watched)
    if settings.drift_share is None:
        # A threshold that someone set decides for its column.
        judged = {name: pair for name, pair in pairs.items() if name not in settings.thresholds}
        found = {
            name: effects.effect(pair.reference, pair.current, tolerance=settings.tolerance)
            for name, pair in judged.items()
        }
        columns = decisions.judge_effects(columns, found, settings)
    verdict, reason = decisions.decide(columns, settings, current_rows=current.rows)
    drifted, checked = decisions.count_checked(columns)
    return CheckResult(
        engine=engine,
        verdict=verdict,
        reason=reason,
        columns=columns,
        reference_rows=reference.rows,
        current_rows=current.rows,
        drifted=drifted,
        checked=checked,
        drift_share=settings.drift_share,
    )
