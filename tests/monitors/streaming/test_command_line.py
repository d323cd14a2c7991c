"""`crisplens monitor push` and `close` as they are typed."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest

from crisplens.api import init
from tests.cli.conftest import run_here
from tests.conftest import ANA
from tests.monitors.streaming.conftest import make_rows, to_csv


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with the monitor `live`, in windows of 100 rows."""
    folder = tmp_path_factory.mktemp("home")
    with init(folder).acting_as(ANA, project="churn") as registry:
        registry.project.add("churn", title="Churn")
        (folder / "weights").write_text("weights")
        (folder / "train.csv").write_text(to_csv(make_rows(2000, seed=7)))
        registry.model.register("churn-gbm", folder / "weights")
        given = {"model": "churn-gbm", "reference": folder / "train.csv", "current": "push:"}
        for name in ("live", "piped", "drifting", "named", "bad"):
            registry.monitor.add(name, **given, window="100 rows")
    return folder


@pytest.fixture(autouse=True)
def _there(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    monkeypatch.setenv("CRISPLENS_PROJECT", "churn")
    monkeypatch.setenv("CRISPLENS_ACTOR", ANA)


def test_a_file_is_pushed_once_and_the_window_that_it_fills_is_checked(home: Path) -> None:
    (home / "rows.csv").write_text(to_csv(make_rows(130)))
    first = run_here("monitor", "push", "live", "rows.csv", "--batch", "night-1")
    assert first.code == 0
    assert "130 rows pushed to live: rows-000000000000000-000000000000100 has 100 rows now" in first.out
    assert "check-1 of live rows-000000000000000-000000000000100 in 1 pushed batch: no-drift." in first.out
    again = run_here("monitor", "push", "live", "rows.csv", "--batch", "night-1")
    assert (again.code, again.out) == (0, "Batch night-1 was pushed to live before: nothing was changed.\n")
    closed = run_here("monitor", "close", "live", "--json")
    (check,) = json.loads(closed.out)["checks"]
    assert check["check"]["window"]["rows"] == 30
    nothing = run_here("monitor", "close", "live")
    assert nothing.code == 2
    assert "nothing-due" in nothing.err


def test_lines_of_json_come_from_standard_input(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (home / "rows.jsonl").open("w+b") as rows:
        rows.write("\n".join(map(json.dumps, make_rows(12))).encode())
        rows.seek(0)
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(rows))
        done = run_here("monitor", "push", "piped", "--json")
    assert (done.code, done.err) == (0, "")
    assert json.loads(done.out)["windows"] == [
        {"key": "rows-000000000000000-000000000000100", "added": 12, "rows": 12}
    ]


def test_drift_is_an_exit_code_only_where_it_is_asked_for(home: Path) -> None:
    (home / "far.jsonl").write_text("\n".join(map(json.dumps, make_rows(100, shift=40))))
    push = ("monitor", "push", "drifting", "far.jsonl")
    assert run_here(*push).code == 0
    assert run_here(*push, "--fail-on", "drift").code == 1
    assert run_here(*push[:3], "far.jsonl", "--close").code == 0


def test_a_format_is_taken_from_the_name_or_the_option(home: Path) -> None:
    (home / "rows.data").write_text(to_csv(make_rows(10)))
    refused = run_here("monitor", "push", "named", "rows.data")
    assert refused.code == 2
    assert "unknown-format" in refused.err
    assert "--format" in refused.err
    assert run_here("monitor", "push", "named", "rows.data", "--format", "csv").code == 0


def test_rows_that_lack_a_column_are_refused_and_nothing_is_changed(home: Path) -> None:
    (home / "renamed.csv").write_text(to_csv(make_rows(10)).replace("tenure", "tenur"))
    done = run_here("monitor", "push", "bad", "renamed.csv")
    assert (done.code, done.out) == (2, "")
    assert "the batch lacks the column tenure" in done.err
    assert "The nearest there is tenur." in done.err
    assert "Nothing was changed." in done.err
    assert "no window of bad is open" in run_here("monitor", "close", "bad").err
