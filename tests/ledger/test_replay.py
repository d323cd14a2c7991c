"""The replay law: whatever commands are given, the tables are what a replay of the log makes of them."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.core.errors import CrisplensError
from tests.conftest import BO, assert_refused, opened, sqlite_file

pytestmark = pytest.mark.stored

Command = Callable[[Registry], Any]
FILES = Path(__file__)

names = st.sampled_from(["a", "B", "a-b", "Z.9", "ä", "_"])
numbers = st.sampled_from(["0.1", "-3", 7, "1e3", "x", 2.5])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = (
    st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans() | texts | st.floats(-1e15, 1e15, allow_nan=False)
)
parameters = st.dictionaries(texts, scalars, max_size=3)
references = st.builds("{}@{}".format, names, st.integers(1, 3))
phases = st.sampled_from(["business-goal", "data-collection", "monitoring", "evaluation"])

commands = st.one_of(
    st.builds(lambda name, title: lambda r: r.project.add(name, title=title), names, texts),
    st.builds(
        lambda text, costs: lambda r: r.goal.set(problem=text, value=text, costs=costs),
        texts,
        st.just({"data": 1}),
    ),
    st.builds(
        lambda name, target, base: lambda r: r.kpi.set(name, target=target, baseline=base),
        names,
        numbers,
        numbers,
    ),
    st.builds(lambda name, use: lambda r: r.source.set(name, permitted_use=use), names, texts),
    st.builds(lambda name, source: lambda r: r.data.add(name, FILES, source=source), names, names),
    st.builds(lambda name, ref: lambda r: r.data.add(name, FILES, derived_from=[ref]), names, references),
    st.builds(lambda name, given: lambda r: r.run.record(name, parameters=given), names, parameters),
    st.builds(
        lambda name, run, given: lambda r: r.model.register(name, FILES, run=run, parameters=given),
        names,
        names,
        parameters,
    ),
    st.builds(
        lambda model, data, value: lambda r: r.evaluation.record(model, dataset=data, metrics={"m": value}),
        references,
        references,
        numbers,
    ),
    st.builds(lambda phase, text: lambda r: r.checkpoint.record(phase, summary=text), phases, texts),
    st.builds(
        lambda phase, text: lambda r: r.acting_as(BO).approval.reject(phase, reason=text), phases, texts
    ),
    st.builds(lambda phase: lambda r: r.acting_as(BO).approval.grant(phase), phases),
    st.builds(lambda text: lambda r: r.cycle.open(reason=text), texts),
    st.builds(
        lambda ref, env: lambda r: r.deployment.record(ref, environment=env, kind="batch"), references, names
    ),
    st.builds(lambda: lambda r: r.evidence.add(FILES)),
)


@contextlib.contextmanager
def fresh(migrated: str, folder: Path) -> Iterator[Registry]:
    """A registry with project `churn`, new for each example."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    shutil.copyfile(sqlite_file(migrated), folder / "registry.db")
    with opened(f"sqlite:///{folder / 'registry.db'}", folder) as registry:
        registry.project.add("churn")
        yield registry


@pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(given_commands=st.lists(commands, max_size=12))
def test_tables_equal_the_replay_of_the_log(
    migrated: str, tmp_path: Path, given_commands: list[Command]
) -> None:
    with fresh(migrated, tmp_path / "fresh") as registry:
        for command in given_commands:
            before = registry.audit.head()
            try:
                command(registry)
            except CrisplensError:
                assert registry.audit.head() == before
            else:
                assert registry.audit.head().size >= before.size
        verification = registry.audit.verify()
        assert verification.passed, verification
        assert verification.head == registry.audit.head()


def test_the_whole_story_replays(story: Registry) -> None:
    assert story.audit.verify().passed


@pytest.mark.parametrize("number", [1.0, -0.0, 0.1 + 0.2, 5e-324, 9007199254740991.0, 1.5e300])
def test_floats_in_parameters_replay(registry: Registry, number: float) -> None:
    registry.run.record("train", parameters={"number": number}, metrics={"number": number})
    assert registry.run.show("train").metrics == {"number": number}
    assert registry.audit.verify().passed


@pytest.mark.parametrize("number", [1e16, 1e20, -9007199254740992.0])
def test_whole_floats_that_read_back_as_other_numbers_are_no_parameters(
    registry: Registry, number: float
) -> None:
    call = registry.run.record
    assert_refused(
        registry, lambda: call("train", parameters={"number": number}), "not-exact", "number", "as text"
    )
    assert call("train", metrics={"number": number}).metrics == {"number": number}
    assert registry.audit.verify().passed


@pytest.mark.parametrize("name", ["Z", "a", "_", "ä"])
def test_rows_are_compared_in_the_same_order_on_every_database(registry: Registry, name: str) -> None:
    # Collations differ in how they order these; the comparison walks both sides in one order.
    for kpi in ("Z", "a", "B", "a.b", "a-b", "a_b", "A", "0"):
        registry.kpi.set(kpi, target=1)
    with contextlib.suppress(CrisplensError):
        registry.project.add(name)
    assert registry.audit.verify().passed
