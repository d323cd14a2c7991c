"""Leases: one holder at a time, an end by themselves, and tokens that give away who came too late."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.core.clock import parse_time, to_text
from crisplens.core.database import write_session
from crisplens.monitors import leases
from crisplens.monitors.leases import Lease, LeaseLost

pytestmark = pytest.mark.stored

START = datetime(2031, 3, 1, tzinfo=UTC)
LENGTH = timedelta(seconds=10)
HOLDERS = ("ana", "bo", "ci")

# What a holder does, how many seconds after the step before.
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["take", "renew", "release", "leave", "record"]),
        st.sampled_from(HOLDERS),
        st.integers(0, 14),
    ),
    max_size=25,
)


def take(registry: Registry, name: str, holder: str, now: datetime) -> Lease | None:
    """Take a lease in a transaction of its own."""
    with write_session(registry.engine) as session:
        return leases.take(session, "churn", name, holder, now, LENGTH)


def stored(registry: Registry, name: str) -> Lease | None:
    """The lease as the database has it, if it is not free."""
    with registry.reading_log() as session:
        return leases.unfinished(session, "churn").get(("churn", name))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_holders_do_one_holds_at_a_time_and_tokens_grow(
    bare: Registry, steps: list[tuple[str, str, int]]
) -> None:
    name, now = uuid4().hex, START
    owned: dict[str, Lease] = {}  # what each believes to hold
    current: Lease | None = None  # the last taking that was neither given back nor followed by another
    free_from, tokens = START, 0
    with write_session(bare.engine) as session:
        for do, who, later in steps:
            now += timedelta(seconds=later)
            mine = owned.get(who)
            is_mine = mine is not None and current is not None and mine.token == current.token
            if do == "take":
                taken = leases.take(session, "churn", name, who, now, LENGTH)
                assert (taken is not None) == (now >= free_from)
                if taken is not None:
                    assert taken.token > tokens
                    tokens, free_from = taken.token, now + LENGTH
                    owned[who] = current = taken
            elif mine is None:
                continue
            elif do == "renew":
                renewed = leases.renew(session, mine, now, LENGTH)
                assert (renewed is not None) == is_mine
                if renewed is not None:
                    assert (renewed.token, renewed.until) == (mine.token, to_text(now + LENGTH))
                    free_from = now + LENGTH
            elif do == "record":
                if is_mine:
                    leases.hold(session, mine)
                else:
                    with pytest.raises(LeaseLost):
                        leases.hold(session, mine)
            else:
                again = now + timedelta(seconds=3) if do == "leave" else None
                assert leases.release(session, mine, again=again) == is_mine
                if is_mine:
                    current, free_from = None, again or now


def test_a_released_lease_is_taken_at_once_and_one_with_work_left_from_its_time_on(
    registry: Registry,
) -> None:
    first = take(registry, "a", "ana", START)
    assert first is not None
    assert take(registry, "a", "bo", START) is None
    with write_session(registry.engine) as session:
        assert leases.release(session, first)
    assert stored(registry, "a") is None
    second = take(registry, "a", "bo", START)
    assert second is not None
    with write_session(registry.engine) as session:
        assert leases.release(session, second, again=START + timedelta(hours=1))
    left = stored(registry, "a")
    assert left is not None
    assert (left.holder, parse_time(left.until)) == ("", START + timedelta(hours=1))
    assert take(registry, "a", "ci", START + timedelta(minutes=59)) is None
    third = take(registry, "a", "ci", START + timedelta(hours=1))
    assert third is not None
    assert first.token < second.token < third.token


def test_leases_of_one_name_in_two_projects_are_two(registry: Registry) -> None:
    with write_session(registry.engine) as session:
        both = [leases.take(session, one, "a", "ana", START, LENGTH) for one in ("churn", "fraud")]
        assert None not in both
        assert set(leases.unfinished(session)) == {("churn", "a"), ("fraud", "a")}
        assert set(leases.unfinished(session, "fraud")) == {("fraud", "a")}


def test_threads_that_want_the_same_lease_never_hold_it_together(registry: Registry) -> None:
    inside: list[int] = []
    taken: list[int] = []

    def work(holder: int) -> None:
        done = 0
        while done < 8:
            with write_session(registry.engine) as session:
                now = leases.read_clock(session.connection())
                lease = leases.take(session, "churn", "a", str(holder), now, timedelta(minutes=5))
            if lease is None:
                time.sleep(0.001)
                continue
            inside.append(holder)
            assert inside == [holder]
            taken.append(lease.token)
            done += 1
            inside.remove(holder)
            with write_session(registry.engine) as session:
                assert leases.release(session, lease)

    with ThreadPoolExecutor(6) as pool:
        for ended in [pool.submit(work, holder) for holder in range(6)]:
            ended.result()
    assert taken == sorted(set(taken))
    assert len(taken) == 48


def test_nobody_takes_a_lease_that_ran_out_while_its_holder_records(registry: Registry) -> None:
    lease = take(registry, "a", "ana", START)
    assert lease is not None
    order: list[str] = []
    held = threading.Event()

    def record() -> None:
        with write_session(registry.engine) as session:
            leases.hold(session, lease)
            held.set()
            time.sleep(0.3)
            order.append("recorded")

    with ThreadPoolExecutor(1) as pool:
        recording = pool.submit(record)
        assert held.wait(10)
        assert take(registry, "a", "bo", START + timedelta(hours=1)) is not None
        order.append("taken")
        recording.result()
    assert order == ["recorded", "taken"]
    with pytest.raises(LeaseLost), write_session(registry.engine) as session:
        leases.hold(session, lease)


def test_leases_go_by_a_clock_that_is_near_this_one(registry: Registry) -> None:
    with registry.reading_log() as session:
        there = leases.read_clock(session.connection())
    assert abs(there - datetime.now(UTC)) < timedelta(seconds=5)


def test_a_lease_from_a_clock_that_was_far_ahead_blocks_nobody(registry: Registry) -> None:
    name = uuid4().hex
    ahead = take(registry, name, "ana", START + timedelta(days=200))
    assert ahead is not None
    assert not leases.is_held(ahead, START)
    again = take(registry, name, "bo", START)
    assert again is not None
    assert again.token == ahead.token + 1
    assert take(registry, name, "ci", START) is None
