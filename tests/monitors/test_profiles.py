import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.core.errors import InputError
from crisplens.monitors import profiles
from crisplens.monitors.model import CategoricalProfile, Family, NumericProfile, OtherProfile, Profile

EDGES = (-10.0, 0.0, 2.5, 100.0)
numbers = st.one_of(
    st.none(),
    st.floats(-1e6, 1e6).map(lambda value: round(value, 6)),
    st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 2.5]),
)
labels = st.one_of(st.none(), st.sampled_from(["a", "b", "c", "Ünïcode", ""]))
rows = st.lists(st.tuples(numbers, labels), max_size=30)


def profile_of(pairs):
    numeric = profiles.profile_numbers("x", [x for x, _ in pairs], EDGES, keep_values=True)
    present = [g for _, g in pairs if g is not None]
    counts = {label: present.count(label) for label in present}
    categorical = CategoricalProfile(
        name="g",
        type="VARCHAR",
        family=Family.TEXT,
        rows=len(pairs),
        nulls=len(pairs) - len(present),
        count=len(present),
        categories=profiles.sorted_categories(counts.items()),
        n_unique=len(counts),
    )
    return Profile(rows=len(pairs), columns=(numeric, categorical))


def assert_same(a: Profile, b: Profile):
    first, second = a.columns[0], b.columns[0]
    assert isinstance(first, NumericProfile)
    assert isinstance(second, NumericProfile)
    assert first.count == second.count
    if first.count:
        assert first.mean == pytest.approx(second.mean, rel=1e-9, abs=1e-6)
        assert first.m2 == pytest.approx(second.m2, rel=1e-9, abs=1e-3)
    same = {"mean": None, "m2": None, "n_unique": None}
    assert msgspec.structs.replace(first, **same) == msgspec.structs.replace(second, **same)
    assert a.columns[1] == b.columns[1]
    assert (a.rows, a.other_columns) == (b.rows, b.other_columns)


@given(rows, rows)
def test_merging_parts_gives_the_profile_of_the_whole(first, second):
    assert_same(profiles.merge(profile_of(first), profile_of(second)), profile_of(first + second))


@given(rows, rows)
def test_merging_does_not_depend_on_order(first, second):
    a, b = profile_of(first), profile_of(second)
    assert profiles.merge(a, b) == profiles.merge(b, a)


@given(rows, rows, rows)
def test_merging_does_not_depend_on_grouping(first, second, third):
    a, b, c = profile_of(first), profile_of(second), profile_of(third)
    assert_same(profiles.merge(profiles.merge(a, b), c), profiles.merge(a, profiles.merge(b, c)))


@given(rows)
def test_a_profile_survives_json(pairs):
    profile = profile_of(pairs)
    assert msgspec.json.decode(msgspec.json.encode(profile), type=Profile) == profile


def test_other_columns_merge_and_count_misfits():
    part = OtherProfile(name="d", type="DATE", family=Family.OTHER, rows=2, nulls=1, reason="no", misfits=1)
    merged = profiles.merge(Profile(rows=2, columns=(part,)), Profile(rows=2, columns=(part,)))
    assert merged.columns[0].rows == 4
    assert merged.columns[0].misfits == 2


def test_profiles_on_other_edges_columns_or_kinds_are_refused():
    a = Profile(rows=1, columns=(profiles.profile_numbers("x", [1.0], EDGES),))
    edges = Profile(rows=1, columns=(profiles.profile_numbers("x", [1.0], (0.0,)),))
    names = Profile(rows=1, columns=(profiles.profile_numbers("y", [1.0], EDGES),))
    other = OtherProfile(name="x", type="DATE", family=Family.OTHER, rows=1, nulls=0)
    for b in (edges, names, Profile(rows=1, columns=(other,))):
        with pytest.raises(InputError) as caught:
            profiles.merge(a, b)
        assert caught.value.slug == "profiles-differ"


def test_nan_and_infinities_are_counted_apart():
    profile = profiles.profile_numbers("x", [1.0, None, math.nan, math.inf, -math.inf], EDGES)
    assert (profile.count, profile.nulls, profile.nans, profile.infinities) == (1, 1, 1, 2)
    assert profile.counts == (0, 0, 1, 0, 0)


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_exact_edges_give_every_value_its_own_bin(values):
    distinct = sorted(set(values))
    edges = profiles.exact_edges(values)
    assert list(edges) == sorted(set(edges))
    counts = profiles.profile_numbers("x", distinct, edges).counts
    assert max(counts) == 1


def test_exact_edges_of_nothing():
    assert profiles.exact_edges([]) == ()


def test_a_heavy_value_gets_its_own_bin_among_quantiles():
    edges = profiles.quantile_edges([0.0, 0.0, 0.0, 1.0, 2.0], spread=1.0)
    values = [0.0] * 6 + [-0.5, 0.5]
    counts = profiles.profile_numbers("x", values, edges).counts
    assert counts[edges.index(0.0)] == 6


def test_edges_stay_finite_for_huge_numbers():
    edges = profiles.exact_edges([-1.7e308, 1.7e308])
    assert all(math.isfinite(edge) for edge in edges)


def test_the_distribution_is_read_between_knots():
    profile = profiles.profile_numbers("x", [1.0, 2.0, 3.0, 4.0], (2.0, 4.0))
    knots = profiles.cumulative_knots(profile)
    assert [profiles.share_at_most(knots, x) for x in (0.0, 2.0, 3.0, 4.0, 9.0)] == [0.0, 0.5, 0.75, 1.0, 1.0]


def test_an_empty_column_has_no_knots_and_no_variance():
    profile = profiles.profile_numbers("x", [None], EDGES)
    assert profiles.share_at_most(profiles.cumulative_knots(profile), 1.0) == 0.0
    assert profiles.variance(profile) is None
    assert profiles.summary(profile).std is None
