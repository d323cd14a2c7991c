"""Incidents and triggers are told through the channels of crisplens.toml, each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from crisplens.api import Registry, connect
from crisplens.core.errors import InputError
from tests.conftest import BO, Files

pytestmark = pytest.mark.stored

CHANNELS = """
[notifications.log]
kind = "file"
path = "told.jsonl"
format = "json"

[notifications.gone]
kind = "file"
path = "nowhere/told.jsonl"
notices = ["trigger.*"]
"""


@pytest.fixture
def watched(first_cycle: Registry) -> Iterator[Registry]:
    """The first cycle's registry, with two channels of which one cannot be reached."""
    folder = first_cycle.configuration.folder
    file = folder / "crisplens.toml"
    file.write_text(file.read_text("utf-8") + CHANNELS if file.exists() else CHANNELS, encoding="utf-8")
    url = first_cycle.engine.url.render_as_string(hide_password=False)
    with connect(url, folder=folder, project="churn", actor=BO) as registry:
        yield registry


def told(registry: Registry) -> list[tuple[str, str]]:
    """Kind and subject of what the file was told."""
    file = registry.configuration.folder / "told.jsonl"
    lines = file.read_text("utf-8").splitlines() if file.exists() else []
    found = [json.loads(line) for line in lines]
    return sorted((one["type"], one["data"]["subject"]) for one in found)


def test_what_happened_is_told_once_and_what_fails_is_kept(watched: Registry, files: Files) -> None:
    watched.monitor.run("nightly", current=str(files.table("drifted.csv", shift=50)))
    first = watched.notification.deliver()
    assert first.notices == 2
    assert told(watched) == [("incident.opened", "incident-1"), ("trigger.raised", "trigger-1")]
    (waiting,) = (one for one in watched.notification.list() if one.state != "delivered")
    assert (waiting.channel, waiting.attempts) == ("gone", 1)
    assert waiting.last_error
    assert watched.notification.deliver().notices == 0
    assert len(told(watched)) == 2
    watched.incident.escalate("incident-1", to=BO, reason="nobody answers")
    watched.trigger.dismiss("trigger-1", reason="a test load")
    assert watched.notification.deliver().notices == 3
    assert told(watched)[0] == ("incident.escalated", "incident-1")
    assert ("incident.resolved", "incident-1") in told(watched)


def test_a_lost_position_tells_again_and_a_damaged_one_is_named(watched: Registry, files: Files) -> None:
    watched.monitor.run("nightly", current=str(files.table("drifted.csv", shift=50)))
    watched.notification.deliver()
    position = Path(watched.configuration.folder, ".crisplens/notifications/told-until.json")
    position.write_text("{}")
    with pytest.raises(InputError, match="told-until"):
        watched.notification.deliver()
    position.unlink()
    # The spool knows what was delivered.
    watched.notification.deliver()
    assert len(told(watched)) == 2


def test_a_channel_is_tried_by_hand(watched: Registry) -> None:
    assert watched.notification.test("log").name == "log"
    assert len(told(watched)) == 1
    for channel, words in (("gone", "nowhere"), ("lgo", "no notification channel named")):
        with pytest.raises(InputError, match=words):
            watched.notification.test(channel)
