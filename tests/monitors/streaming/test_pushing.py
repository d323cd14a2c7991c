"""Rows that are pushed: counted once in the window they belong to, which is checked once when it closes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec
import pyarrow as pa
import pytest
from sqlalchemy import select

from crisplens.api import Registry
from crisplens.core.canonical import digest_bytes
from crisplens.core.clock import parse_time
from crisplens.core.database import read_session
from crisplens.core.errors import InputError, Refused
from crisplens.core.working import OPEN_WINDOWS
from crisplens.monitors.model import Profile, Verdict
from crisplens.nouns import streaming
from tests.conftest import ANA, BO, CI, Files, assert_refused, failed
from tests.monitors.conftest import START, Clock
from tests.monitors.streaming.conftest import at_times, make_rows, to_csv

pytestmark = pytest.mark.stored

Watch = Callable[..., None]


def kept(registry: Registry) -> list[tuple[str, int, int]]:
    """The working table: keys, rows, and the size of the profile, which is 0 once a window is closed."""
    with read_session(registry.engine) as session:
        found = session.execute(
            select(OPEN_WINDOWS.c.window_key, OPEN_WINDOWS.c.rows, OPEN_WINDOWS.c.profile)
        )
        return sorted((key, rows, len(profile)) for key, rows, profile in found)


def total(registry: Registry) -> int:
    return sum(rows for _, rows, _ in kept(registry))


def due(registry: Registry, time: Clock, *, moment: bool = False) -> streaming.Closed:
    return streaming.close_due(
        registry, registry.monitor.get("live"), time.moment if moment else None, time.moment
    )


def test_windows_of_rows_are_checked_as_they_fill_and_a_batch_across_the_border_is_split(
    served: Registry, watch: Watch
) -> None:
    watch(window="500 rows")
    first = served.monitor.push("live", make_rows(300))
    second = served.monitor.push("live", make_rows(900, seed=2))
    assert first.checks == ()
    assert [(one.added, one.rows) for one in first.windows] == [(300, 300)]
    assert [(one.added, one.rows) for one in second.windows] == [(200, 500), (500, 500), (200, 200)]
    assert [one.check.window.name for one in second.checks] == [
        "rows-000000000000000-000000000000500",
        "rows-000000000000500-000000000001000",
    ]
    assert [one.check.window.location for one in second.checks] == ["2 pushed batches", "1 pushed batch"]
    assert [one.check.result.verdict for one in second.checks] == [Verdict.NO_DRIFT] * 2
    assert served.monitor.history("live") == [one.check for one in second.checks]


def test_a_pushed_window_is_judged_as_a_file_of_its_rows(
    served: Registry, watch: Watch, files: Files
) -> None:
    watch()
    rows = make_rows(800, shift=4)
    for first in range(0, 800, 130):
        served.monitor.push("live", rows[first : first + 130])
    (pushed,) = served.monitor.close("live").checks
    given = {"model": "churn-gbm", "reference": files.folder / "train.csv"}
    served.monitor.add("file", **given, current=str(files.text(to_csv(rows), "live.csv")))
    of_file = served.monitor.run("file")
    assert pushed.check.result.verdict is Verdict.DRIFT
    assert pushed.check.decision.alarm
    assert pushed.incident is not None
    for ours, theirs in zip(pushed.check.result.columns, of_file.check.result.columns, strict=True):
        assert (ours.column, ours.verdict, ours.method) == (theirs.column, theirs.verdict, theirs.method)
        assert ours.score == pytest.approx(theirs.score, rel=1e-9)
        assert ours.effect == pytest.approx(theirs.effect, rel=1e-9)


def test_the_digest_of_a_pushed_window_is_that_of_its_profile_in_evidence(
    served: Registry, watch: Watch
) -> None:
    watch()
    (done,) = served.monitor.push("live", make_rows(100), close=True).checks
    content = served.configuration.open_evidence().read(done.check.attachments[0])
    assert done.check.window.digest == done.check.attachments[0] == digest_bytes(content)
    assert msgspec.json.decode(content, type=Profile).rows == 100
    assert failed(served.audit.verify()) == {}


def test_windows_that_are_closed_by_hand_go_on_where_they_ended(served: Registry, watch: Watch) -> None:
    watch(window="500 rows")
    served.monitor.push("live", make_rows(120))
    served.monitor.close("live")
    served.monitor.push("live", make_rows(500, seed=2))
    names = [one.window.name for one in served.monitor.history("live")]
    assert names == ["rows-000000000000000-000000000000120", "rows-000000000000120-000000000000620"]


def test_a_window_of_everything_is_open_until_it_is_closed_and_the_next_has_another_name(
    served: Registry, watch: Watch
) -> None:
    watch()
    for _ in range(2):
        served.monitor.push("live", make_rows(60))
        assert served.monitor.push("live", make_rows(60, seed=2), close=True).checks
    names = [(one.window.name, one.window.rows) for one in served.monitor.history("live")]
    assert names == [("push-000000000000001", 120), ("push-000000000000002", 120)]
    assert_refused(served, lambda: served.monitor.close("live"), "nothing-due", "no window of live is open")


def test_the_same_batch_again_changes_nothing_and_says_so(served: Registry, watch: Watch) -> None:
    watch(window="500 rows")
    rows = make_rows(400)
    served.monitor.push("live", rows, batch="2031-03-01T00")
    before = kept(served)
    again = served.monitor.push("live", rows, batch="2031-03-01T00")
    assert (again.repeated, again.windows, again.rows) == (True, (), 400)
    assert kept(served) == before


def test_a_batch_is_known_after_the_window_that_it_closed(served: Registry, watch: Watch) -> None:
    watch(window="100 rows")
    assert served.monitor.push("live", make_rows(100), batch="a").checks
    assert served.monitor.push("live", make_rows(100), batch="a").repeated
    assert len(served.monitor.history("live")) == 1


def test_an_id_that_stands_for_other_rows_is_refused(served: Registry, watch: Watch) -> None:
    watch()
    served.monitor.push("live", make_rows(10), batch="a")
    assert_refused(
        served, lambda: served.monitor.push("live", make_rows(11), batch="a"), "batch-taken", "10 rows"
    )
    assert total(served) == 10


def test_rows_go_to_the_window_of_their_time_which_closes_when_later_ones_come(
    served: Registry, watch: Watch, time: Clock
) -> None:
    watch(window="1h", time_column="at", lateness="10m")
    time.move(hours=12)
    first = served.monitor.push("live", at_times(make_rows(90), START))
    assert [(one.key[11:16], one.rows) for one in first.windows] == [("00:00", 60), ("01:00", 30)]
    assert [(one.check.window.start, one.check.window.rows) for one in first.checks] == [
        ("2031-03-01T00:00:00.000000Z", 60)
    ]
    still = served.monitor.push("live", at_times(make_rows(39), START + timedelta(minutes=90)))
    assert still.checks == ()
    over = served.monitor.push("live", at_times(make_rows(1), START + timedelta(minutes=130)))
    assert [one.check.window.rows for one in over.checks] == [60]


def test_rows_that_come_late_are_counted_while_their_window_is_open_and_reported_after(
    served: Registry, watch: Watch, time: Clock
) -> None:
    watch(window="1h", time_column="at", lateness="30m")
    time.move(hours=12)
    served.monitor.push("live", at_times(make_rows(80), START))
    late = served.monitor.push("live", at_times(make_rows(5), START, minutes=3))
    assert [(one.rows, late.too_late) for one in late.windows] == [(65, 0)]
    closing = served.monitor.push("live", at_times(make_rows(1), START + timedelta(minutes=95)))
    assert [one.check.window.rows for one in closing.checks] == [65]
    too_late = served.monitor.push("live", at_times(make_rows(7), START, minutes=10))
    assert (too_late.too_late, too_late.windows[0].added) == (6, 1)
    assert len(served.monitor.history("live")) == 1


def test_rows_without_a_time_are_reported_and_are_in_no_window(
    served: Registry, watch: Watch, time: Clock
) -> None:
    watch(window="1h", time_column="at")
    time.move(hours=12)
    rows = at_times(make_rows(10), START)
    rows[3]["at"], rows[4]["at"] = None, "yesterday"
    done = served.monitor.push("live", rows)
    assert (done.without_time, done.windows[0].rows) == (2, 8)


def test_overlapping_windows_each_get_their_rows(served: Registry, watch: Watch, time: Clock) -> None:
    watch(window="2h", window_every="1h", time_column="at")
    time.move(hours=12)
    done = served.monitor.push("live", at_times(make_rows(180), START))
    found = {one.key[11:16]: one.added for one in done.windows}
    assert found == {"23:00": 60, "00:00": 120, "01:00": 120, "02:00": 60}
    assert [one.check.window.rows for one in done.checks] == [60, 120]


def test_times_without_a_zone_are_those_of_the_window_and_both_kinds_of_data_agree(
    served: Registry, watch: Watch, time: Clock
) -> None:
    watch(window="day", time_column="at", zone="Europe/Berlin")
    time.move(hours=72)
    local = [{**row, "at": row["at"].replace("+00:00", "")} for row in at_times(make_rows(2), START)]
    local[1]["at"] = "2031-03-01T23:30:00"
    stamps = pa.table(
        {
            **{name: [row[name] for row in local] for name in local[0]},
            "at": pa.array([parse_time(row["at"]).replace(tzinfo=None) for row in local], pa.timestamp("ms")),
        }
    )
    key = "2031-02-28T23:00:00Z/2031-03-01T23:00:00Z"
    assert [(one.key, one.rows) for one in served.monitor.push("live", local).windows] == [(key, 2)]
    assert [(one.key, one.rows) for one in served.monitor.push("live", stamps).windows] == [(key, 4)]


def test_a_window_whose_time_has_passed_is_closed_by_the_clock_and_silence_is_bad_data(
    served: Registry, watch: Watch, time: Clock
) -> None:
    watch(window="1h", time_column="at", schedule="@hourly")
    time.move(minutes=50)
    served.monitor.push("live", at_times(make_rows(50), START))
    assert due(served, time).checks == ()
    time.move(minutes=80)
    found = [(one.check.window.rows, one.check.result.verdict) for one in due(served, time).checks]
    assert found == [(50, Verdict.NO_DRIFT), (0, Verdict.BAD_DATA)]
    assert due(served, time).checks == ()
    too_late = served.monitor.push("live", at_times(make_rows(3), START + timedelta(minutes=70)))
    assert (too_late.too_late, too_late.windows) == (3, ())


def test_a_schedule_closes_a_window_of_everything_and_finds_that_nothing_was_pushed(
    served: Registry, watch: Watch, time: Clock
) -> None:
    watch(schedule="@hourly")
    served.monitor.push("live", make_rows(60))
    time.move(hours=1)
    (done,) = due(served, time, moment=True).checks
    assert done.check.window.rows == 60
    time.move(hours=1)
    (silent,) = due(served, time, moment=True).checks
    assert silent.check.result.verdict is Verdict.BAD_DATA
    assert "nothing was pushed" in silent.check.result.reason
    assert due(served, time, moment=True).checks == ()


def test_a_batch_that_hides_drift_is_refused_whole(served: Registry, watch: Watch) -> None:
    watch()
    served.monitor.push("live", make_rows(20))
    without = [{name: value for name, value in row.items() if name != "plan"} for row in make_rows(5)]
    other = [{**row, "tenure": "many"} for row in make_rows(5)]
    assert_refused(served, lambda: served.monitor.push("live", without), "bad-batch", "the column plan")
    assert_refused(served, lambda: served.monitor.push("live", other), "bad-batch", "'tenure'", "row 1")
    assert total(served) == 20


def test_nulls_and_unknown_columns_are_taken_in(served: Registry, watch: Watch) -> None:
    watch()
    rows = [{**row, "tenure": None, "extra": {"deep": []}} for row in make_rows(50)]
    del rows[7]["plan"]
    (done,) = served.monitor.push("live", rows, close=True).checks
    (tenure,) = (one for one in done.check.result.columns if one.column == "tenure")
    assert tenure.verdict is Verdict.ALL_NULL
    (plan,) = (one for one in done.check.result.columns if one.column == "plan")
    assert plan.current is not None
    assert plan.current.nulls == 1


def test_constraints_are_held_against_a_pushed_window(served: Registry, watch: Watch) -> None:
    watch(constraints="suggest")
    rows = [{**row, "active": None} for row in make_rows(200)]
    (done,) = served.monitor.push("live", rows, close=True).checks
    assert "active" in {one.column for one in done.check.violations}
    assert done.check.result.verdict is Verdict.BAD_DATA


def test_only_a_monitor_for_pushed_rows_takes_them(served: Registry, watch: Watch, files: Files) -> None:
    watch()
    given = {"model": "churn-gbm", "reference": files.folder / "train.csv"}
    served.monitor.add("file", **given, current="live/*.csv")
    served.monitor.retire("live", reason="too small")
    rows = make_rows(3)
    assert_refused(served, lambda: served.monitor.push("file", rows), "not-pushed", "live/*.csv", "push:")
    assert_refused(served, lambda: served.monitor.push("live", rows), "not-open", "retired")
    assert_refused(served, lambda: served.monitor.push("lives", rows), "unknown-name", "live")


def test_who_may_not_record_may_not_push(served: Registry, watch: Watch) -> None:
    watch()
    served.role.grant(ANA, "administrator", reason="started it")
    served.role.grant(CI, "contributor")
    served.role.grant(BO, "viewer")
    assert served.acting_as(CI).monitor.push("live", make_rows(3)).windows
    with pytest.raises(Refused, match="may not record"):
        served.acting_as(BO).monitor.push("live", make_rows(3))
    assert total(served) == 3


def test_a_push_stands_alone(served: Registry, watch: Watch) -> None:
    watch()
    with pytest.raises(InputError, match="within a transaction"), served.transaction() as together:
        together.monitor.push("live", make_rows(3))
    assert kept(served) == []


def test_a_check_that_fails_leaves_the_rows_and_is_made_by_the_next_push(
    served: Registry, watch: Watch
) -> None:
    watch(window="100 rows")
    served.monitor.push("live", make_rows(90))
    evidence = served.configuration.folder / ".crisplens" / "evidence"
    gone = evidence.rename(evidence.with_name("away"))
    evidence.write_text("no folder")
    failing = served.monitor.push("live", make_rows(20))
    assert "could not be checked" in failing.failure
    assert (failing.checks, total(served)) == ((), 110)
    evidence.unlink()
    gone.rename(evidence)
    assert [one.check.window.rows for one in served.monitor.push("live", make_rows(1)).checks] == [100]


def test_windows_before_excuse_a_pushed_window_as_they_do_one_of_a_file(
    served: Registry, watch: Watch
) -> None:
    watch(window="200 rows", reference_also="rolling 1", persistence="1/1")
    far = [make_rows(200, seed=seed, shift=6) for seed in (1, 2)]
    (first,) = served.monitor.push("live", far[0]).checks
    assert first.check.decision.alarm
    assert first.trigger is not None
    served.trigger.dismiss(first.trigger.id, reason="a new tariff, as planned")
    (second,) = served.monitor.push("live", far[1]).checks
    assert second.check.result.verdict is Verdict.DRIFT
    assert not second.check.decision.alarm
    assert second.check.decision.moving is not None


def test_only_the_windows_that_were_closed_last_are_remembered(served: Registry, watch: Watch) -> None:
    watch(window="10 rows")
    served.monitor.push("live", make_rows(125))
    assert len(served.monitor.history("live")) == 12
    sizes = [size for _, _, size in kept(served)]
    assert (sizes.count(0), len(sizes)) == (10, 11)


def test_a_registry_whose_working_tables_are_new_goes_on_after_its_checks(
    served: Registry, watch: Watch
) -> None:
    watch(window="50 rows")
    served.monitor.push("live", make_rows(60))
    with served.writing() as work:
        work.session.execute(OPEN_WINDOWS.delete())
    served.monitor.push("live", make_rows(5))
    assert [key for key, _, _ in kept(served)] == ["rows-000000000000050-000000000000100"]


def test_profiles_of_open_windows_are_small(served: Registry, watch: Watch) -> None:
    watch()
    for seed in range(20):
        served.monitor.push("live", make_rows(100, seed=seed))
    ((_, rows, size),) = kept(served)
    assert rows == 2000
    assert size < 4 * 4000
