from datetime import UTC, datetime, timedelta
from functools import cache, reduce
from itertools import pairwise
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from crisplens.core.canonical import canonical_json
from crisplens.core.errors import InputError
from crisplens.monitors import profiles
from crisplens.monitors.decisions import judge_effects
from crisplens.monitors.effects import effects
from crisplens.monitors.model import (
    CategoricalProfile,
    Category,
    CheckResult,
    CheckSettings,
    ColumnCheck,
    ColumnKind,
    Family,
    NumericProfile,
    OtherProfile,
    Profile,
    Verdict,
)
from crisplens.monitors.moving import (
    MOST_WINDOWS,
    REACH,
    MovingFindings,
    MovingKind,
    MovingReference,
    PastWindow,
    check_moving,
    choose_windows,
    compare,
    deciding_columns,
    deciding_verdict,
    excuse,
    merge_windows,
    moving_text,
    parse_moving,
)
from crisplens.monitors.schedules.windows import parse_window_rule, windows_between

ROLLING, WEEKDAYS = parse_moving("rolling 3"), parse_moving("seasonal 3 of 7d")
SETTINGS = CheckSettings()
DAY = timedelta(days=1)
ZONES = ("UTC", "Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu")
FIRST = datetime(2018, 9, 1, tzinfo=UTC)


def window(start: datetime, end: datetime, **given) -> PastWindow:
    texts = (start.isoformat(), end.isoformat())
    found = {"verdict": Verdict.NO_DRIFT, "profile": "/".join(texts)} | given
    return PastWindow(key="/".join(texts), start=texts[0], end=texts[1], **found)


@cache
def series(rule: str, days: int, *, zone: str = "UTC", every: str | None = None) -> tuple[PastWindow, ...]:
    """The windows of a rule over some days from September 2018, when clocks changed in the zones above."""
    found = windows_between(
        parse_window_rule(rule, every=every, zone=zone), FIRST, FIRST + days * DAY, 10_000
    )
    return tuple(window(one.start, one.end) for one in found)


def numbered(count: int, **given) -> list[PastWindow]:
    found = {"verdict": Verdict.NO_DRIFT, "profile": "x"} | given
    return [PastWindow(key=f"day-{i:02}.csv", start=None, end=None, **found) for i in range(count)]


def keys(chosen) -> list[str]:
    return [one.key for one in chosen]


def with_status(one: PastWindow, status: str) -> PastWindow:
    changes = {
        "fine": {},
        "drift": {"verdict": Verdict.DRIFT},
        "incident": {"verdict": Verdict.DRIFT, "incident": "incident-1"},
        "accepted": {"verdict": Verdict.DRIFT, "incident": "incident-1", "accepted": True},
        "bad": {"verdict": Verdict.BAD_DATA},
        "accepted bad": {"verdict": Verdict.BAD_DATA, "accepted": True},
        "small": {"verdict": Verdict.INSUFFICIENT_DATA},
        "muted": {"muted": True},
        "no profile": {"profile": ""},
    }
    return msgspec.structs.replace(one, **changes[status])


LEFT_OUT = ("drift", "incident", "bad", "accepted bad", "small", "muted", "no profile")
statuses = st.sampled_from(("fine", "fine", "fine", "accepted", *LEFT_OUT))


@st.composite
def histories(draw) -> tuple[MovingReference, list[PastWindow], str]:
    """A moving reference, windows of time of which any may be left out, and their zone; the last one is now."""
    zone = draw(st.sampled_from(ZONES))
    rule, every, season = draw(
        st.sampled_from(
            [("day", None, "7d"), ("week", "day", "1w"), ("hour", None, "24h"), ("month", None, "year")]
        )
    )
    days = {"hour": 12, "month": 1300}.get(rule, 80)
    text = draw(st.sampled_from(["rolling {}", "seasonal {} of " + season]))
    made = series(rule, days, zone=zone, every=every)[-draw(st.integers(1, 60)) :]
    given = [with_status(one, draw(statuses)) for one in made]
    return parse_moving(text.format(draw(st.integers(1, 8)))), given, zone


@hypothesis_settings(deadline=None, max_examples=50)
@given(histories())
def test_chosen_windows_are_normal_come_before_and_never_overlap(history):
    moving, (*earlier, now), zone = history
    chosen = choose_windows(moving, now, earlier, zone=zone)
    assert len(chosen) <= moving.windows
    assert all(one.profile and not one.muted for one in chosen)
    assert {(one.verdict, one.accepted) for one in chosen} <= {("no-drift", False), ("drift", True)}
    for first, second in pairwise([*chosen, now]):
        assert first.end <= second.start


@hypothesis_settings(deadline=None, max_examples=50)
@given(histories(), st.randoms())
def test_windows_that_are_left_out_and_the_order_of_checks_change_nothing(history, chance):
    moving, (*earlier, now), zone = history
    # So many windows back none is looked for.
    assume(moving.kind is MovingKind.SEASONAL or moving.windows * REACH >= len(earlier))
    fit = [one for one in earlier if one.verdict == "no-drift" or one.accepted]
    shuffled = chance.sample(fit, len(fit))
    # Files and rows are counted, so that a place is kept for each; times are not.
    assert choose_windows(moving, now, shuffled, zone=zone) == choose_windows(moving, now, earlier, zone=zone)


@hypothesis_settings(deadline=None, max_examples=50)
@given(histories())
def test_accepted_windows_are_chosen_before_others(history):
    moving, (*earlier, now), zone = history
    chosen = choose_windows(moving, now, earlier, zone=zone)
    assert len({one.accepted for one in chosen}) <= 1
    accepted = [one for one in earlier if one.accepted and one.verdict == "drift" and one.end <= now.start]
    if moving.kind is MovingKind.ROLLING and accepted and moving.windows * REACH >= len(earlier):
        assert chosen[-1] == accepted[-1]


@pytest.mark.parametrize("status", LEFT_OUT)
def test_a_window_that_is_not_normal_is_left_out(status):
    *earlier, now = series("day", 6)
    earlier[3] = with_status(earlier[3], status)
    assert keys(choose_windows(ROLLING, now, earlier)) == keys([earlier[1], earlier[2], earlier[4]])


def test_rolling_takes_the_newest_windows_oldest_first():
    *earlier, now = series("day", 20)
    assert choose_windows(ROLLING, now, earlier) == tuple(earlier[-3:])


def test_sliding_windows_are_taken_one_length_apart():
    *earlier, now = series("7d", 60, every="1d")
    assert choose_windows(ROLLING, now, earlier) == tuple(earlier[i] for i in (-21, -14, -7))


@pytest.mark.parametrize("zone", ZONES)
def test_seasons_of_days_are_weekdays_of_the_zone_through_daylight_saving(zone):
    days = series("day", 100, zone=zone)
    place = ZoneInfo(zone)
    lengths = set()
    for at, now in enumerate(days[21:], start=21):
        chosen = choose_windows(WEEKDAYS, now, days[:at], zone=zone)
        assert chosen == tuple(days[i] for i in (at - 21, at - 14, at - 7))
        lengths |= {datetime.fromisoformat(now.start) - datetime.fromisoformat(chosen[-1].start)}
        assert (
            len({datetime.fromisoformat(one.start).astimezone(place).weekday() for one in (*chosen, now)})
            == 1
        )
    assert (len(lengths) > 1) == (zone not in ("UTC", "Asia/Kathmandu"))


def test_seasons_of_hours_follow_the_clock_and_fixed_steps_elapsed_time():
    hours = series("hour", 70, zone="Europe/Berlin")
    noon = next(one for one in hours if one.start.startswith("2018-10-30T11:00"))
    chosen = choose_windows(WEEKDAYS, noon, hours, zone="Europe/Berlin")
    assert [one.start[:13] for one in chosen] == ["2018-10-09T10", "2018-10-16T10", "2018-10-23T10"]
    steps = series("6h", 70)
    now = next(one for one in steps if one.start.startswith("2018-10-30T12:00"))
    chosen = choose_windows(WEEKDAYS, now, steps, zone="Europe/Berlin")
    assert [one.start[:13] for one in chosen] == ["2018-10-09T12", "2018-10-16T12", "2018-10-23T12"]


def test_a_season_of_a_year_is_the_same_month():
    months = series("month", 1500)
    chosen = choose_windows(parse_moving("seasonal 5 of year"), months[40], months[:40])
    assert [one.start[:7] for one in chosen] == ["2019-01", "2020-01", "2021-01"]
    assert months[40].start.startswith("2022-01")


def test_seasons_that_are_left_out_are_made_up_for_by_older_ones():
    *earlier, now = series("day", 50)
    earlier[-7] = with_status(earlier[-7], "muted")
    assert choose_windows(WEEKDAYS, now, earlier) == tuple(earlier[i] for i in (-28, -21, -14))


def test_seasons_of_files_are_counted_and_unusable_files_keep_their_place():
    files = numbered(30)
    files[23] = with_status(files[23], "bad")
    chosen = choose_windows(parse_moving("seasonal 2 of 7 windows"), numbered(31)[30], files)
    assert keys(chosen) == ["day-09.csv", "day-16.csv"]


def test_a_window_that_was_checked_again_counts_once_by_its_newest_check():
    files = numbered(4)
    again = with_status(files[3], "muted")
    assert keys(choose_windows(ROLLING, numbered(5)[4], [*files, again])) == keys(files[:3])
    assert keys(choose_windows(ROLLING, files[2], [*files, again])) == keys(files[:2])


@given(
    st.integers(1, MOST_WINDOWS),
    st.sampled_from(["", "7d", "24h", "90m", "week", "month", "year", "7 windows"]),
)
def test_texts_are_read_as_they_are_written(windows, season):
    text = f"seasonal {windows} of {season}" if season else f"rolling {windows}"
    moving = parse_moving(f"  {text.upper()} ")
    assert parse_moving(moving_text(moving)) == moving
    assert moving.windows == windows
    assert (moving.kind == "seasonal") == bool(season)


def test_lengths_of_a_season_that_are_the_same_are_written_the_same():
    seasons = ("7d", "1w", "168h", "week")
    assert {moving_text(parse_moving(f"seasonal 4 of {one}")) for one in seasons} == {"seasonal 4 of 1w"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "rolling",
        "rolling 0",
        "rolling 101",
        "rolling -1",
        "rolling 3 of 7d",
        "seasonal 4",
        "seasonal 4 of",
        "seasonal 4 of 0d",
        "seasonal 4 of 0 windows",
        "seasonal 4 of fortnight",
        "seasonal 0 of 7d",
        "sliding 4",
        "rolling ٣",
    ],
)
def test_other_texts_are_refused(text):
    with pytest.raises(InputError) as caught:
        parse_moving(text)
    assert caught.value.slug == "bad-setting"
    assert caught.value.hint


@pytest.mark.parametrize(
    ("rule", "text", "fits"),
    [
        ("day", "rolling 14", True),
        ("file", "rolling 14", True),
        ("whole", "rolling 14", False),
        ("day", "seasonal 4 of 7d", True),
        ("day", "seasonal 4 of 36h", False),
        ("day", "seasonal 4 of month", True),
        ("day", "seasonal 4 of 7 windows", False),
        ("6h", "seasonal 4 of 1d", True),
        ("5h", "seasonal 4 of month", False),
        ("5h", "seasonal 4 of 1d", False),
        ("week", "seasonal 4 of 7d", True),
        ("week", "seasonal 4 of year", False),
        ("month", "seasonal 2 of year", True),
        ("month", "seasonal 2 of 30d", False),
        ("year", "seasonal 2 of month", False),
        ("file", "seasonal 4 of 7 windows", True),
        ("500 rows", "seasonal 4 of 7 windows", True),
        ("file", "seasonal 4 of 7d", False),
    ],
)
def test_references_that_the_windows_can_never_use_are_refused(rule, text, fits):
    if fits:
        check_moving(parse_moving(text), parse_window_rule(rule), SETTINGS)
        return
    with pytest.raises(InputError) as caught:
        check_moving(parse_moving(text), parse_window_rule(rule), SETTINGS)
    assert caught.value.slug == "bad-setting"


def test_a_monitor_that_decides_by_a_share_has_none():
    with pytest.raises(InputError, match="drift share"):
        check_moving(ROLLING, parse_window_rule("day"), CheckSettings(drift_share=0.5))


EDGES = tuple(float(x) for x in np.linspace(-4, 4, 41))


def a_table(rng, rows, *, shift=0.0, plan=(0.5, 0.3, 0.2), other=False) -> Profile:
    values = rng.normal(shift, size=rows)
    counts = np.bincount(np.searchsorted(EDGES, values, "left"), minlength=len(EDGES) + 1)
    drawn = rng.multinomial(rows, plan).tolist()
    second = CategoricalProfile(
        name="plan",
        type="VARCHAR",
        family=Family.TEXT,
        rows=rows,
        nulls=0,
        count=rows,
        categories=tuple(Category(value=v, count=c) for v, c in zip("abc", drawn, strict=True)),
        n_unique=3,
    )
    misread = OtherProfile(name="plan", type="INTEGER", family=Family.NUMBER, rows=rows, nulls=0)
    first = NumericProfile(
        name="age", type="DOUBLE", rows=rows, nulls=0, count=rows, edges=EDGES, counts=tuple(counts.tolist())
    )
    return Profile(rows=rows, columns=(first, misread if other else second))


def against(training: Profile, current: Profile) -> tuple[ColumnCheck, ...]:
    plain = [
        ColumnCheck(column=one.name, kind=ColumnKind.NUMERIC, verdict=Verdict.NO_DRIFT, reason="")
        for one in training.columns
    ]
    return judge_effects(plain, effects(training, current), SETTINGS)


def found(
    *windows: Profile, now: Profile, training: Profile, accepted: bool = True
) -> tuple[CheckResult, MovingFindings]:
    verdict = Verdict.DRIFT if accepted else Verdict.NO_DRIFT
    chosen = [
        msgspec.structs.replace(one, verdict=verdict, accepted=accepted) for one in numbered(len(windows))
    ]
    checks = against(training, now)
    drifted = sum(one.verdict == "drift" for one in checks)
    result = CheckResult(
        engine="duckdb",
        verdict=Verdict.DRIFT if drifted else Verdict.NO_DRIFT,
        reason="",
        columns=checks,
        reference_rows=training.rows,
        current_rows=now.rows,
        drifted=drifted,
        checked=2,
        drift_share=None,
    )
    return result, compare(
        WEEKDAYS, chosen, windows, reference=training, current=now, checks=checks, settings=SETTINGS
    )


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def test_a_column_is_excused_by_accepted_windows_that_were_as_far_from_the_training_data(rng):
    training, now = a_table(rng, 10_000), a_table(rng, 2000, shift=0.5)
    check, moving = found(*(a_table(rng, 2000, shift=0.5) for _ in range(3)), now=now, training=training)
    assert check.verdict is Verdict.DRIFT
    assert (moving.verdict, moving.windows, moving.rows) == (
        Verdict.NO_DRIFT,
        ("day-00.csv", "day-01.csv", "day-02.csv"),
        6000,
    )
    assert {one.column: one.known for one in moving.columns} == {"age": True, "plan": False}
    assert deciding_columns(check.columns, moving) == frozenset()
    assert deciding_verdict(check, moving) is Verdict.NO_DRIFT
    said = "age drifts from the training data, but not from the 3 windows of the same season before."
    assert excuse(check, moving) == said


def test_a_drift_beyond_what_was_accepted_is_not_excused(rng):
    training, now = a_table(rng, 10_000), a_table(rng, 2000, shift=1.0)
    check, moving = found(a_table(rng, 2000, shift=0.5), now=now, training=training)
    assert moving.verdict is Verdict.DRIFT
    assert deciding_columns(check.columns, moving) == {"age"}
    assert deciding_verdict(check, moving) is Verdict.DRIFT
    assert excuse(check, moving) == ""


def test_another_column_than_the_accepted_one_is_not_excused(rng):
    training = a_table(rng, 10_000)
    now = a_table(rng, 2000, shift=0.5, plan=(0.2, 0.3, 0.5))
    check, moving = found(a_table(rng, 2000, shift=0.5), now=now, training=training)
    assert deciding_columns(check.columns, moving) == {"plan"}
    assert deciding_verdict(check, moving) is Verdict.DRIFT
    assert excuse(check, moving).startswith("age drifts from the training data, but not from the window")


def test_a_trend_is_not_excused_by_windows_that_nobody_had_to_accept(rng):
    training = a_table(rng, 10_000)
    creeping = [a_table(rng, 20_000, shift=shift) for shift in (0.08, 0.1, 0.11)]
    check, moving = found(*creeping, now=a_table(rng, 20_000, shift=0.15), training=training, accepted=False)
    assert moving.verdict is Verdict.NO_DRIFT
    assert deciding_columns(check.columns, moving) == {"age"}


def test_a_trend_is_not_excused_by_windows_that_were_accepted_for_another_column(rng):
    training = a_table(rng, 10_000)
    accepted = a_table(rng, 20_000, shift=0.06, plan=(0.2, 0.3, 0.5))
    check, moving = found(accepted, now=a_table(rng, 20_000, shift=0.15), training=training)
    assert {one.column: one.verdict for one in moving.columns}["age"] is Verdict.NO_DRIFT
    assert deciding_columns(check.columns, moving) == {"age"}


@pytest.mark.parametrize("rows", [[], [300], [100, 100, 100]])
def test_with_too_few_rows_the_training_data_alone_decides(rng, rows):
    training, now = a_table(rng, 10_000), a_table(rng, 1000, shift=0.5)
    check, moving = found(*(a_table(rng, one, shift=0.5) for one in rows), now=now, training=training)
    assert (moving.verdict, moving.columns) == (Verdict.INSUFFICIENT_DATA, ())
    assert moving.reason.endswith(".")
    assert deciding_columns(check.columns, moving) == deciding_columns(check.columns, None) == {"age"}


def test_a_column_that_earlier_windows_do_not_have_is_not_excused(rng):
    training = a_table(rng, 10_000)
    now = a_table(rng, 2000, plan=(0.2, 0.3, 0.5))
    check, moving = found(a_table(rng, 2000, other=True), now=now, training=training)
    (plan,) = (one for one in moving.columns if one.column == "plan")
    assert (plan.verdict, plan.effect) == (Verdict.INSUFFICIENT_DATA, None)
    assert deciding_columns(check.columns, moving) == {"plan"}


def test_a_column_that_its_score_decides_is_not_compared(rng):
    training, now = a_table(rng, 10_000), a_table(rng, 2000, shift=0.5)
    checks = [msgspec.structs.replace(one, effect=None) for one in against(training, now)]
    moving = compare(
        ROLLING, numbered(1), [now], reference=training, current=now, checks=checks, settings=SETTINGS
    )
    assert (moving.verdict, moving.columns) == (Verdict.INSUFFICIENT_DATA, ())


def test_bad_data_shows_when_the_drift_is_excused(rng):
    training, now = a_table(rng, 10_000), a_table(rng, 2000, shift=0.5)
    check, moving = found(a_table(rng, 2000, shift=0.5), now=now, training=training)
    assert deciding_verdict(check, moving, broken=True) is Verdict.BAD_DATA
    missing = ColumnCheck(column="gone", kind=None, verdict=Verdict.MISSING_COLUMN, reason="")
    check = msgspec.structs.replace(check, columns=(*check.columns, missing))
    assert deciding_verdict(check, moving) is Verdict.BAD_DATA
    assert deciding_verdict(check, None, broken=True) is Verdict.DRIFT


def test_the_merge_is_the_profile_of_the_rows_together(rng):
    parts = [a_table(rng, rows, shift=rows / 1000) for rows in (500, 800, 1100)]
    whole = reduce(profiles.merge, parts)
    assert merge_windows(parts[0], parts) == whole
    mixed = merge_windows(parts[0], [*parts, a_table(rng, 400, other=True)])
    assert mixed.rows == 2800
    assert [one.rows for one in mixed.columns] == [2800, 2400]


def test_findings_are_small_and_fit_the_record():
    rng = np.random.default_rng(1)
    now = a_table(rng, 900, shift=0.3)
    _, moving = found(a_table(rng, 500, shift=0.3), now=now, training=a_table(rng, 900))
    columns = tuple(
        msgspec.structs.replace(one, column=f"{one.column} {i}") for i in range(50) for one in moving.columns
    )
    most = MovingFindings(
        moving=parse_moving("seasonal 100 of 7d"),
        verdict=Verdict.NO_DRIFT,
        reason="None of 100 columns drifts.",
        windows=tuple(keys(series("day", 100))),
        columns=columns,
    )
    text = canonical_json(msgspec.to_builtins(most))
    assert len(text) < 20_000
    assert msgspec.json.decode(text, type=MovingFindings) == most
