"""Commands as real processes, and files that several processes add to."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crisplens.monitors.notifications.locks import lock_within
from crisplens.monitors.notifications.model import (
    Channel,
    CommandSettings,
    FileSettings,
    LineFormat,
    SendError,
)
from crisplens.monitors.notifications.rendering import json_body, text_line
from crisplens.monitors.notifications.sending import send
from tests.monitors.notifications.conftest import a_notice, until

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)


def tell(code: str, *arguments: str, environment: dict[str, str] | None = None, **settings: Any) -> None:
    """Send a notice to a Python program."""
    command = (sys.executable, "-c", code, *arguments)
    channel = Channel(name="page", settings=CommandSettings(command=command, **settings))
    send(channel, a_notice(), NOW, environment=os.environ if environment is None else environment)


def test_a_command_gets_the_notice_as_json_on_its_standard_input(tmp_path: Path) -> None:
    tell("import sys; open(sys.argv[1], 'w').write(sys.stdin.read())", str(tmp_path / "got"))
    assert (tmp_path / "got").read_bytes() == json_body(a_notice()) + b"\n"


def test_arguments_are_not_read_by_a_shell(tmp_path: Path) -> None:
    nasty = f"; touch {tmp_path / 'pwned'} $(touch {tmp_path / 'pwned'})"
    tell("import sys; sys.exit(sys.argv[1].startswith(';') is False)", nasty)
    assert not (tmp_path / "pwned").exists()


def test_a_command_sees_only_the_variables_that_are_named(tmp_path: Path) -> None:
    given = {**os.environ, "PAGER_TOKEN": "t", "OTHER_SECRET": "s"}
    code = "import json, os, sys; json.dump(dict(os.environ), open(sys.argv[1], 'w'))"
    channel = Channel(
        name="page",
        settings=CommandSettings(
            command=(sys.executable, "-c", code, str(tmp_path / "seen")),
            environment=("PAGER_TOKEN", "ABSENT"),
        ),
    )
    send(channel, a_notice(), NOW, environment=given)
    seen = json.loads((tmp_path / "seen").read_text())
    assert seen["PAGER_TOKEN"] == "t"
    assert seen["PATH"] == os.environ["PATH"]
    assert not {"OTHER_SECRET", "ABSENT"} & seen.keys()


def test_a_command_that_does_not_read_its_input_may_succeed() -> None:
    tell("pass")


def test_an_exit_code_is_told_with_the_last_words() -> None:
    with pytest.raises(SendError, match=r"ended with exit code 3: first pager is down$"):
        tell("import sys; print('first', flush=True); print('pager is\\ndown', file=sys.stderr); sys.exit(3)")


def test_a_signal_is_told() -> None:
    with pytest.raises(SendError, match="was ended by signal 9"):
        tell("import os; os.kill(os.getpid(), 9)")


def test_of_huge_output_the_end_is_told() -> None:
    code = "import sys\nfor _ in range(50): sys.stdout.write('x' * 1_000_000)\nprint('the end'); sys.exit(1)"
    with pytest.raises(SendError, match=r"exit code 1: …x+the end$") as raised:
        tell(code)
    assert len(str(raised.value)) < 400


def test_a_command_that_hangs_is_killed_with_its_children(tmp_path: Path) -> None:
    file = tmp_path / "child"
    code = (
        "import subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(file)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(60)"
    )
    started = time.monotonic()
    with pytest.raises(SendError, match="did not end within 1 seconds and was killed") as raised:
        tell(code, timeout=1)
    # Many notices that wait for it do not take that long each.
    assert raised.value.unreachable
    assert time.monotonic() - started < 5
    child = int(file.read_text())
    until(lambda: not is_running(child))


def is_running(process: int) -> bool:
    """Whether a process is there and not a zombie."""
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False
    ).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_a_command_that_leaves_a_child_behind_is_not_waited_for() -> None:
    code = "import subprocess, sys; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(3)'])"
    started = time.monotonic()
    tell(code)
    assert time.monotonic() - started < 2.5


@pytest.mark.parametrize("command", ["/nowhere/page", "/", "no-such-program-here"])
def test_a_command_that_cannot_be_started_is_told(command: str) -> None:
    with pytest.raises(SendError, match="cannot be started: "):
        send(Channel(name="page", settings=CommandSettings(command=(command,))), a_notice(), NOW)


def to_file(path: Path, format: LineFormat = LineFormat.JSON) -> Channel:
    """A channel to a file."""
    return Channel(name="log", settings=FileSettings(path=str(path), format=format))


def test_a_file_gets_one_json_line_per_notice(tmp_path: Path) -> None:
    for summary in ("One.", "Two\nlines."):
        send(to_file(tmp_path / "log"), a_notice(summary=summary), NOW)
    lines = (tmp_path / "log").read_text().splitlines()
    assert [json.loads(line)["data"]["summary"] for line in lines] == ["One.", "Two lines."]


def test_a_file_can_have_lines_for_people(tmp_path: Path) -> None:
    send(to_file(tmp_path / "log", LineFormat.TEXT), a_notice(), NOW)
    assert (tmp_path / "log").read_text() == text_line(a_notice()) + "\n"


def test_a_torn_line_is_left_alone_and_the_next_starts_on_its_own(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"torn": ')
    send(to_file(tmp_path / "log"), a_notice(), NOW)
    torn, whole = (tmp_path / "log").read_bytes().splitlines()
    assert (torn, whole) == (b'{"torn": ', json_body(a_notice()))


def test_lines_of_several_processes_do_not_mix(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom datetime import UTC, datetime\n"
        "from crisplens.monitors.notifications.sending import append_to_file\n"
        "from crisplens.monitors.notifications.model import FileSettings\n"
        "from tests.monitors.notifications.conftest import a_notice\n"
        "for i in range(20): append_to_file(FileSettings(path=sys.argv[1]), a_notice(summary='x' * 1900))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "log")], cwd=Path.cwd())
        for _ in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    lines = (tmp_path / "log").read_bytes().splitlines()
    assert lines == [json_body(a_notice(summary="x" * 1900))] * 60


def test_a_file_that_another_process_keeps_locked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crisplens.monitors.notifications.sending.LOCK_SECONDS", 0.1)
    with (tmp_path / "log").open("w") as other:
        assert lock_within(other.fileno(), 0)
        with pytest.raises(SendError, match="was locked by another process"):
            send(to_file(tmp_path / "log"), a_notice(), NOW)
    send(to_file(tmp_path / "log"), a_notice(), NOW)


def test_a_place_that_is_no_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(SendError, match="cannot be written: Is a directory"):
        send(to_file(tmp_path), a_notice(), NOW)
    with pytest.raises(SendError, match="cannot be written: No such file or directory"):
        send(to_file(tmp_path / "gone" / "log"), a_notice(), NOW)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SendError, match="is not a regular file"):
        send(to_file(tmp_path / "pipe"), a_notice(), NOW)


def test_a_full_disk_is_told(tmp_path: Path) -> None:
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "log").write_bytes(b"x" * 990 + b"\n")
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, most))
    try:
        with pytest.raises(SendError, match="took a part of the line only"):
            send(to_file(tmp_path / "log"), a_notice(), NOW)
        with pytest.raises(SendError, match="cannot be written: File too large"):
            send(to_file(tmp_path / "log"), a_notice(), NOW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        signal.signal(signal.SIGXFSZ, before)
    send(to_file(tmp_path / "log"), a_notice(), NOW)
    assert (tmp_path / "log").read_bytes().splitlines()[-1] == json_body(a_notice())
