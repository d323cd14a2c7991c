"""Delivery from the spool folder: retries, dead letters, damaged files."""

from __future__ import annotations

import json
import os
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisplens.core.clock import parse_time
from crisplens.core.errors import CrisplensError, HalfDone, InputError
from crisplens.monitors.notifications.delivery import (
    LONGEST_DELAY,
    MOST_ATTEMPTS,
    NOT_ENDED,
    dead_letters,
    deliver_due,
    enqueue,
    forget_delivered,
    get_notice,
    list_deliveries,
    next_attempt,
    retry_dead,
)
from crisplens.monitors.notifications.locks import locked
from crisplens.monitors.notifications.model import (
    Channel,
    Delivery,
    DeliveryState,
    FileSettings,
    Notice,
    NoticeKind,
    SendError,
)
from crisplens.monitors.notifications.spool import file_of, lock
from tests.monitors.notifications.conftest import AT, Receiver, a_notice, respond

NOW = datetime(2026, 3, 1, 13, tzinfo=UTC)
LOG = Channel(name="log", settings=FileSettings(path="log"))
MORE = Channel(name="more", settings=FileSettings(path="more"))


class Outbox:
    """Stands in for sending: notes what is sent, and fails as it is told."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str]] = []
        self.at: list[datetime] = []
        self.error: BaseException | None = None

    def __call__(self, channel: Channel, notice: Notice, at: datetime) -> None:
        self.at.append(at)
        if self.error is not None:
            raise self.error
        self.sent.append((channel.name, notice.subject))


@pytest.fixture
def outbox() -> Outbox:
    """Sending that works."""
    return Outbox()


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    """Where the spool folder will be."""
    return tmp_path / "spool"


def deliver(
    spool: Path, outbox: Outbox, *, now: datetime = NOW, channels: tuple[Channel, ...] = (LOG, MORE)
) -> list[Delivery]:
    """One call, without chance in it."""
    return deliver_due(spool, channels, now=now, send=outbox, random=lambda: 0.5)


def run_dry(spool: Path, outbox: Outbox) -> datetime:
    """Call until nothing waits; the time of the last call."""
    now = NOW
    while waiting := [one for one in list_deliveries(spool) if one.state is DeliveryState.WAITING]:
        now = max(now, *(parse_time(one.next_attempt or AT) for one in waiting))
        deliver(spool, outbox, now=now)
    return now


# When to try again


@given(st.integers(1, MOST_ATTEMPTS - 1), st.floats(0, 1, exclude_max=True))
def test_delays_grow_up_to_a_limit_and_vary_by_a_quarter(attempts: int, random: float) -> None:
    middle = next_attempt(attempts, NOW, 0.5)
    at = next_attempt(attempts, NOW, random)
    assert middle is not None
    assert at is not None
    assert (at - NOW) / (middle - NOW) == pytest.approx(0.75 + random / 2)
    assert timedelta(seconds=20) < at - NOW <= LONGEST_DELAY * 1.25
    after = next_attempt(attempts + 1, NOW, 0.5)
    assert after is None or after >= middle


@given(st.integers(min_value=MOST_ATTEMPTS))
def test_after_the_last_attempt_there_is_none(attempts: int) -> None:
    assert next_attempt(attempts, NOW, 0.5) is None


def test_the_schedule_spans_about_two_days() -> None:
    now, delays = NOW, []
    for attempts in range(1, MOST_ATTEMPTS):
        again = next_attempt(attempts, now, 0.5)
        assert again is not None
        delays.append(round((again - now).total_seconds()))
        now = again
    assert delays == [30, 120, 480, 1920, 7680, 30720, 43200, 43200, 43200]


# Enqueuing and delivering


def test_a_notice_goes_through_every_channel_that_takes_it(spool: Path, outbox: Outbox) -> None:
    picky = Channel(name="picky", settings=FileSettings(path="p"), notices=(NoticeKind.TRIGGER_RAISED,))
    added = enqueue(spool, a_notice(), [LOG, picky, MORE])
    assert [(one.channel, one.state, one.attempts) for one in added] == [
        ("log", "waiting", 0),
        ("more", "waiting", 0),
    ]
    done = deliver(spool, outbox)
    assert sorted(outbox.sent) == [("log", "incident-1"), ("more", "incident-1")]
    assert {(one.state, one.attempts, one.last_error) for one in done} == {("delivered", 1, "")}
    assert deliver(spool, outbox) == []


def test_enqueuing_twice_sends_once_even_after_delivery(spool: Path, outbox: Outbox) -> None:
    assert len(enqueue(spool, a_notice(), [LOG])) == 1
    assert enqueue(spool, a_notice(summary="In other words."), [LOG]) == []
    deliver(spool, outbox)
    assert enqueue(spool, a_notice(), [LOG]) == []
    deliver(spool, outbox)
    assert outbox.sent == [("log", "incident-1")]


def test_a_channel_that_is_added_later_gets_what_is_enqueued_again(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    deliver(spool, outbox)
    assert [one.channel for one in enqueue(spool, a_notice(), [LOG, MORE])] == ["more"]


def test_oldest_notices_go_first(spool: Path, outbox: Outbox) -> None:
    for day in (3, 1, 2):
        enqueue(spool, a_notice(subject=f"incident-{day}", at=f"2026-02-0{day}T00:00:00Z"), [LOG])
    deliver(spool, outbox)
    assert [subject for _, subject in outbox.sent] == ["incident-1", "incident-2", "incident-3"]


def test_a_failed_delivery_waits_and_is_tried_again(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = SendError("the disk is full")
    (failed,) = deliver(spool, outbox)
    assert (failed.state, failed.attempts, failed.last_error) == ("waiting", 1, "the disk is full")
    again = parse_time(failed.next_attempt or "")
    assert timedelta(seconds=29) < again - NOW < timedelta(seconds=35)
    assert list_deliveries(spool) == [failed]
    outbox.error = None
    assert deliver(spool, outbox, now=again - timedelta(seconds=1)) == []
    (done,) = deliver(spool, outbox, now=again)
    assert (done.state, done.attempts, done.last_error, done.next_attempt) == ("delivered", 2, "", None)


def test_a_delivery_is_given_up_after_the_last_attempt(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = SendError("no")
    run_dry(spool, outbox)
    (dead,) = dead_letters(spool)
    assert (dead.state, dead.attempts, dead.last_error) == ("dead", MOST_ATTEMPTS, "no")
    assert len(outbox.at) == MOST_ATTEMPTS
    assert outbox.at[-1] - outbox.at[0] > timedelta(hours=40)
    assert enqueue(spool, a_notice(), [LOG]) == []


def test_a_dead_letter_gets_all_its_attempts_again(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = SendError("no")
    now = run_dry(spool, outbox)
    (dead,) = dead_letters(spool)
    again = retry_dead(spool, dead.id)
    assert (again.state, again.attempts) == ("waiting", 0)
    assert dead_letters(spool) == []
    outbox.error = None
    (done,) = deliver(spool, outbox, now=now)
    assert (done.state, done.attempts) == ("delivered", 1)
    with pytest.raises(InputError, match="there is no dead letter"):
        retry_dead(spool, dead.id)


def test_a_permanent_refusal_is_not_tried_again(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = SendError("410 Gone", permanent=True)
    (dead,) = deliver(spool, outbox)
    assert (dead.state, dead.attempts, dead.next_attempt) == ("dead", 1, None)


def test_a_receiver_that_asks_for_a_pause_gets_it(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = SendError("503", retry_after=3600)
    (failed,) = deliver(spool, outbox)
    assert parse_time(failed.next_attempt or "") - NOW >= timedelta(hours=1)


def test_a_channel_that_gives_no_answer_is_asked_once_per_call(spool: Path, outbox: Outbox) -> None:
    for number in range(5):
        enqueue(spool, a_notice(subject=f"incident-{number}"), [LOG, MORE])
    outbox.error = SendError("there was no answer within 15 seconds", unreachable=True)
    tried = deliver(spool, outbox)
    assert sorted(one.channel for one in tried) == ["log", "more"]
    outbox.error = SendError("500")
    assert len(deliver(spool, outbox)) == 8


def test_a_channel_that_is_gone_from_the_configuration_is_a_failure(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    (failed,) = deliver(spool, outbox, channels=(MORE,))
    assert (failed.state, failed.last_error) == ("waiting", "the configuration has no channel 'log'")


def test_without_a_spool_folder_there_is_nothing_to_do(spool: Path, outbox: Outbox) -> None:
    assert (deliver(spool, outbox), list_deliveries(spool), dead_letters(spool)) == ([], [], [])
    assert forget_delivered(spool, before=NOW) == 0
    assert not spool.exists()


def test_a_real_receiver_that_recovers_gets_the_notice(spool: Path, receiver: Receiver) -> None:
    enqueue(spool, a_notice(), [receiver.webhook()])
    receiver.answer = lambda handler: respond(handler, 500)
    (failed,) = deliver_due(spool, [receiver.webhook()], now=NOW)
    assert failed.last_error == "127.0.0.1 answered 500 Internal Server Error"
    receiver.answer = lambda handler: respond(handler, 200)
    (done,) = deliver_due(spool, [receiver.webhook()], now=NOW + timedelta(minutes=1))
    assert (done.state, done.attempts) == ("delivered", 2)
    ids = [request.headers["webhook-id"] for request in receiver.requests]
    assert ids == [a_notice().id] * 2


def test_what_was_delivered_long_ago_can_be_forgotten(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    deliver(spool, outbox)
    assert forget_delivered(spool, before=NOW) == 0
    assert forget_delivered(spool, before=NOW + timedelta(days=1)) == 1
    assert list_deliveries(spool) == []


def test_the_notice_of_a_delivery_can_be_read(spool: Path) -> None:
    (one,) = enqueue(spool, a_notice(), [LOG])
    assert get_notice(spool, one.id) == a_notice()
    for id in ("nothing", "../../etc/passwd", ""):
        with pytest.raises(InputError, match="there is no delivery"):
            get_notice(spool, id)


def test_a_notice_that_cannot_be_sent_is_refused_at_once(spool: Path) -> None:
    with pytest.raises(InputError, match="is not the id of a notice"):
        enqueue(spool, msgspec.structs.replace(a_notice(), id="a\nb"), [LOG])
    assert not spool.exists()


def test_only_the_owner_can_read_the_spool(spool: Path) -> None:
    (one,) = enqueue(spool, a_notice(), [LOG])
    file = file_of(spool, DeliveryState.WAITING, one.id)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_no_secret_stands_in_the_spool(spool: Path, receiver: Receiver) -> None:
    (one,) = enqueue(spool, a_notice(), [receiver.webhook()])
    text = file_of(spool, DeliveryState.WAITING, one.id).read_text()
    assert "whsec" not in text
    assert "127.0.0.1" not in text


# What is interrupted


class Killed(BaseException):
    """Ends a call as the end of the process would."""


def test_an_attempt_that_was_cut_off_counts_and_is_made_again(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = Killed()
    with pytest.raises(Killed):
        deliver(spool, outbox)
    (left,) = list_deliveries(spool)
    assert (left.state, left.attempts, left.last_error) == ("waiting", 1, NOT_ENDED)
    outbox.error = None
    (done,) = deliver(spool, outbox, now=NOW + timedelta(minutes=1))
    assert (done.state, done.attempts) == ("delivered", 2)


def test_a_notice_that_kills_its_sender_every_time_is_given_up(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = Killed()
    now = NOW
    for _ in range(MOST_ATTEMPTS):
        with pytest.raises(Killed):
            deliver(spool, outbox, now=now)
        now += timedelta(days=1)
    (dead,) = deliver(spool, outbox, now=now)
    assert (dead.state, dead.attempts, dead.last_error) == ("dead", MOST_ATTEMPTS, NOT_ENDED)
    assert len(outbox.at) == MOST_ATTEMPTS


@pytest.mark.parametrize("error", [None, SendError("no", permanent=True)])
def test_a_delivery_that_was_noted_but_not_filed_is_not_sent_again(
    spool: Path, outbox: Outbox, error: SendError | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = error
    with monkeypatch.context() as patched:
        patched.setattr("crisplens.monitors.notifications.spool.refile", cut_off)
        with pytest.raises(Killed):
            deliver(spool, outbox)
    attempts = len(outbox.at)
    (filed,) = deliver(spool, outbox)
    assert filed.state == ("dead" if error else "delivered")
    assert (len(outbox.at), attempts) == (1, 1)
    assert deliver(spool, outbox) == []


def test_a_retry_that_was_cut_off_loses_nothing(
    spool: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(spool, a_notice(), [LOG])
    outbox.error = SendError("no", permanent=True)
    (dead,) = deliver(spool, outbox)
    with monkeypatch.context() as patched:
        patched.setattr("crisplens.monitors.notifications.spool.write", cut_off)
        with pytest.raises(Killed):
            retry_dead(spool, dead.id)
    deliver(spool, outbox)
    assert [one.id for one in dead_letters(spool)] == [dead.id]


def cut_off(*_: object) -> None:
    """The end of the process."""
    raise Killed


def test_nothing_is_sent_that_could_not_be_noted(
    spool: Path, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(spool, a_notice(), [LOG])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HalfDone, match="No space left on device"):
        deliver(spool, outbox)
    assert outbox.at == []
    with pytest.raises(HalfDone, match="No space left on device"):
        enqueue(spool, a_notice(subject="incident-2"), [LOG])
    monkeypatch.undo()
    assert len(deliver(spool, outbox)) == 1
    assert list((spool / "parts").iterdir()) == []


def test_a_delivery_that_someone_else_is_making_is_left_to_them(spool: Path, outbox: Outbox) -> None:
    (one,) = enqueue(spool, a_notice(), [LOG])
    with lock(spool, one.id, wait=False) as mine:
        assert mine
        assert deliver(spool, outbox) == []
        # Not even waited for: it is known already.
        assert enqueue(spool, a_notice(), [LOG]) == []
    assert len(deliver(spool, outbox)) == 1
    assert list((spool / "locks").iterdir()) == []


def test_a_lock_has_one_holder_at_a_time_while_its_file_comes_and_goes(tmp_path: Path) -> None:
    holders: list[int] = []
    most = []

    def hold() -> None:
        for _ in range(60):
            with locked(tmp_path / "lock", wait=True):
                holders.append(1)
                most.append(len(holders))
                time.sleep(0.0005)
                holders.pop()

    threads = [Thread(target=hold) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(most), max(most)) == (240, 1)
    assert list(tmp_path.iterdir()) == []


# Damage


def emptied(content: bytes) -> bytes:
    return b""


def torn(content: bytes) -> bytes:
    return content[: len(content) // 2]


def of_another(content: bytes) -> bytes:
    return content.replace(b"ntc_", b"ntc_0")


def with_a_line_end_in_the_id(content: bytes) -> bytes:
    return content.replace(b"ntc_", b"ntc_\\n")


def without_a_time(content: bytes) -> bytes:
    return content.replace(b'"next_attempt": null', b'"next_attempt": "soon"')


def of_no_time(content: bytes) -> bytes:
    return content.replace(b'"at": "2026', b'"at": "soon')


def of_the_future(content: bytes) -> bytes:
    return content.replace(b'"version": 1', b'"version": 2')


def of_wrong_types(content: bytes) -> bytes:
    return content.replace(b'"attempts": 0', b'"attempts": "many"')


DAMAGE = [
    emptied,
    torn,
    of_another,
    with_a_line_end_in_the_id,
    without_a_time,
    of_no_time,
    of_the_future,
    of_wrong_types,
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_file_is_set_aside_and_reported_and_the_others_go_on(
    spool: Path, outbox: Outbox, damage: Callable[[bytes], bytes]
) -> None:
    (one,) = enqueue(spool, a_notice(), [LOG])
    enqueue(spool, a_notice(subject="incident-2"), [LOG])
    file = file_of(spool, DeliveryState.WAITING, one.id)
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert file.read_bytes() != content
    reported, done = deliver(spool, outbox)
    assert (reported.id, reported.state) == (one.id, "unreadable")
    assert reported.last_error.startswith("the spool file cannot be read: ")
    assert outbox.sent == [("log", "incident-2")]
    assert deliver(spool, outbox) == []
    assert dead_letters(spool) == [reported]
    assert list_deliveries(spool) == [done, reported]
    aside = file_of(spool, DeliveryState.UNREADABLE, one.id)
    assert aside.read_bytes() == damage(content)
    with pytest.raises(InputError, match="cannot be read"):
        retry_dead(spool, one.id)
    with pytest.raises(InputError, match="cannot be read"):
        get_notice(spool, one.id)
    aside.write_bytes(content)
    assert "has been mended" in dead_letters(spool)[0].last_error
    retry_dead(spool, one.id)
    deliver(spool, outbox)
    assert outbox.sent[1:] == [("log", "incident-1")]


def test_a_damaged_delivery_that_is_enqueued_again_is_whole_again(spool: Path, outbox: Outbox) -> None:
    (one,) = enqueue(spool, a_notice(), [LOG])
    file_of(spool, DeliveryState.WAITING, one.id).write_bytes(b"{")
    deliver(spool, outbox)
    assert len(enqueue(spool, a_notice(), [LOG])) == 1
    deliver(spool, outbox)
    assert [one.state for one in list_deliveries(spool)] == ["delivered"]


@settings(max_examples=40)
@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_any_content_is_set_aside(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    spool = tmp_path_factory.mktemp("spool")
    (one,) = enqueue(spool, a_notice(), [LOG])
    file_of(spool, DeliveryState.WAITING, one.id).write_bytes(content)
    (reported,) = deliver(spool, Outbox())
    assert reported.state is DeliveryState.UNREADABLE


def test_other_files_and_folders_in_the_spool_do_no_harm(spool: Path, outbox: Outbox) -> None:
    enqueue(spool, a_notice(), [LOG])
    (spool / "waiting" / "notes.txt").write_text("mine")
    (spool / "waiting" / "folder.json").mkdir()
    (spool / "waiting" / "dangling.json").symlink_to(spool / "nowhere")
    (spool / "waiting" / "a b.json").write_text("{}")
    assert sorted(one.state for one in deliver(spool, outbox)) == ["delivered", "unreadable"]


def test_a_spool_folder_that_cannot_be_used_is_named(tmp_path: Path, outbox: Outbox) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for use in (lambda: enqueue(file, a_notice(), [LOG]), lambda: deliver(file, outbox)):
        with pytest.raises(CrisplensError, match=f"{file} cannot be used: "):
            use()
