"""Features of text, times and embeddings: what stands for a column, and which windows' calendars can be compared."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors import effects, features, profiles
from crisplens.monitors.model import (
    CategoricalProfile,
    CheckSettings,
    Family,
    FeatureSource,
    NumericProfile,
    OtherProfile,
    Profile,
    SourceKind,
)

COMMENT = FeatureSource(column="comment", kind=SourceKind.TEXT, vocabulary=b"abcd")
AT = FeatureSource(column="at", kind=SourceKind.TIME)
VECTOR = FeatureSource(column="vector", kind=SourceKind.VECTOR, centroid=(0.5, 1.0))


def number(source: str, feature: str) -> NumericProfile:
    made = profiles.profile_numbers(f"{source} ({feature})", [1.0, 2.0], (1.5,))
    return features.as_feature(made, source, feature, made.name)


def weekdays(counts: dict[str, int], feature: str = features.WEEKDAY) -> CategoricalProfile:
    total = sum(counts.values())
    return CategoricalProfile(
        name=f"at ({feature})",
        type="VARCHAR",
        family=Family.TEXT,
        rows=total,
        nulls=0,
        count=total,
        categories=profiles.sorted_categories(counts.items()),
        n_unique=len(counts),
        source="at",
        feature=feature,
    )


def own(name: str, first: str = "", last: str = "") -> OtherProfile:
    return OtherProfile(
        name=name, type="X", family=Family.OTHER, rows=2, nulls=0, misfits=0, first=first, last=last
    )


REFERENCE = Profile(
    rows=2,
    columns=(
        profiles.profile_numbers("age", [1.0, 2.0], (1.5,)),
        own("comment"),
        number("comment", "length"),
        number("comment", "unseen"),
        own("vector"),
        number("vector", "norm"),
        number("vector", "distance"),
    ),
    features=(COMMENT, VECTOR),
)


def test_without_names_features_are_watched_in_the_place_of_their_columns() -> None:
    assert features.watched(REFERENCE, CheckSettings()) == (
        "age",
        "comment (length)",
        "comment (unseen)",
        "vector (norm)",
        "vector (distance)",
    )


def test_a_column_that_is_named_stands_for_all_of_its_features() -> None:
    settings = features.resolved(CheckSettings(columns=("comment", "age")), REFERENCE)
    assert settings.columns == ("comment (length)", "comment (unseen)", "age")


def test_what_is_said_of_a_feature_comes_before_what_is_said_of_its_column() -> None:
    given = CheckSettings(
        weights={"comment (length)": 3.0, "comment": 0.5, "age": 2.0}, methods={"comment": "psi"}
    )
    settings = features.resolved(given, REFERENCE)
    assert settings.weights == {"comment (length)": 3.0, "comment (unseen)": 0.5, "age": 2.0}
    assert settings.methods == {"comment (length)": "psi", "comment (unseen)": "psi"}


def test_a_domain_classifier_and_its_threshold_stay_the_columns_own() -> None:
    given = CheckSettings(methods={"vector": "domain_classifier"}, thresholds={"vector": 0.7})
    settings = features.resolved(given, REFERENCE)
    assert (settings.methods, settings.thresholds) == (given.methods, given.thresholds)
    assert features.watched(REFERENCE, settings)[-3:] == ("vector", "vector (norm)", "vector (distance)")
    assert features.classified(REFERENCE, settings) == (VECTOR,)


def test_settings_are_resolved_once_and_for_all() -> None:
    given = CheckSettings(
        columns=("vector",), methods={"vector": "domain_classifier"}, weights={"comment": 2.0}
    )
    settings = features.resolved(given, REFERENCE)
    assert features.resolved(settings, REFERENCE) == settings


def test_an_engine_without_features_is_asked_for_the_columns() -> None:
    given = CheckSettings(
        columns=("comment (length)", "age"), thresholds={"comment (length)": 1.0, "age": 2.0}
    )
    plain, settings = features.without_features(REFERENCE, given)
    assert [column.name for column in plain.columns] == ["age", "comment", "vector"]
    assert (settings.columns, settings.thresholds) == (("comment", "age"), {"age": 2.0})


def test_a_name_that_is_taken_is_not_given_twice() -> None:
    assert features.feature_name("a", "length") == "a (length)"
    assert features.feature_name("a", "length", ["a (length)"]) == "a (length, 2)"


def test_a_feature_is_known_by_the_column_in_its_name_unless_a_column_has_that_name() -> None:
    assert features.source_in_name("a (length)", ["a"]) == "a"
    assert features.source_in_name("a (length)", ["a", "a (length)"]) == "a (length)"
    assert features.source_in_name("a (height)", ["a"]) == "a (height)"


EVEN = weekdays(dict.fromkeys(features.WEEKDAYS, 100))
YEAR = own("at", "2024-01-01T00:00:00", "2024-12-29T23:59:59")


@pytest.mark.parametrize(
    ("first", "last", "compared"),
    [
        ("2025-01-06T00:10:00", "2025-01-12T23:50:00", True),  # a week
        ("2025-01-06T12:10:00", "2025-01-13T11:50:00", True),  # a week from noon to noon
        ("2025-01-06T00:10:00", "2025-01-06T23:50:00", False),  # a day
        ("2025-01-06T00:10:00", "2025-01-15T23:50:00", False),  # ten days
        ("2025-01-06", "2025-01-12", True),  # dates stand for whole days
        ("2025-01-01", "2025-03-31", True),  # so many weeks that a part of one does not matter
    ],
)
def test_weekdays_are_compared_in_windows_of_whole_weeks(first: str, last: str, compared: bool) -> None:
    reason = features.uneven_calendar(EVEN, YEAR, own("at", first, last), 0.1)
    assert (reason == "") is compared
    assert compared or first in reason


def test_working_days_of_one_week_are_like_those_of_a_year() -> None:
    working = weekdays(dict.fromkeys(features.WEEKDAYS[:5], 100))
    week = own("at", "2025-01-06T00:10:00", "2025-01-10T23:50:00")
    assert features.uneven_calendar(working, YEAR, week, 0.1) == ""


def test_hours_are_compared_in_windows_of_whole_days() -> None:
    hours = weekdays({f"{hour:02}": 50 for hour in range(24)}, features.HOUR)
    whole = own("at", "2025-01-06T00:10:00", "2025-01-06T23:50:00")
    part = own("at", "2025-01-06T00:10:00", "2025-01-06T11:50:00")
    assert features.uneven_calendar(hours, YEAR, whole, 0.1) == ""
    assert "hours" in features.uneven_calendar(hours, YEAR, part, 0.1)


def test_effects_leave_out_what_the_calendar_alone_makes_differ() -> None:
    reference = Profile(rows=700, columns=(YEAR, EVEN), features=(AT,))
    monday = weekdays({"Monday": 300})
    day = own("at", "2025-01-06T00:10:00", "2025-01-06T23:50:00")
    week = own("at", "2025-01-06T00:10:00", "2025-01-12T23:50:00")
    assert effects.effects(reference, Profile(rows=300, columns=(day, monday))) == {}
    assert effects.effects(reference, Profile(rows=300, columns=(week, monday)))["at (weekday)"].w > 0.5


moments = st.sampled_from(["", "2024-01-01T00:00:00", "2024-02-01T10:00:00", "2025-01-01T00:00:00"])


@given(moments, moments, moments)
def test_the_times_of_merged_parts_begin_and_end_where_the_whole_does(a: str, b: str, c: str) -> None:
    parts = [Profile(rows=2, columns=(own("at", one, one),)) for one in (a, b, c)]
    left = profiles.merge(profiles.merge(parts[0], parts[1]), parts[2])
    right = profiles.merge(parts[0], profiles.merge(parts[2], parts[1]))
    assert left == right
    known = [one for one in (a, b, c) if one]
    found = left.columns[0]
    assert isinstance(found, OtherProfile)
    assert (found.first, found.last) == (min(known, default=""), max(known, default=""))


def test_a_merged_feature_stays_one() -> None:
    merged = profiles.merge(REFERENCE, REFERENCE)
    assert merged.features == REFERENCE.features
    assert features.feature_names(merged) == features.feature_names(REFERENCE)


def test_profiles_on_other_features_are_refused() -> None:
    other = msgspec.structs.replace(REFERENCE, features=(COMMENT,))
    with pytest.raises(InputError) as caught:
        profiles.merge(REFERENCE, other)
    assert caught.value.slug == "profiles-differ"


def test_a_profile_recorded_before_features_is_read_as_it_was() -> None:
    old = (
        b'{"version":1,"rows":2,"columns":[{"kind":"numeric","name":"x","type":"DOUBLE","integer":false,"rows":2,'
        b'"nulls":0,"nans":0,"infinities":0,"count":2,"mean":1.5,"m2":0.5,"minimum":1.0,"maximum":2.0,"edges":[1.5],'
        b'"counts":[1,1],"exact":false,"n_unique":null,"values":null},{"kind":"other","name":"d","type":"DATE",'
        b'"family":"other","rows":2,"nulls":0,"reason":"no","misfits":null}],"other_columns":["z"]}'
    )
    profile = msgspec.json.decode(old, type=Profile)
    assert (profile.version, profile.features, profile.other_columns) == (1, (), ("z",))
    assert features.watched(profile, CheckSettings()) == ("x", "d")


def test_a_profile_with_features_survives_json() -> None:
    assert msgspec.json.decode(msgspec.json.encode(REFERENCE), type=Profile) == REFERENCE
