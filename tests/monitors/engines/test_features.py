"""Text, times and embeddings in tables: their features, what is wrong with their columns, and the domain classifier."""

from __future__ import annotations

import json
import math
import random
import re
from functools import lru_cache
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.core.errors import InputError
from crisplens.monitors import features, profiles
from crisplens.monitors.engines import arrow_engine
from crisplens.monitors.engines.by_name import get_engine, reads_reference_rows
from crisplens.monitors.engines.domain_classifier import Separation, guessed_auc, roc_auc
from crisplens.monitors.engines.duckdb_engine import profile_current, profile_reference
from crisplens.monitors.engines.interface import Reference, Rows
from crisplens.monitors.model import (
    CheckResult,
    CheckSettings,
    ColumnCheck,
    NumericProfile,
    OtherProfile,
    Profile,
    Verdict,
)
from crisplens.monitors.quality.judge import judge
from crisplens.monitors.quality.suggest import suggest
from crisplens.registry.data.tabular import connect, open_table, quote_text
from tests.conftest import Files

WORDS = [
    "the",
    "order",
    "came",
    "late",
    "early",
    "broken",
    "fine",
    "with",
    "a",
    "missing",
    "part",
    "and",
    "no",
    "note",
]
COMMENT = (
    "list_aggregate(list_transform(range(3 + (hash(i, {seed}) % 9)::BIGINT), lambda k: "
    f"{WORDS!r}[1 + (hash(i, k, {{seed}}) % {len(WORDS)})::BIGINT]), 'string_agg', ' ')"
)
VECTOR = "list_transform(range(6), lambda k: sqrt(-2 * ln(1 - {u})) * cos(6.283185 * {v}) + {shift})".format(
    u="(hash(i, k, {seed}) % 1000003) / 1000003",
    v="(hash(k, i, {seed}) % 1000003) / 1000003",
    shift="{shift}",
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(name: str, query: str, n: int = 1000, seed: int = 0, shift: float = 0.0) -> str:
    """A file of a query over i from 0 to n."""
    form = "parquet" if name.endswith("parquet") else "json" if name.endswith("jsonl") else "csv, header"
    filled = query.replace("{seed}", str(seed)).replace("{shift}", str(shift))
    connect().execute(f"COPY (SELECT {filled} FROM range({n}) t(i)) TO {quote_text(name)} (FORMAT {form})")
    return name


def reference_of(name: str, columns: tuple[str, ...] = ()) -> Profile:
    return profile_reference(open_table(name), columns)


def check(reference: str, current: str, **given: Any) -> CheckResult:
    """A check whose result and profiles survive being recorded."""
    profile = reference_of(reference)
    profile = msgspec.json.decode(msgspec.json.encode(profile), type=Profile)
    found = get_engine("duckdb").check(
        Reference(open_table(reference), profile), Rows(open_table(current)), CheckSettings(**given)
    )
    assert msgspec.json.decode(msgspec.json.encode(found.check), type=CheckResult) == found.check
    return found.check


def of(result: CheckResult, name: str) -> ColumnCheck:
    return next(column for column in result.columns if column.column == name)


def column(profile: Profile, name: str) -> Any:
    return next(one for one in profile.columns if one.name == name)


def assert_profiles_agree(a: Profile, b: Profile) -> None:
    assert [one.name for one in a.columns] == [one.name for one in b.columns]
    loose = {"mean": None, "m2": None, "n_unique": None}
    for x, y in zip(a.columns, b.columns, strict=True):
        if isinstance(x, NumericProfile) and isinstance(y, NumericProfile):
            assert x.mean == pytest.approx(y.mean)
            assert x.m2 == pytest.approx(y.m2, abs=1e-9)
            x, y = msgspec.structs.replace(x, **loose), msgspec.structs.replace(y, **loose)
        assert x == y


# Text


@pytest.mark.parametrize("ending", ["parquet", "csv", "jsonl"])
def test_text_of_the_same_kind_does_not_drift(ending: str) -> None:
    query = f"{COMMENT} AS comment, i"
    result = check(make(f"r.{ending}", query), make(f"c.{ending}", query, seed=1))
    assert of(result, "comment (length)").verdict is Verdict.NO_DRIFT
    assert of(result, "comment (unseen)").verdict is Verdict.NO_DRIFT
    assert not any(one.column == "comment" for one in result.columns)


def test_text_in_other_words_drifts_by_its_unseen_tokens() -> None:
    make("r.parquet", f"{COMMENT} AS comment")
    make("c.parquet", f"replace(replace({COMMENT}, 'late', 'spät'), 'the', 'die') AS comment", seed=1)
    result = check("r.parquet", "c.parquet")
    assert of(result, "comment (unseen)").verdict is Verdict.DRIFT


def test_the_share_of_unseen_tokens_equals_plain_pythons() -> None:
    texts = [
        "Die Größe stimmt",
        "die größe, DIE farbe!",
        "die größe nicht",
        "नमस्ते दुनिया die",
        "größe 12 die",
        "farbe größe die",
    ]
    Path("r.jsonl").write_text("".join(json.dumps({"t": f"{t} nr{i}"}) + "\n" for i, t in enumerate(texts)))
    Path("c.jsonl").write_text(
        "".join(json.dumps({"t": t}) + "\n" for t in ["Die Größe!", "nr1 größe", "?!", None, "a b c die"])
    )
    profile = reference_of("r.jsonl")
    window = profile_current(open_table("c.jsonl"), profile)
    # "die" and "größe" stand in five rows at least; one that has none of its own tokens is empty.
    assert len(profile.features[0].vocabulary) == 2 * features.TOKEN_BYTES
    unseen, length = column(window, "t (unseen)"), column(window, "t (length)")
    assert unseen.mean == pytest.approx((0 + 1 / 2 + 3 / 4) / 3)
    assert (unseen.rows, unseen.nulls, unseen.count) == (5, 2, 3)
    assert (length.nulls, length.mean) == (1, pytest.approx((10 + 9 + 2 + 9) / 4))
    # In the reference, a row's own tokens do not count as known.
    tokens = [re.findall(r"\w+", f"{t} nr{i}".lower()) for i, t in enumerate(texts)]
    assert column(profile, "t (unseen)").count == len(tokens)


def test_the_references_own_share_of_unseen_tokens_is_that_of_new_rows_of_its_kind() -> None:
    rare = "'word ' || (power((hash(i, {seed}) % 1000003) / 1000003, 3) * 3000)::INT || ' of ' || i AS t"
    profile = reference_of(make("r.parquet", rare, n=3000))
    seen = [
        column(profile_current(open_table(make("c.parquet", rare, n=3000, seed=seed)), profile), "t (unseen)")
        for seed in range(1, 7)
    ]
    fresh = sum(one.mean for one in seen) / len(seen)
    itself = column(profile_current(open_table("r.parquet"), profile), "t (unseen)").mean
    own = column(profile, "t (unseen)").mean
    assert itself < fresh
    assert abs(own - fresh) < 0.6 * (fresh - itself)


def test_a_profile_shows_no_word_of_a_text() -> None:
    make("r.parquet", "'secret word ' || i AS t, 'secret ' || (i % 3) AS g")
    encoded = msgspec.json.encode(reference_of("r.parquet", ("t",)))
    assert b"secret" not in encoded
    assert b"word" not in encoded


def test_a_vocabulary_is_bounded() -> None:
    make(
        "r.parquet",
        "array_to_string(list_transform(range(40), lambda k: 'w' || ((i * 40 + k) % 8000)), ' ') || i AS t",
        n=4000,
    )
    profile = reference_of("r.parquet")
    assert len(profile.features[0].vocabulary) <= features.MOST_TOKENS * features.TOKEN_BYTES
    assert len(msgspec.json.encode(profile)) < 40_000


def test_text_without_letters_in_a_window_is_told_as_such() -> None:
    make("r.parquet", f"{COMMENT} AS comment")
    found = check("r.parquet", make("c.parquet", "'?! ... ' || repeat('!', i % 7) AS comment"))
    assert of(found, "comment (unseen)").verdict is Verdict.ALL_NULL
    assert of(found, "comment (unseen)").reason == "No value of comment has letters or digits."


def test_identifiers_have_no_features() -> None:
    make("r.parquet", "'id-' || i AS id, uuid()::VARCHAR AS u, 'a' || i || '@example.org' AS mail")
    profile = reference_of("r.parquet")
    assert profile.features == ()
    assert all(isinstance(one, OtherProfile) and "identifiers" in one.reason for one in profile.columns)


# Times


@pytest.mark.parametrize(
    ("expression", "hours"),
    [
        ("TIMESTAMP '2024-01-01' + INTERVAL (i * 61) MINUTE", True),
        ("timezone('Asia/Tokyo', TIMESTAMP '2024-01-01 09:00' + INTERVAL (i * 61) MINUTE)", True),
        ("strftime(TIMESTAMP '2024-01-01' + INTERVAL (i * 61) MINUTE, '%Y-%m-%dT%H:%M:%S')", True),
        ("strftime(TIMESTAMP '2024-01-01' + INTERVAL (i * 61) MINUTE, '%Y-%m-%dT%H:%M:%SZ')", True),
        (
            "strftime(TIMESTAMP '2024-01-01 02:00' + INTERVAL (i * 61) MINUTE, '%Y-%m-%d %H:%M:%S+02:00')",
            True,
        ),
        ("(DATE '2024-01-01' + i::INT)", False),
        ("(DATE '2024-01-01' + i::INT)::TIMESTAMP", False),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "csv"])
def test_times_are_watched_by_hour_and_weekday(expression: str, hours: bool, ending: str) -> None:
    profile = reference_of(make(f"r.{ending}", f"{expression} AS moment, i", n=700))
    names = [one.name for one in profile.columns if features.source_of(one)]
    assert names == [*(["moment (hour)"] if hours else []), "moment (weekday)"]
    weekday = column(profile, "moment (weekday)")
    assert {one.value for one in weekday.categories} == set(features.WEEKDAYS)
    if hours:
        counted = {one.value: one.count for one in column(profile, "moment (hour)").categories}
        expected = [f"{i * 61 // 60 % 24:02}" for i in range(700)]
        assert counted == {hour: expected.count(hour) for hour in set(expected)}
        assert column(profile, "moment").first == "2024-01-01T00:00:00"


def test_a_later_window_of_times_does_not_drift_for_being_later() -> None:
    query = "TIMESTAMP '{day}' + INTERVAL (i * 10) MINUTE AS moment, i % 7 AS x"
    make("r.parquet", query.replace("{day}", "2024-01-01"), n=6 * 24 * 28)
    make("c.parquet", query.replace("{day}", "2025-06-04"), n=6 * 24 * 7)
    make("d.parquet", query.replace("{day}", "2025-06-04"), n=6 * 24)
    for name, weekday in (("c.parquet", Verdict.NO_DRIFT), ("d.parquet", Verdict.INSUFFICIENT_DATA)):
        result = check("r.parquet", name)
        assert result.verdict is Verdict.NO_DRIFT
        assert of(result, "moment (hour)").verdict is Verdict.NO_DRIFT
        assert of(result, "moment (weekday)").verdict is weekday


def test_times_at_other_hours_drift() -> None:
    make("r.parquet", "TIMESTAMP '2024-01-01' + INTERVAL (i * 10) MINUTE AS moment", n=6 * 24 * 28)
    night = "TIMESTAMP '2025-06-01' + INTERVAL (i // 60) DAY + INTERVAL (i % 60 * 10) MINUTE AS moment"
    found = of(check("r.parquet", make("c.parquet", night, n=60 * 30)), "moment (hour)")
    assert found.verdict is Verdict.DRIFT


ISO = "strftime(TIMESTAMP '2024-01-01' + INTERVAL (i * 61) MINUTE, '%Y-%m-%dT%H:%M:%S')"


def test_times_with_and_without_a_zone_in_one_column_are_unsupported() -> None:
    make("r.parquet", f"{ISO} || CASE WHEN i < 10 THEN 'Z' ELSE '' END AS moment, i")
    found = of(check("r.parquet", "r.parquet"), "moment")
    assert found.verdict is Verdict.UNSUPPORTED
    assert found.reason.startswith("10 of 1000 times have a time zone and the others have none")


@pytest.mark.parametrize(
    ("current", "reason"),
    [
        (
            f"{ISO} || CASE WHEN i < 10 THEN 'Z' ELSE '' END",
            "10 of 1000 values of moment are not times without",
        ),
        (f"CASE WHEN i < 3 THEN 'soon' ELSE {ISO} END", "3 of 1000 values of moment are not times without"),
        (
            "TIMESTAMPTZ '2024-01-01 00:00+00' + INTERVAL (i) MINUTE",
            "have a time zone, the reference's have none",
        ),
        ("i", "has type BIGINT, but the reference's holds times"),
    ],
)
def test_a_column_of_times_that_changed_is_of_the_wrong_type(current: str, reason: str) -> None:
    make("r.parquet", f"{ISO} AS moment, i")
    result = check("r.parquet", make("c.parquet", f"{current} AS moment, i"))
    for name in ("moment (hour)", "moment (weekday)"):
        assert of(result, name).verdict is Verdict.WRONG_TYPE
        assert reason in of(result, name).reason
    assert result.verdict is Verdict.BAD_DATA


# Embeddings


def test_norm_and_distance_equal_plain_pythons() -> None:
    rng = random.Random(1)
    vectors = [[round(rng.gauss(k, 1), 3) for k in range(5)] for _ in range(60)]
    Path("r.jsonl").write_text("".join(json.dumps({"v": one}) + "\n" for one in vectors))
    profile = reference_of("r.jsonl")
    centroid = [sum(one) / 60 for one in zip(*vectors, strict=True)]
    assert profile.features[0].centroid == pytest.approx(centroid, rel=1e-5)
    window = profile_current(open_table("r.jsonl"), profile)
    norm, distance = column(window, "v (norm)"), column(window, "v (distance)")
    assert norm.mean == pytest.approx(sum(math.hypot(*one) for one in vectors) / 60)
    assert distance.mean == pytest.approx(sum(math.dist(one, centroid) for one in vectors) / 60, rel=1e-4)
    # In the reference, each vector is held against the centre of the others.
    others = [[(60 * c - x) / 59 for c, x in zip(centroid, one, strict=True)] for one in vectors]
    expected = sum(math.dist(one, other) for one, other in zip(vectors, others, strict=True)) / 60
    assert column(profile, "v (distance)").mean == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("kind", ["DOUBLE[]", "FLOAT[]", "FLOAT[6]"])
def test_embeddings_of_the_same_kind_do_not_drift_and_longer_ones_do(kind: str) -> None:
    query = f"{VECTOR}::{kind} AS vector"
    make("r.parquet", query)
    assert check("r.parquet", make("c.parquet", query, seed=1)).verdict is Verdict.NO_DRIFT
    longer = check("r.parquet", make("d.parquet", query, seed=1, shift=1.0))
    assert of(longer, "vector (norm)").verdict is Verdict.DRIFT


@pytest.mark.parametrize(
    ("current", "misfits"),
    [
        ("CASE WHEN i < 20 THEN [1.0, 2.0] ELSE {vector} END", 20),
        ("CASE WHEN i < 20 THEN [1.0, NULL, 2.0, 3.0, 4.0, 5.0] ELSE {vector} END", 20),
        ("CASE WHEN i < 20 THEN [] ELSE {vector} END", 20),
        ("list_append({vector}, 1.0)", 1000),
    ],
)
def test_embeddings_of_another_length_are_of_the_wrong_type(current: str, misfits: int) -> None:
    make("r.parquet", f"{VECTOR} AS vector")
    result = check(
        "r.parquet", make("c.parquet", f"{current.replace('{vector}', VECTOR)}::DOUBLE[] AS vector")
    )
    for name in ("vector (norm)", "vector (distance)"):
        assert of(result, name).verdict is Verdict.WRONG_TYPE
        assert of(result, name).reason == (
            f"{misfits} of 1000 values of vector are not lists of 6 numbers, as the reference's are."
        )


def test_a_vector_with_nan_has_no_norm_and_counts_as_one() -> None:
    make("r.parquet", f"{VECTOR} AS vector")
    with_nan = (
        f"CASE WHEN i % 4 = 0 THEN list_append({VECTOR}[:5], 'nan'::DOUBLE) ELSE {VECTOR} END AS vector"
    )
    profile = reference_of("r.parquet")
    norm = column(profile_current(open_table(make("c.parquet", with_nan)), profile), "vector (norm)")
    assert (norm.rows, norm.nulls, norm.nans, norm.count) == (1000, 0, 250, 750)
    assert of(check("r.parquet", "c.parquet"), "vector (norm)").verdict is Verdict.DRIFT


@pytest.mark.parametrize(
    ("query", "words"),
    [
        (
            "[1.0, i]::DOUBLE[] || CASE WHEN i % 2 = 0 THEN [2.0] ELSE [] END AS v",
            "The lists have 2 to 3 numbers",
        ),
        ("[i]::DOUBLE[] AS v", "Lists of 1 numbers are not taken"),
        ("[i, CASE WHEN i > 3 THEN 1.0 END]::DOUBLE[] AS v", "4 of 1000 lists have nulls"),
        ("['nan', 'nan']::DOUBLE[] AS v", "All embeddings hold NaN"),
        ("CASE WHEN i = 3 THEN [1, 2]::DOUBLE[] END AS v", "Too few"),
        ("[i, i] AS v", "cannot be compared"),
    ],
)
def test_lists_that_are_no_embeddings_say_why(query: str, words: str) -> None:
    (found,) = reference_of(make("r.parquet", query)).columns
    assert isinstance(found, OtherProfile)
    assert words in found.reason


# All of them

ALL = f"{COMMENT} AS comment, {ISO} AS moment, {VECTOR} AS vector, i % 50 AS x"


@pytest.mark.parametrize("column_name", ["comment", "moment", "vector"])
def test_a_column_that_is_gone_is_missing_and_not_its_features(column_name: str) -> None:
    make("r.parquet", ALL)
    connect().execute(
        f"COPY (SELECT * RENAME ({column_name} AS {column_name}_1) FROM 'r.parquet') TO 'c.parquet' (FORMAT parquet)"
    )
    result = check("r.parquet", "c.parquet")
    found = [one for one in result.columns if one.verdict is Verdict.MISSING_COLUMN]
    assert len(found) == 2
    assert found[0].column.startswith(f"{column_name} (")
    assert found[0].reason.startswith(
        f"The window has no column {column_name}; the nearest there is {column_name}_1"
    )


def test_a_column_without_values_is_all_null() -> None:
    make("r.parquet", ALL)
    nulls = "NULL::VARCHAR AS comment, NULL::TIMESTAMP AS moment, NULL::DOUBLE[] AS vector, i % 50 AS x"
    result = check("r.parquet", make("c.parquet", nulls))
    assert sum(one.verdict is Verdict.ALL_NULL for one in result.columns) == 6
    assert of(result, "comment (length)").reason == "All 1000 rows of the window's column comment are null."


def test_text_that_became_numbers_is_of_the_wrong_type() -> None:
    make("r.parquet", ALL)
    numbers = ALL.replace(f"{COMMENT} AS", "i AS").replace(f"{VECTOR} AS", "i AS")
    result = check("r.parquet", make("c.parquet", numbers))
    assert of(result, "comment (length)").reason == (
        "The window's column comment has type BIGINT, but the reference's holds text."
    )
    assert of(result, "vector (norm)").verdict is Verdict.WRONG_TYPE


def test_an_empty_window_has_too_few_values() -> None:
    make("r.parquet", ALL)
    result = check("r.parquet", make("c.parquet", ALL, n=0))
    assert {one.verdict for one in result.columns} == {Verdict.INSUFFICIENT_DATA}


def test_a_column_or_one_of_its_features_can_be_named() -> None:
    make("r.parquet", ALL)
    for columns, watched in (
        (("comment",), ["comment (length)", "comment (unseen)"]),
        (("comment (length)", "x"), ["comment (length)", "x"]),
    ):
        profile = reference_of("r.parquet", columns)
        given = CheckSettings(columns=columns, thresholds={"comment": 0.9})
        found = get_engine("duckdb").check(Reference(None, profile), Rows(open_table("r.parquet")), given)
        assert [one.column for one in found.check.columns] == watched
        assert {one.threshold for one in found.check.columns if one.column != "x"} == {0.9}


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        ({"columns": ("comment (height)",)}, "unknown-name"),
        ({"methods": {"comment": "chisquare"}}, "wrong-method"),
        ({"methods": {"moment": "ks"}}, "wrong-method"),
        ({"methods": {"comment": "domain_classifier"}}, "wrong-method"),
        ({"methods": {"x": "domain_classifier"}}, "wrong-method"),
        ({"methods": {"vector (norm)": "domain_classifier"}}, "wrong-method"),
    ],
)
def test_settings_that_cannot_hold(given: dict[str, Any], slug: str) -> None:
    make("r.parquet", ALL)
    with pytest.raises(InputError) as caught:
        get_engine("duckdb").check_settings(reference_of("r.parquet"), CheckSettings(**given))
    assert caught.value.slug == slug


def test_a_column_of_a_features_name_keeps_it() -> None:
    make("r.parquet", f'{COMMENT} AS comment, i / 2 AS "comment (length)"')
    profile = reference_of("r.parquet")
    assert [one.name for one in profile.columns] == [
        "comment",
        "comment (length, 2)",
        "comment (unseen)",
        "comment (length)",
    ]
    assert column(profile, "comment (length)").type == "DOUBLE"
    assert check("r.parquet", "r.parquet").checked == 3


def test_hostile_column_names() -> None:
    query = f'{COMMENT} AS "it\'s; --", {ISO} AS "b""c", {VECTOR} AS "length"'
    assert check(make("r.parquet", query), make("c.parquet", query, seed=1)).checked >= 5


def test_an_engine_that_knows_columns_alone_finds_them_unsupported() -> None:
    make("r.parquet", f"{COMMENT} AS comment, {VECTOR} AS vector")
    given = CheckSettings(thresholds={"comment (length)": 0.5})
    found = get_engine("evidently").check(
        Reference(open_table("r.parquet"), reference_of("r.parquet")), Rows(open_table("r.parquet")), given
    )
    assert [(one.column, one.verdict) for one in found.check.columns] == [
        ("comment", Verdict.UNSUPPORTED),
        ("vector", Verdict.UNSUPPORTED),
    ]


def test_arrow_gives_the_same_profile() -> None:
    profile = reference_of(make("r.parquet", ALL))
    window = open_table(make("c.parquet", ALL, seed=2))
    for columns in ((), ("comment (length)", "x"), ("x",)):
        theirs = arrow_engine.profile_current(window, profile, columns)
        ours = profile_current(window, profile, columns)
        assert_profiles_agree(theirs, ours)
        assert theirs.other_columns == ours.other_columns


def test_constraints_are_those_of_columns() -> None:
    profile = reference_of(make("r.parquet", ALL))
    suggested = suggest(profile)
    assert [one.column for one in suggested.columns] == ["comment", "moment", "vector", "x"]
    held = msgspec.structs.replace(suggested, extra_columns=False)
    assert judge(held, profile_current(open_table("r.parquet"), profile)) == ()


texts = st.one_of(st.none(), st.text("ab Zé漢!", max_size=12), st.sampled_from(["the order came", "?"]))
vectors = st.one_of(
    st.none(),
    st.lists(st.floats(-5, 5).map(lambda x: round(x, 3)), min_size=6, max_size=6),
    st.lists(st.just(1.0), max_size=3),
)
days = st.one_of(st.none(), st.datetimes().map(lambda x: f"{x:%Y-%m-%dT%H:%M:%S}"), st.just("soon"))
rows = st.lists(st.tuples(texts, days, vectors), max_size=8)


@lru_cache
def watched() -> Profile:
    with TemporaryDirectory() as folder:
        query = f"{COMMENT} AS comment, {ISO} AS moment, {VECTOR} AS vector"
        return reference_of(make(f"{folder}/r.parquet", query, n=100))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows, rows)
@example([(None, "2000-01-01T00:00:00", None)], [(None, "2000-01-01T00:00:01", None)])
@example([(None, "2000-01-01T00:00:00", None)], [(None, "soon", None)])
@example([(None, "2000-01-01T00:00:00", None)], [(None, "0001-01-01T12:00:00", None)])
def test_merging_parts_gives_the_profile_of_the_whole(first: Any, second: Any) -> None:
    for name, part in (("a", first), ("b", second), ("whole", first + second)):
        written = pa.table(
            {
                "comment": pa.array([row[0] for row in part], pa.string()),
                "moment": pa.array([row[1] for row in part], pa.string()),
                "vector": pa.array([row[2] for row in part], pa.list_(pa.float64())),
            }
        )
        pq.write_table(written, f"{name}.parquet")
    a, b, whole = (profile_current(open_table(f"{name}.parquet"), watched()) for name in ("a", "b", "whole"))
    assert_profiles_agree(profiles.merge(a, b), whole)
    assert profiles.merge(a, b) == profiles.merge(b, a)


@pytest.mark.stored
def test_a_monitor_watches_features_and_its_history_is_judged_by_them(
    registry: Registry, files: Files
) -> None:
    query = f"{COMMENT} AS comment, {VECTOR} AS vector, i % 5 AS x"
    for name, seed in (("reference", 0), ("live", 1)):
        make(str(files.folder / f"{name}.parquet"), query, n=400, seed=seed, shift=1.0 * seed)
    registry.model.register("churn", files.text("weights"))
    registry.monitor.add(
        "nightly",
        model="churn",
        reference=files.folder / "reference.parquet",
        current=str(files.folder / "live.parquet"),
        columns=["comment (length)", "vector"],
        methods={"vector": "domain_classifier"},
        weights={"vector": 0.0, "vector (distance)": 1.0},
        constraints="suggest",
    )
    found = registry.monitor.run("nightly").check
    assert {one.column: str(one.verdict) for one in found.result.columns} == {
        "comment (length)": "no-drift",
        "vector": "drift",
        "vector (norm)": "no-drift",
        "vector (distance)": "drift",
    }
    assert found.violations == ()
    assert registry.monitor.backtest("nightly").windows[0].drifting == ("vector (distance)",)


# The domain classifier


def test_a_domain_classifier_finds_a_shift_that_norm_and_distance_do_not() -> None:
    turned = (
        f"list_transform({VECTOR}, lambda x, k: x + CASE WHEN k = 1 THEN 0.9 WHEN k = 2 THEN -0.9 ELSE 0 END)"
    )
    make("r.parquet", f"{VECTOR} AS vector", n=600)
    given = {"methods": {"vector": "domain_classifier"}}
    same = of(check("r.parquet", make("c.parquet", f"{VECTOR} AS vector", n=500, seed=1), **given), "vector")
    other = of(check("r.parquet", make("d.parquet", f"{turned} AS vector", n=500, seed=1), **given), "vector")
    assert (same.method, same.verdict, other.verdict) == (
        "domain_classifier",
        Verdict.NO_DRIFT,
        Verdict.DRIFT,
    )
    assert same.score is not None
    assert other.score is not None
    assert same.score < 0.55 < 0.7 < other.score
    assert same.threshold == pytest.approx(guessed_auc(600, 500, 0.05), abs=0.01) or same.threshold == 0.55
    high = of(check("r.parquet", "d.parquet", thresholds={"vector": 0.99}, **given), "vector")
    assert (high.verdict, high.score) == (Verdict.NO_DRIFT, other.score)


def test_a_domain_classifier_reads_the_references_rows() -> None:
    given = CheckSettings(methods={"vector": "domain_classifier"})
    assert reads_reference_rows("duckdb", given)
    assert not reads_reference_rows("duckdb", CheckSettings())
    profile = reference_of(make("r.parquet", f"{VECTOR} AS vector"))
    with pytest.raises(InputError) as caught:
        get_engine("duckdb").check(Reference(None, profile), Rows(open_table("r.parquet")), given)
    assert caught.value.slug == "reference-rows-needed"


@pytest.mark.parametrize(
    ("query", "verdict"),
    [
        ("i AS other", Verdict.MISSING_COLUMN),
        ("NULL::DOUBLE[] AS vector", Verdict.ALL_NULL),
        ("[1.0, i]::DOUBLE[] AS vector", Verdict.WRONG_TYPE),
        ("CASE WHEN i < 5 THEN {vector} END AS vector", Verdict.INSUFFICIENT_DATA),
    ],
)
def test_a_domain_classifier_is_not_asked_about_bad_data(query: str, verdict: Verdict) -> None:
    make("r.parquet", f"{VECTOR} AS vector", n=100)
    make("c.parquet", query.replace("{vector}", VECTOR), n=100)
    found = check("r.parquet", "c.parquet", methods={"vector": "domain_classifier"})
    assert of(found, "vector").verdict is verdict


def test_the_auc_of_a_shift_is_near_its_best() -> None:
    rng = random.Random(3)
    first = [[rng.gauss(0, 1) for _ in range(4)] for _ in range(800)]
    second = [[rng.gauss(0.5, 1) for _ in range(4)] for _ in range(800)]
    # Two normal clouds a distance d apart are told apart with an AUC of Φ(d/√2) at best; here d is 1.
    assert roc_auc(first, second) == pytest.approx(0.760, abs=0.03)


def test_few_vectors_are_held_against_guessing_too() -> None:
    # The share of guesses above the bound is the level, by simulation of the Mann-Whitney statistic.
    rng = random.Random(5)
    n, m, above = 30, 40, 0
    for _ in range(1500):
        first, second = ([rng.random() for _ in range(size)] for size in (n, m))
        auc = sum(b > a for a, b in product(first, second)) / (n * m)
        above += auc > guessed_auc(n, m, 0.05)
    assert above / 1500 == pytest.approx(0.05, abs=0.02)
    few = Separation(auc=0.6, reference=n, current=m, sampled=False)
    many = Separation(auc=0.6, reference=3000, current=3000, sampled=True)
    assert (few.drifts(None, 0.05), many.drifts(None, 0.05), few.drifts(0.55, 0.05)) == (False, True, True)
