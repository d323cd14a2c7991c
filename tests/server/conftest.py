"""A real server on this machine's loopback, and a monitor to push to."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from crisplens.api import Registry, connect, init
from crisplens.server.app import Service, create_app
from crisplens.server.connections import http_server
from crisplens.server.running import _listen
from tests.conftest import ANA
from tests.monitors.streaming.conftest import make_rows, to_csv

ROWS = "/projects/churn/monitors/live/rows"
NDJSON = {"Content-Type": "application/x-ndjson"}
Serve = Callable[..., Any]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry on SQLite with the monitor `live`, which rows are pushed to, in windows of 1,000,000 rows."""
    folder = tmp_path_factory.mktemp("served")
    made = init(folder).acting_as(ANA, project="churn")
    made.project.add("churn", title="Churn")
    (folder / "weights").write_text("weights")
    (folder / "train.csv").write_text(to_csv(make_rows(2000, seed=7)))
    made.model.register("churn-gbm", folder / "weights")
    given = {"model": "churn-gbm", "reference": folder / "train.csv", "current": "push:"}
    made.monitor.add("live", **given, window="1000000 rows")
    made.monitor.add("small", **given, window="100 rows")
    with made:
        yield made


@pytest.fixture(scope="module")
def folder(registry: Registry) -> Path:
    """The registry's folder."""
    return registry.configuration.folder


@contextmanager
def serving(registry: Registry, **options: Any) -> Iterator[httpx.Client]:
    """A server in a thread, and a client of it."""
    service = Service(connect(folder=registry.configuration.folder, actor=ANA), **options)
    server = http_server(create_app(service))
    listening = _listen("127.0.0.1", 0)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    try:
        with httpx.Client(base_url=address, timeout=20, trust_env=False) as client:
            yield client
    finally:
        server.should_exit = True
        thread.join()
        listening.close()
        service.registry.close()


@pytest.fixture(scope="module")
def client(registry: Registry) -> Iterator[httpx.Client]:
    """A client of a server without tokens."""
    with serving(registry, most_body=1 << 20, body_seconds=1.0) as made:
        yield made
