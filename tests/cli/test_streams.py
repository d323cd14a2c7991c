"""Pipes, terminals and interruptions."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.end_to_end, pytest.mark.usefixtures("story")]

CRISPLENS = (sys.executable, "-m", "crisplens")
posix = pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals and pipes")


def start(*args: str, **variables: str) -> subprocess.Popen[str]:
    """Start the command line with its output in pipes."""
    pipe = subprocess.PIPE
    environment = {**os.environ, **variables}
    return subprocess.Popen([*CRISPLENS, *args], stdout=pipe, stderr=pipe, text=True, env=environment)


@posix
def test_interrupting_a_followed_log_ends_it(run) -> None:
    with start("audit", "log", "--follow", "--last", "1", "--json") as following:
        assert following.stdout is not None
        last = json.loads(following.stdout.readline())["seq"]
        assert run("kpi", "set", "k", "--target", "1").code == 0
        assert json.loads(following.stdout.readline())["seq"] == last + 1
        following.send_signal(signal.SIGINT)
        out, err = following.communicate(timeout=20)
    assert (following.returncode, out, err) == (0, "", "")


@posix
@pytest.mark.usefixtures("unchanged")
@pytest.mark.parametrize(
    "args", [("audit", "log"), ("gate", "list"), ("audit", "verify", "--json"), ("--help",)]
)
def test_a_closed_pipe_is_no_failure(args: tuple[str, ...]) -> None:
    with start(*args) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        err = running.stderr.read()
    assert (running.returncode, err) == (0, "")


@posix
def test_a_closed_pipe_keeps_the_finding() -> None:
    with start("gate", "check", "deployment") as running:
        assert running.stdout is not None
        running.stdout.close()
    assert running.returncode == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("args", [("kpi", "list"), ("kpi", "list", "--json"), ("report", "audit")])
def test_a_full_disk_is_told(args: tuple[str, ...]) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run([*CRISPLENS, *args], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (done.returncode, "No space left" in done.stderr, "defect" in done.stderr) == (3, True, False)


@posix
def test_colours_are_for_terminals() -> None:
    import pty

    def on_terminal(**variables: str) -> str:
        leader, follower = pty.openpty()
        environment = {**os.environ, "TERM": "xterm", **variables}
        with subprocess.Popen(
            [*CRISPLENS, "audit", "verify"], stdout=follower, stderr=subprocess.DEVNULL, env=environment
        ) as running:
            os.close(follower)
            running.wait(timeout=60)
        printed = os.read(leader, 100_000).decode()
        os.close(leader)
        return printed

    assert "\x1b[" in on_terminal()
    assert "\x1b" not in on_terminal(NO_COLOR="1")


def test_nothing_is_coloured_in_a_pipe(process) -> None:
    for args in (("audit", "verify"), ("gate", "check", "evaluation"), ("data", "show", "nope@1")):
        ran = process(*args)
        assert "\x1b" not in ran.out + ran.err


@pytest.mark.parametrize("noun", ["gate", "trigger", "evidence", "monitor", "deployment"])
def test_narrow_terminals_do_not_cut_names(run, monkeypatch: pytest.MonkeyPatch, noun: str) -> None:
    wide = run(noun, "list")
    monkeypatch.setenv("COLUMNS", "60")
    narrow = run(noun, "list")
    assert narrow.out != wide.out
    assert (wide.code, narrow.code) == (0, 0)
    first = wide.out.splitlines()[2].split()[0]
    assert first in narrow.out.split()


def test_in_a_pipe_each_row_is_one_line(process) -> None:
    assert len(process("trigger", "list").out.splitlines()) == 3


def test_streams_that_take_ascii_only(process) -> None:
    ran = process("gate", "check", "evaluation", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (ran.code, ran.err) == (0, "")
    ran = process("kpi", "list", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (ran.code, ran.out.isascii()) == (0, True)


def test_recorded_text_drives_no_terminal(run) -> None:
    assert run("goal", "set", "--problem", "a\x1b[2J\u202eb", "--value", "v").code == 0
    ran = run("goal", "show")
    assert not re.search("[\x1b\u202e]", ran.out)
    assert json.loads(run("goal", "show", "--json").out)["problem"] == "a\x1b[2J\u202eb"
