"""The server as a process: it says where it listens, answers, and stops when it is asked to."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest

from crisplens.api import Registry
from tests.conftest import ANA, CI
from tests.monitors.streaming.conftest import make_rows
from tests.server.conftest import NDJSON, ROWS

pytestmark = pytest.mark.end_to_end


def crisplens(folder: Path, *args: str, **variables: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "crisplens", *args, "--directory", str(folder)],
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def running(folder: Path, *args: str, **variables: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server, and its address."""
    process = crisplens(folder, "server", "run", "--port", "0", "--actor", ANA, *args, **variables)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said.startswith("Listening on http://127.0.0.1:"), process.communicate(timeout=10)
        yield process, said.removeprefix("Listening on ").strip()
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_the_server_finish_the_request_at_hand(
    registry: Registry, folder: Path, number: signal.Signals
) -> None:
    body, answers = b"\n".join(map(msgspec.json.encode, make_rows(50))), []
    begun, stopping = threading.Event(), threading.Event()

    def slowly() -> Iterator[bytes]:
        yield body[:100]
        begun.set()
        stopping.wait(10)
        yield body[100:]

    with running(folder) as (process, address):
        assert httpx.get(f"{address}/health").json() == {"status": "ok"}
        sending = threading.Thread(
            target=lambda: answers.append(
                httpx.post(address + ROWS, content=slowly(), headers=NDJSON, timeout=30)
            )
        )
        sending.start()
        assert begun.wait(30)
        # Answered after the connection before it was taken.
        httpx.get(f"{address}/health")
        process.send_signal(number)
        threading.Timer(0.5, stopping.set).start()
        sending.join()
        out, err = process.communicate(timeout=20)
    assert [(one.status_code, one.json()["rows"]) for one in answers] == [(200, 50)]
    assert (process.returncode, out, err) == (0, "", "")


def test_tokens_come_from_a_file_that_the_command_line_helped_to_make(
    registry: Registry, folder: Path
) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "crisplens", "server", "token", "--as", CI, "--for", "churn", "--json"],
        capture_output=True,
        check=True,
    )
    known = msgspec.json.decode(made.stdout)
    with running(folder, "--tokens", "env:PUSHERS", PUSHERS=known["table"]) as (_, address):
        body = msgspec.json.encode(make_rows(3))
        headers = {"Content-Type": "application/json"}
        assert httpx.post(address + ROWS, content=body, headers=headers, timeout=30).status_code == 401
        headers["Authorization"] = f"Bearer {known['token']}"
        assert httpx.post(address + ROWS, content=body, headers=headers, timeout=30).status_code == 200


def test_without_tokens_it_listens_on_this_machine_only(folder: Path) -> None:
    for host in ("0.0.0.0", "::", "example.org"):
        process = crisplens(folder, "server", "run", "--host", host, "--actor", ANA)
        out, err = process.communicate(timeout=30)
        assert (process.returncode, out) == (2, "")
        assert "bad-tokens" in err


def test_a_port_that_is_taken_is_told(registry: Registry, folder: Path) -> None:
    with running(folder) as (_, address):
        process = crisplens(folder, "server", "run", "--port", address.rpartition(":")[2], "--actor", ANA)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "bad-address" in err
