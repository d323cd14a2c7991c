"""Up to where the log was told: noted once notices are in the spool, and not trusted when the log is shorter."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from crisplens.api import Registry, connect
from crisplens.core.errors import HalfDone
from tests.conftest import ANA, Files

pytestmark = pytest.mark.stored


@pytest.fixture
def alarmed(registry: Registry, files: Files) -> Iterator[Registry]:
    """A registry with an incident and a trigger, and a channel."""
    (registry.configuration.folder / "crisplens.toml").write_text(
        '[notifications.log]\nkind = "file"\npath = "told.jsonl"\n'
    )
    registry.model.register("churn-gbm", files.text("weights"))
    registry.monitor.add(
        "nightly",
        model="churn-gbm",
        reference=files.table("reference.csv"),
        current=str(files.table("reference.csv")),
        columns=["tenure"],
    )
    registry.monitor.run("nightly", current=str(files.table("drifted.csv", shift=50)))
    url = registry.engine.url.render_as_string(hide_password=False)
    with connect(url, folder=registry.configuration.folder, project="churn", actor=ANA) as opened:
        yield opened


def position(registry: Registry) -> Path:
    return registry.configuration.folder / ".crisplens/notifications/told-until.json"


def test_what_an_older_copy_of_the_registry_records_is_told(alarmed: Registry) -> None:
    position(alarmed).parent.mkdir(parents=True)
    # Of the log that was there before the copy was put back.
    position(alarmed).write_text('{"told_until": 1000000}')
    assert alarmed.notification.deliver().notices == 2
    assert alarmed.notification.deliver().notices == 0


def test_a_position_that_cannot_be_noted_is_a_failure_of_the_spool(
    alarmed: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    alarmed.notification.deliver()
    before = position(alarmed).read_bytes()
    alarmed.project.add("other")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HalfDone, match="No space left on device") as failed:
        alarmed.notification.deliver()
    assert not failed.value.nothing_changed
    monkeypatch.undo()
    assert position(alarmed).read_bytes() == before
    alarmed.notification.deliver()
    assert position(alarmed).read_bytes() != before
