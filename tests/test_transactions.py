"""Several commands as one transaction."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from sqlalchemy import event

from crisplens.api import Registry
from crisplens.core.errors import InputError
from tests.conftest import BO, assert_refused

pytestmark = pytest.mark.stored


def test_commands_are_committed_together(registry: Registry) -> None:
    before = registry.audit.head()
    with registry.transaction() as together:
        for number in range(30):
            together.kpi.set(f"kpi-{number}", target=number)
        together.acting_as(BO).project.add("other", title="Other")
        if registry.engine.dialect.name == "postgresql":
            assert registry.audit.head() == before
    assert len(registry.kpi.list()) == 30
    assert registry.audit.head().size == before.size + 31
    assert registry.audit.log()[-1].actor.id == BO
    assert registry.audit.verify().passed


def test_queries_see_what_was_recorded_before_them(registry: Registry) -> None:
    with registry.transaction() as together:
        together.kpi.set("auc", target="0.8")
        assert [kpi.name for kpi in together.kpi.list()] == ["auc"]
        assert together.audit.head().size == 2
        together.kpi.set("auc", target="0.9")
        assert [kpi.target for kpi in together.kpi.list()] == ["0.9"]
        assert together.audit.verify().passed
    assert [envelope.seq for envelope in registry.audit.log()] == [0, 1, 2]


def test_an_error_takes_all_of_it_back(registry: Registry) -> None:
    def command() -> None:
        with registry.transaction() as together:
            together.kpi.set("auc", target=1)
            together.kpi.set("auc", target="high")

    assert_refused(registry, command, "not-a-number")
    assert registry.kpi.list() == []


def test_after_a_failed_command_nothing_more_is_taken(registry: Registry) -> None:
    def command() -> None:
        with registry.transaction() as together:
            together.kpi.set("auc", target=1)
            with pytest.raises(InputError):
                together.kpi.set("auc", target="high")
            together.kpi.set("f1", target=1)

    assert_refused(registry, command, "given-up", "'high'")
    assert registry.kpi.list() == []


def test_a_failed_command_that_is_passed_over_is_not_committed(registry: Registry) -> None:
    def command() -> None:
        with registry.transaction() as together:
            together.kpi.set("auc", target=1)
            with pytest.raises(InputError):
                together.project.add("churn")

    assert_refused(registry, command, "given-up")
    assert registry.kpi.list() == []


def test_a_transaction_without_commands_changes_nothing(registry: Registry) -> None:
    before = registry.audit.head()
    with registry.transaction():
        pass
    assert registry.audit.head() == before


def test_a_command_outside_of_its_own_threads_transaction_is_refused_at_once(registry: Registry) -> None:
    def command() -> None:
        with registry.transaction() as together:
            together.kpi.set("auc", target=1)
            registry.kpi.set("f1", target=1)

    assert_refused(registry, command, "nested-transaction", "wait for itself")
    registry.kpi.set("f1", target=1)
    assert [kpi.name for kpi in registry.kpi.list()] == ["f1"]


def test_a_transaction_within_a_transaction_is_a_part_of_it(registry: Registry) -> None:
    with registry.transaction() as together:
        together.kpi.set("auc", target=1)
        with together.transaction() as inner:
            inner.kpi.set("f1", target=1)
        together.kpi.set("recall", target=1)
    assert len(registry.kpi.list()) == 3


def test_an_inner_transaction_that_fails_takes_the_outer_with_it(registry: Registry) -> None:
    def command() -> None:
        with registry.transaction() as together:
            together.kpi.set("auc", target=1)
            with suppress(ZeroDivisionError), together.transaction() as inner:
                inner.kpi.set("f1", target=1)
                raise ZeroDivisionError

    assert_refused(registry, command, "given-up")
    assert registry.kpi.list() == []


def test_threads_can_share_a_transaction(registry: Registry) -> None:
    with registry.transaction() as together, ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: together.kpi.set(f"kpi-{number}", target=1), range(60)))
    assert len(registry.kpi.list()) == 60
    assert registry.audit.verify().passed


def test_an_interrupted_commit_commits_nothing_and_keeps_nobody_from_writing(registry: Registry) -> None:
    def interrupt(_connection: object) -> None:
        raise KeyboardInterrupt

    event.listen(registry.engine, "commit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        registry.kpi.set("auc", target=1)
    event.remove(registry.engine, "commit", interrupt)
    with ThreadPoolExecutor(1) as pool, registry.reading():
        pool.submit(registry.kpi.set, "f1", target=1).result(20)
    registry.kpi.set("recall", target=1)
    assert sorted(kpi.name for kpi in registry.kpi.list()) == ["f1", "recall"]
    assert registry.audit.verify().passed
