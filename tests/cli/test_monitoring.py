"""The commands on monitors, incidents and triggers beyond the first run: what they print, and what is refused."""

from __future__ import annotations

import json
import re
import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Run

pytestmark = [pytest.mark.end_to_end, pytest.mark.usefixtures("story")]

DAILY = "monitor add daily --model churn-gbm --reference train.csv --current live/week.csv"
CONSTRAINTS = (
    "columns: [{column: age, family: number, maximum: 60}]\nextra-columns: true\nvolume: {least: 10}\n"
)


def tell(run: Run, *lines: str, code: int = 0) -> str:
    """Run commands, which must succeed (the last one with `code`); what the last one printed."""
    for line in lines:
        done = run(*shlex.split(line))
        assert done.code == (code if line is lines[-1] else 0), f"{line}\n{done.out}{done.err}"
    return done.out


def read(run: Run, line: str) -> Any:
    """What a command says with --json."""
    return json.loads(tell(run, f"{line} --json"))


def refuse(run: Run, line: str, *words: str, code: int = 2) -> None:
    """Run a command that must be refused with these words, and change nothing."""
    before = run("audit", "head", "--json").out
    done = run(*shlex.split(line))
    assert done.code == code, f"{line}\n{done.out}{done.err}"
    assert all(word in done.err for word in words), done.err
    assert run("audit", "head", "--json").out == before


def test_a_check_shows_effects_beside_scores(run: Run) -> None:
    shown = tell(run, "monitor run nightly")
    assert "Effect w" in shown
    (age, *_) = read(run, "monitor run nightly")["check"]["result"]["columns"]
    assert (age["verdict"], age["beyond"], age["p_value"] < 0.05, age["effect"] > 0.1) == (
        "drift",
        True,
        True,
        True,
    )


def test_a_key_among_the_columns_is_told(run: Run) -> None:
    Path("keyed.csv").write_text("id,age\n" + "".join(f"{i},{i % 50}\n" for i in range(200)))
    add = "monitor add {} --model churn-gbm --reference keyed.csv --current keyed.csv"
    told = tell(run, add.format("keyed"))
    assert "id is another number in every row" in told
    assert "crisplens monitor change keyed --weight id=0" in told
    assert "another number" not in tell(run, add.format("ages") + " --column age")
    assert "another number" not in tell(run, add.format("unweighed") + " --weight id=0")


def test_a_monitor_is_changed_muted_and_retired(run: Run) -> None:
    told = tell(
        run, "monitor change nightly --tolerance 1.9 --owner bo@example.org --reason 'shifts are borne'"
    )
    assert told == "Monitor nightly is changed: shifts are borne\n"
    assert read(run, "monitor run nightly")["check"]["result"]["verdict"] == "no-drift"
    muted = tell(
        run,
        "monitor change nightly --tolerance 0.1 --reason 'back again'",
        "monitor mute nightly --until 2099-01-01 --reason 'a migration'",
    )
    assert muted.startswith("mute-1: nightly is muted from ")
    assert "until 2099-01-01 00:00 UTC" in muted
    checked = read(run, "monitor run nightly")["check"]
    assert (checked["result"]["verdict"], checked["decision"]["alarm"]) == ("drift", False)
    assert "No alarm. The monitor is muted: mute-1" in tell(run, "monitor run nightly")
    assert "a migration" in tell(run, "monitor mutes")
    tell(run, "monitor unmute mute-1 --reason done", "monitor retire nightly --reason 'daily sees more'")
    refuse(run, "monitor run nightly", "was retired", "daily sees more")
    refuse(run, "monitor unmute mute-1 --reason again", "mute-1 ended")
    assert run("audit", "verify").code == 0


def test_due_windows_are_checked_and_told_line_by_line(run: Run) -> None:
    first = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=3)
    rows = [f"{(first + timedelta(minutes=30 * at)).isoformat()},{40 + at % 7}" for at in range(144)]
    Path("live/week.csv").write_text("\n".join(["at,age", *rows, ""]), encoding="utf-8")
    added = tell(run, f"{DAILY} --column age --window day --time-column at --schedule @daily")
    assert added.endswith("Next: crisplens monitor run --due\n")
    assert tell(run, "monitor run --due") == "Nothing is due.\n"
    told = tell(run, "monitor run daily --due --most 2").splitlines()
    assert told[0].startswith(f"check-2 of daily {first:%Y-%m-%d} in live/week.csv: ")
    assert told[-1] == "daily: 1 window more to check; run again."
    (due,) = read(run, "monitor run daily --due")["runs"]
    assert (len(due["checks"]), due["waiting"], due["failure"]) == (1, 0, "")
    refuse(run, "monitor run daily", "no window of daily is complete and not yet checked")
    Path("live/week.csv").unlink()
    assert "live/week.csv" in tell(run, "monitor run daily --due", code=2)
    shown = read(run, "monitor list")[0]
    assert (shown["windows"]["length"], shown["schedule"]["cron"]) == ("day", "0 0 * * *")
    assert (shown["settings"]["needed"], shown["settings"]["of"]) == (2, 3)


def timed(run: Run, *, days: int, zone: str = "") -> list[str]:
    """A monitor `daily` of windows of a day, all checked; the days of its windows, as dates."""
    first = datetime(2031, 3, 1, tzinfo=UTC)
    rows = [f"{(first + timedelta(minutes=30 * at)).isoformat()},{40 + at % 7}" for at in range(48 * days)]
    Path("live/week.csv").write_text("\n".join(["at,age", *rows, ""]), encoding="utf-8")
    tell(run, f"{DAILY} --column age --window day --time-column at {zone}")
    return [f"{first + timedelta(days=at):%Y-%m-%d}" for at in range(days)]


def test_windows_of_time_are_called_by_their_days(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crisplens.core.clock.now", lambda: datetime(2031, 3, 4, tzinfo=UTC))
    days = timed(run, days=3)
    assert f"48 rows of {days[0]} in live/week.csv against" in tell(run, "monitor run daily")
    tell(run, "monitor run daily --due --json")
    for line in ("monitor history", "monitor history daily", "monitor backtest daily"):
        told = tell(run, line).splitlines()
        assert [day for day in days if not any(f" {day} " in row for row in told)] == [], told
    windows = [one["window"] for one in read(run, "monitor history daily")]
    assert [one["start"] for one in windows] == [f"{day}T00:00:00.000000Z" for day in days]
    assert "/" in read(run, "monitor backtest daily")["windows"][0]["window"]


def test_local_days_are_called_by_the_date_there(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crisplens.core.clock.now", lambda: datetime(2031, 3, 4, tzinfo=UTC))
    timed(run, days=3, zone="--zone Asia/Tokyo")
    told = tell(run, "monitor run daily --due --most 2").splitlines()
    assert told[0].startswith("check-2 of daily 2031-03-01 in live/week.csv: ")
    assert " 2031-03-02 " in tell(run, "monitor history daily")
    assert " 2031-03-02 " in tell(run, "monitor backtest daily")


def test_other_windows_are_called_by_file_and_rows(run: Run) -> None:
    Path("live/tuesday.csv").write_bytes(Path("train2.csv").read_bytes())
    tell(
        run,
        "monitor add files --model churn-gbm --reference train.csv --current 'live/*.csv' --window file",
        "monitor add rows --model churn-gbm --reference train.csv --current live/monday.csv --window '100 rows'",
        "monitor run files",
        "monitor run rows",
    )
    assert " monday.csv " in tell(run, "monitor history files")
    assert " rows-000000000000000-000000000000100 " in tell(run, "monitor history rows")


def settings_of(run: Run, line: str) -> dict[str, str]:
    """The lines of `monitor show`, by what they are about."""
    head, *lines = tell(run, line).splitlines()
    assert head == f"Monitor {line.split()[2]}"
    return dict(re.split(" {2,}", one.strip(), maxsplit=1) for one in lines)


def test_a_monitors_settings_are_read_back(run: Run) -> None:
    Path("live/week.csv").write_text("at,age,plan\n2031-03-01,40,a\n", encoding="utf-8")
    line = (
        f"{DAILY} --column age --column plan --segment plan --method age=psi --threshold age=0.2 --weight plan=2 "
        "--window day --time-column at --zone Europe/Berlin --lateness 2h --schedule '0 6 * * *' "
        "--cool-down 1 --owner bo@example.org --escalate-to cy@example.org --constraints suggest "
        "--reference-also 'rolling 14'"
    )
    tell(run, line, "monitor change daily --tolerance 0.3 --reason 'shifts are borne'")
    shown = settings_of(run, "monitor show daily")
    assert shown.pop("Constraints").startswith("sha256:")
    assert shown.pop("Added").endswith("by ana@example.org")
    assert shown == {
        "Watches": "churn-gbm",
        "Reference": "train.csv, 300 rows",
        "Current": "live/week.csv",
        "Engine": "duckdb",
        "Columns": "age, plan",
        "Segments": "plan",
        "Methods": "age psi",
        "Thresholds": "age 0.2",
        "Weights": "plan 2",
        "Minimum rows": "30",
        "Tolerance": "0.3 (Cohen's w)",
        "Level": "0.05",
        "Persistence": "2 of 3 windows",
        "Reference also": "rolling 14",
        "Windows": "day, Europe/Berlin, complete 2h after the end",
        "Time column": "at",
        "Schedule": "0 6 * * * (Europe/Berlin)",
        "Trigger": "automatic: an alarm raises a retraining trigger",
        "Cool-down": "1 hour",
        "Owner": "bo@example.org",
        "Handed up": "to cy@example.org after 24 hours",
        "Last change": "shifts are borne",
    }
    assert read(run, "monitor show daily")["settings"]["tolerance"] == 0.3
    refuse(run, "monitor show dayly", "dayly", "daily")


def test_settings_are_shown_as_they_were(run: Run) -> None:
    before = read(run, "audit head")["size"] - 1
    tell(
        run,
        "monitor change nightly --tolerance 0.3 --reason later",
        "monitor retire nightly --reason 'a better one'",
    )
    assert settings_of(run, "monitor show nightly")["Retired"].endswith("by ana@example.org: a better one")
    then = settings_of(run, f"monitor show nightly --as-of {before}")
    assert (then["Tolerance"], "Retired" in then, "Last change" in then) == ("0.1 (Cohen's w)", False, False)


def test_the_list_says_what_was_found_last_and_what_is_muted(run: Run) -> None:
    def listed(line: str = "monitor list") -> dict[str, list[str]]:
        rows = [re.split(" {2,}", one.strip()) for one in tell(run, line).splitlines()[2:]]
        return {name: rest for name, *rest in rows}

    Path("live/week.csv").write_bytes(Path("train.csv").read_bytes())
    tell(run, DAILY)
    assert [listed()[name][4] for name in ("daily", "nightly")] == ["not checked yet", "drift"]
    tell(run, "monitor mute nightly --until 2099-01-01 --reason 'a migration'")
    muted = read(run, "audit head")["size"] - 1
    assert [listed()[name][5] for name in ("daily", "nightly")] == ["ana@example.org", "yes"]
    tell(run, "monitor unmute mute-1 --reason done", "monitor retire nightly --reason 'daily sees more'")
    assert listed()["nightly"][4:] == ["retired", "ana@example.org"]
    assert listed(f"monitor list --as-of {muted}")["nightly"][4:6] == ["drift", "yes"]


def test_constraints_make_a_window_bad_data(run: Run) -> None:
    Path("constraints.yaml").write_text(CONSTRAINTS.replace("10", "100000"), encoding="utf-8")
    Path("live/week.csv").write_bytes(Path("train.csv").read_bytes())
    told = tell(run, f"{DAILY} --constraints constraints.yaml", "monitor run daily", code=2)
    assert "check-2 of daily: bad-data." in told
    assert "It breaks a constraint: " in told
    assert "Its data is the very data of the reference." in told
    Path("constraints.yaml").write_text("columns: [{colum: age}]\n", encoding="utf-8")
    line = DAILY.replace("add daily", "add other")
    refuse(run, f"{line} --constraints constraints.yaml", "constraints.yaml, line 1, column", "colum")
    tell(run, f"{line} --constraints suggest", "monitor run other --json")


def test_an_incident_is_assigned_handed_up_linked_and_shown(run: Run) -> None:
    shown = tell(
        run,
        "incident assign incident-1 --to bo@example.org",
        "incident escalate incident-1 --to cy@example.org --reason 'nobody answers'",
        "incident link incident-1 https://tickets.example.org/7 --note 'the campaign'",
        "incident acknowledge incident-1",
        "incident show incident-1",
    )
    for words in (
        "Owner        bo@example.org",
        "to cy@example.org on ",
        "nobody answers",
        "https://tickets.example.org/7: the campaign",
        "0 minutes after",
    ):
        assert words in shown
    refuse(run, "incident link incident-1 trigger-9", "trigger", "trigger-9", "trigger-1")
    refuse(run, "incident escalate incident-9 --to bo --reason x", "incident-9", "incident-1")
    refuse(run, "trigger raise --incident incident-1", "trigger-1", code=1)
    tell(run, "trigger dismiss trigger-1 --reason 'a test load'")
    refuse(run, "trigger raise --incident incident-1", "incident-1 was resolved")


def test_a_monitor_that_asks_raises_no_trigger_until_someone_does(run: Run) -> None:
    tell(
        run,
        "trigger dismiss trigger-1 --reason known",
        "monitor change nightly --trigger ask --reason 'people decide'",
        "monitor run nightly",
    )
    assert [one["id"] for one in read(run, "trigger list")] == ["trigger-1"]
    assert (
        tell(run, "trigger raise --incident incident-2") == "trigger-2 asks for churn-gbm to be retrained.\n"
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("monitor run", ["Name a monitor"]),
        ("monitor run nightly --due --current train.csv", ["--due"]),
        ("monitor change nightly --tolerance 0.1 --reason x", ["nightly is so already"]),
        ("monitor change nightly --persistence 3/2 --reason x", ["3/2"]),
        ("monitor change nightly --schedule 'every 5s' --reason x", ["5s"]),
        ("monitor change nightly --weight agee=2 --reason x", ["agee", "age"]),
        ("monitor change nightly --weight age=1e308 --reason x", ["a weight is above 1,000"]),
        ("monitor tune nightly --effect nan", ["effect"]),
        ("monitor tune nightly --effect 99", ["the effect 99"]),
        ("monitor tune nightly --windows 99999999999999999999", ["99999999999999999999"]),
        ("monitor push nightly live/week.csv --batch ''", ["--batch is empty"]),
        ("monitor mute nightly --until 2020-01-01 --reason x", ["would be over"]),
        ("monitor mute nightly --until soon --reason x", ["soon"]),
        ("monitor unmute mute-1 --reason x", ["mute-1"]),
        ("monitor retire nigthly --reason x", ["nightly"]),
        (f"{DAILY} --window day", ["time column"]),
        (f"{DAILY} --window fortnight", ["fortnight"]),
        (f"{DAILY} --schedule '61 * * * *'", ["minute"]),
        (f"{DAILY} --trigger allways", ["allways"]),
        (f"{DAILY} --constraints nowhere.yaml", ["nowhere.yaml"]),
    ],
)
def test_bad_input_is_refused_and_changes_nothing(run: Run, line: str, words: list[str]) -> None:
    refuse(run, line, *words)


def test_channels_are_listed_tried_and_told(run: Run) -> None:
    assert tell(run, "notification channels").startswith("There is no channel")
    assert tell(run, "notification deliver") == "Nothing is to be told.\n"
    file = Path("crisplens.toml")
    table = '\n[notifications.log]\nkind = "file"\npath = "told.txt"\nformat = "text"\n'
    file.write_text(file.read_text("utf-8") + table, encoding="utf-8")
    assert "log" in tell(run, "notification channels")
    assert tell(run, "notification test log") == "log took it.\n"
    assert tell(run, "notification deliver") == "2 notices delivered.\n"
    assert "incident-1" in Path("told.txt").read_text("utf-8")
    assert tell(run, "notification list --dead") == "Nothing has been told.\n"
    assert [one["state"] for one in read(run, "notification list")] == ["delivered", "delivered"]
    refuse(run, "notification test lgo", "lgo", "log")
    refuse(run, "notification retry dlv-9", "dlv-9")
    file.write_text(file.read_text("utf-8").replace('"file"', '"fiel"'), encoding="utf-8")
    refuse(run, "notification channels", "notifications.log", "fiel", "file")


def scores(name: str, *, noise: float = 0.0) -> None:
    """A CSV of a classifier's scores with what came true; `noise` of them say nothing."""
    rows = ["region,score,churned"]
    for row in range(600):
        share = (row * 37 % 101 + 0.5) / 101
        score = (row * 53 % 89 + 0.5) / 89 if row % 10 < noise * 10 else share
        rows.append(f"{'ns'[row // 7 % 2]},{score:.4f},{int((row * 61 % 97 + 0.5) / 97 < share)}")
    Path(name).write_text("\n".join([*rows, ""]), encoding="utf-8")


def test_performance_is_told_by_metric(run: Run) -> None:
    scores("scored.csv")
    scores("worse.csv", noise=1)
    add = "monitor add-performance quality --model churn-gbm --reference scored.csv --current scored.csv"
    told = tell(run, f"{add} --label churned --score score --segment region")
    assert told.startswith(
        "Monitor quality judges roc_auc and roc_auc by region of churn-gbm against 600 labelled rows."
    )
    shown = tell(run, "monitor run quality")
    assert "Limit" in shown
    assert "roc_auc where region = n" in shown
    worse = tell(run, "monitor run quality --current worse.csv --fail-on drift", code=1)
    assert "degraded. roc_auc is 0.5" in worse
    assert "incident-2 is open" in worse
    tell(run, "report audit --output report.html")
    report = Path("report.html").read_text("utf-8")
    assert "Metrics in check-3, the latest check" in report
    assert "what is degraded in the latest check stands first" in report
    assert "roc_auc is compared between groups by region" in report
    refuse(run, f"{add} --score score", "--label")
    refuse(run, f"{add} --label churned --score score --threshold auc=1", "auc")
    refuse(run, f"{add} --label churned --score score --threshold roc_auc", "METRIC=NUMBER")
    refuse(run, "monitor tune quality", "watches performance")


def test_variants_and_kpis_are_watched(run: Run) -> None:
    rows = [f"{'AB'[row % 2]},{row * 61 % 97}" for row in range(400)]
    Path("rows.csv").write_text("\n".join(["variant,spent", *rows, ""]), encoding="utf-8")
    add = "monitor add-variants tried --model churn-gbm --current rows.csv --variant variant --outcome spent"
    assert "B with A by spent" in tell(run, f"{add} --champion A --challenger B")
    assert "The mean of B less that of A is between" in tell(run, "monitor run tried")
    refuse(run, f"{add} --champion A --challenger A", "with itself")
    refuse(run, "monitor add-kpi money --model churn-gbm --kpi nothing", "KPI")
    tell(run, "kpi set margin --target 10", "monitor add-kpi money --model churn-gbm --kpi margin")
    tell(run, "kpi observe margin 9 --start 2026-01-01 --end 2026-01-31")
    assert "misses its target 10" in tell(run, "monitor run money --due")
    refuse(run, "monitor run money", "no window of money")


def test_schedules_are_listed_and_handed_to_other_schedulers(run: Run) -> None:
    assert tell(run, "schedule list").startswith("No monitor has a schedule")
    refuse(run, "schedule export nightly --to cron", "nightly has no schedule")
    tell(
        run, "monitor change nightly --schedule '0 6 * * 1-5' --zone Europe/Berlin --reason 'on working days'"
    )
    (plan,) = read(run, "schedule list")
    assert (plan["monitor"], plan["schedule"], plan["due"], plan["next"] is not None) == (
        "nightly",
        "0 6 * * 1-5",
        None,
        True,
    )
    crontab = tell(run, "schedule export nightly --to cron")
    assert "CRON_TZ=Europe/Berlin" in crontab
    assert "0 6 * * 1-5" in crontab
    assert "crisplens monitor run nightly --due --project churn" in crontab
    for target in ("systemd", "kubernetes", "airflow", "github"):
        image = " --image registry.example.org/crisplens:1" if target == "kubernetes" else ""
        assert "nightly" in tell(run, f"schedule export nightly --to {target}{image}")
    Path("out").mkdir()
    told = tell(run, "schedule export nightly --to systemd --output out").splitlines()
    assert len(told) == len(list(Path("out").iterdir())) == 2
    refuse(run, "schedule export nightly --to anacron", "anacron", "systemd")
    refuse(run, "schedule export nigthly --to cron", "nightly")
    tell(run, "monitor change nightly --zone Asia/Tokyo --reason moved")
    assert "CRON_TZ=Asia/Tokyo" in tell(run, "schedule export nightly --to cron")
    refuse(run, "monitor change nightly --schedule '' --reason x", "--schedule is empty")
    tell(run, "monitor change nightly --schedule never --reason 'by hand from now on'")
    assert tell(run, "schedule list").startswith("No monitor has a schedule")


def test_other_settings_are_tried_on_past_windows(run: Run) -> None:
    drifted = Path("live/monday.csv").read_text("utf-8").splitlines()
    windows = {
        "quiet": Path("train.csv").read_text("utf-8").splitlines(),
        "first": drifted,
        "second": drifted[:-9],
    }
    for name, lines in windows.items():
        Path(f"{name}.csv").write_text("\n".join([*lines, ""]), encoding="utf-8")
        tell(run, f"monitor run nightly --current {name}.csv")
    found = read(run, "monitor backtest nightly --persistence 2/3")
    # Equal content is one window.
    assert len({one["window"] for one in found["windows"]}) == len(found["windows"])
    assert [one["alarming"] != [] for one in found["windows"]][-3:] == [False, False, True]
    assert found["alarms"] == 1
    assert read(run, "monitor backtest nightly --tolerance 1.9")["alarms"] == 0
    assert "1 alarm would have begun in " in tell(run, "monitor backtest nightly --persistence 2/3")
    tuned = tell(run, "monitor tune nightly --alarms 1 --windows 10")
    assert "Tolerance" in tuned
    assert "Proposed: crisplens monitor change nightly" in tuned or "No setting keeps to that rate" in tuned
    refuse(run, "monitor backtest nightly --persistence 3/2", "3/2")
    refuse(run, "monitor tune nightly --alarms -1", "-1")


def test_constraints_come_from_data_and_go_to_model_monitor_and_back(run: Run) -> None:
    suggested = tell(run, "constraint suggest train.csv --column age")
    assert "column: age" in suggested
    Path("c.yaml").write_text(suggested, encoding="utf-8")
    exported = run("constraint", "export", "c.yaml")
    assert exported.code == 0
    assert json.loads(exported.out)["features"][0]["name"] == "age"
    assert "range" in exported.err or "minimum" in exported.err
    Path("constraints.json").write_text(exported.out, encoding="utf-8")
    assert "column: age" in tell(run, "constraint import constraints.json")
    Path("constraints.json").write_text('{"features": [{"name": 3}]}', encoding="utf-8")
    refuse(run, "constraint import constraints.json", "features[0].name")
    refuse(run, "constraint import nowhere.json", "nowhere.json")
    refuse(run, "constraint suggest nowhere.csv", "nowhere.csv")
    refuse(run, "constraint export train.csv", "train.csv")


def test_checks_are_shown_though_nobody_could_be_told_of_them(run: Run) -> None:
    Path("live/week.csv").write_text(Path("train.csv").read_text())
    tell(run, f"{DAILY} --window file")
    with Path("crisplens.toml").open("a", encoding="utf-8") as file:
        file.write('\n[notifications.ops]\nkind = "pigeon"\n')
    done = run("monitor", "run", "daily", "--due")
    assert (done.code, "check-2 of daily" in done.out, "pigeon" in done.err) == (3, True, True), done
    assert "Nothing was changed" not in done.err
