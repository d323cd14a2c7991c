"""No door to the log takes a location with a password or key in it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from crisplens.api import Registry
from crisplens.core.errors import InputError
from crisplens.monitors import service
from tests.conftest import Files, assert_refused
from tests.monitors.conftest import Clock

pytestmark = pytest.mark.stored

SECRET = "Zq7xW9kP"
HOLDING = [
    f"postgresql://user:{SECRET}@h/n#t",
    f"s3://KEY:{SECRET}@b/x.csv",
    f"https://host/x.csv?X-Amz-Signature={SECRET}",
]


@pytest.fixture
def watched(registry: Registry, files: Files) -> Registry:
    """A model with a monitor of drift."""
    registry.model.register("churn-gbm", files.text("weights"))
    registry.monitor.add("nightly", **drift(files))
    return registry


def drift(files: Files, **options: Any) -> dict[str, Any]:
    """What a monitor of drift is added with."""
    reference = files.folder / "reference.csv"
    if not reference.exists():
        files.table(reference.name)
    live = str(files.folder / "live-*.csv")
    return {"model": "churn-gbm", "reference": reference, "current": live} | options


def performance(files: Files, **options: Any) -> dict[str, Any]:
    """What a monitor of performance is added with."""
    options = {"labels": str(files.folder / "labels.csv"), "key": ["id"], "window": "file"} | options
    reference = files.folder / "scored.csv"
    if not reference.exists():
        files.scored(reference.name)
    return drift(files) | {"reference": reference, "task": "binary", "label": "y", "score": "score"} | options


def refuse(registry: Registry, call: Any) -> None:
    """The call is refused, appends nothing and does not repeat the secret."""
    error = assert_refused(registry, call, "bad-source", "***", "password or key", kind=InputError)
    assert SECRET not in f"{error.message}{error.hint}"


@pytest.mark.parametrize("location", HOLDING)
@pytest.mark.parametrize("which", ["reference", "current"])
def test_a_monitor_of_drift_is_not_added_with_one(
    watched: Registry, files: Files, which: str, location: str
) -> None:
    refuse(watched, lambda: watched.monitor.add("other", **drift(files, **{which: location})))


@pytest.mark.parametrize("which", ["reference", "current", "labels"])
def test_a_monitor_of_performance_is_not_added_with_one(watched: Registry, files: Files, which: str) -> None:
    for location in HOLDING:
        given = performance(files, **{which: location})
        refuse(watched, lambda given=given: watched.monitor.add_performance("other", **given))
    watched.monitor.add_performance("other", **performance(files))


def test_variants_are_not_compared_at_one(watched: Registry) -> None:
    def add(current: str) -> Any:
        return watched.monitor.add_variants(
            "test",
            model="churn-gbm",
            current=current,
            variant="arm",
            champion="a",
            challenger="b",
            outcome="bought",
        )

    for location in HOLDING:
        refuse(watched, lambda location=location: add(location))
    assert add("https://user@host/x.csv?table=a").current == "https://user@host/x.csv?table=a"


def test_a_monitor_is_not_changed_renewed_or_run_with_one(watched: Registry) -> None:
    monitor = watched.monitor
    for location in HOLDING:
        refuse(watched, lambda at=location: monitor.change("nightly", current=at, reason="moved"))
        refuse(watched, lambda at=location: monitor.renew("nightly", to="n2", reference=at, reason="new"))
        refuse(watched, lambda at=location: monitor.run("nightly", current=at))
        refuse(watched, lambda at=location: monitor.run("nightly", current=at, engine="ibis"))
    changed = monitor.change("nightly", current="postgresql://user@h/n#t", reason="moved")
    assert changed.current == "postgresql://user@h/n#t"


def test_a_dataset_version_is_not_added_at_one(registry: Registry, files: Files) -> None:
    for location in HOLDING:
        refuse(registry, lambda location=location: registry.data.add("raw", location))
    file = files.table("a:b@c?key=1.csv")
    assert registry.data.add("raw", file).location == str(file)


def test_one_that_was_recorded_before_is_not_recorded_again(
    registry: Registry, files: Files, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry.model.register("churn-gbm", files.text("weights"))
    with monkeypatch.context() as before:
        before.setattr(service, "check_location", lambda location: None)
        registry.monitor.add("old", **drift(files, current=HOLDING[1], schedule="every 1h"))
    size = registry.audit.head().size
    time.move(hours=2)
    (run,) = registry.monitor.run_due()
    assert "password or key" in run.failure
    (recorded,) = run.checks
    assert recorded.check.result.verdict == "bad-data"
    assert recorded.check.window.location == "s3://***@b/x.csv"
    assert registry.audit.head().size > size
    assert SECRET not in str(msgspec.to_builtins(run))
    refuse(registry, lambda: registry.monitor.change("old", tolerance=0.2, reason="calmer"))
    refuse(registry, lambda: registry.monitor.renew("old", to="new", reference="x.csv", reason="new"))
    clean = registry.monitor.change("old", current="s3://b/x.csv", reason="keys are no part of it")
    assert clean.current == "s3://b/x.csv"
