"""Several processes on one spool folder, and processes that are killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crisplens.monitors.notifications.delivery import deliver_due, enqueue, list_deliveries
from crisplens.monitors.notifications.model import Channel, DeliveryState, FileSettings
from tests.monitors.notifications.conftest import a_notice, until

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)
DELIVER = """
import sys, time
from datetime import UTC, datetime
from crisplens.monitors.notifications.delivery import deliver_due
from crisplens.monitors.notifications.model import Channel, FileSettings
from crisplens.monitors.notifications.sending import send
def slowly(*given):
    send(*given)
    time.sleep(0.01)
channel = Channel(name="log", settings=FileSettings(path=sys.argv[2]))
print("ready", flush=True)
sys.stdin.readline()
deliver_due(__import__("pathlib").Path(sys.argv[1]), [channel], now=datetime(2026, 3, 1, 13, tzinfo=UTC), send=slowly)
"""


def log(folder: Path) -> Channel:
    """A channel to a file in the folder."""
    return Channel(name="log", settings=FileSettings(path=str(folder / "log")))


def fill(folder: Path, number: int) -> set[str]:
    """Enqueue notices, and their ids."""
    notices = [a_notice(subject=f"incident-{i}") for i in range(number)]
    for notice in notices:
        enqueue(folder / "spool", notice, [log(folder)])
    return {notice.id for notice in notices}


def start(folder: Path) -> subprocess.Popen[str]:
    """A process that is about to deliver, and does so when it gets a line."""
    arguments = [sys.executable, "-c", DELIVER, str(folder / "spool"), str(folder / "log")]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def let_go(process: subprocess.Popen[str]) -> None:
    """Let it deliver."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def arrived(folder: Path) -> Counter[str]:
    """How often each notice arrived."""
    file = folder / "log"
    lines = file.read_text().splitlines() if file.exists() else []
    return Counter(json.loads(line)["data"]["id"] for line in lines)


def test_processes_that_deliver_at_once_send_each_notice_once(tmp_path: Path) -> None:
    ids = fill(tmp_path, 25)
    processes = [start(tmp_path) for _ in range(3)]
    for process in processes:
        let_go(process)
    for process in processes:
        process.communicate(timeout=60)
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert arrived(tmp_path) == Counter(dict.fromkeys(ids, 1))
    assert {one.state for one in list_deliveries(tmp_path / "spool")} == {DeliveryState.DELIVERED}


@pytest.mark.parametrize("after", [0, 3, 7])
def test_a_killed_process_loses_nothing_and_repeats_one_at_most(tmp_path: Path, after: int) -> None:
    ids = fill(tmp_path, 25)
    process = start(tmp_path)
    let_go(process)
    until(lambda: sum(arrived(tmp_path).values()) >= after)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    before = list_deliveries(tmp_path / "spool")
    assert {one.notice_id for one in before} == ids
    assert any(one.state is DeliveryState.WAITING for one in before), "it was done before it was killed"
    done = deliver_due(tmp_path / "spool", [log(tmp_path)], now=NOW + timedelta(minutes=1))
    assert {one.state for one in done} == {DeliveryState.DELIVERED}
    got = arrived(tmp_path)
    assert got.keys() == ids
    assert sum(got.values()) <= len(ids) + 1


def test_a_process_killed_in_the_middle_of_sending_leaves_its_delivery_to_others(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from crisplens.monitors.notifications.delivery import deliver_due\n"
        "from crisplens.monitors.notifications.model import Channel, FileSettings\n"
        "def hang(*_):\n    print('sending', flush=True)\n    time.sleep(60)\n"
        "channel = Channel(name='log', settings=FileSettings(path='x'))\n"
        "deliver_due(Path(sys.argv[1]), [channel], now=datetime(2026, 3, 1, 13, tzinfo=UTC), send=hang)"
    )
    (id,) = fill(tmp_path, 1)
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "spool")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "sending\n"
    later = NOW + timedelta(minutes=1)
    assert deliver_due(tmp_path / "spool", [log(tmp_path)], now=later) == []
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=10)
    (done,) = deliver_due(tmp_path / "spool", [log(tmp_path)], now=later)
    assert (done.state, done.attempts) == (DeliveryState.DELIVERED, 2)
    assert arrived(tmp_path) == {id: 1}


def test_processes_that_enqueue_at_once_enqueue_once(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from crisplens.monitors.notifications.delivery import enqueue\n"
        "from crisplens.monitors.notifications.model import Channel, FileSettings\n"
        "from tests.monitors.notifications.conftest import a_notice\n"
        "channel = Channel(name='log', settings=FileSettings(path='x'))\n"
        "notices = [a_notice(subject=f'incident-{i}') for i in range(15)]\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(sum(len(enqueue(Path(sys.argv[1]), one, [channel])) for one in notices))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path / "spool")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        let_go(process)
    added = [int(process.communicate(timeout=60)[0]) for process in processes]
    assert sum(added) == 15
    assert len(list_deliveries(tmp_path / "spool")) == 15
