"""The door to exports: a monitor's schedule as files for another scheduler. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from crisplens.core.errors import InputError
from crisplens.core.names import check_name
from crisplens.monitors.schedules.model import Schedule, parse_schedule, schedule_text
from crisplens.monitors.schedules.targets.airflow import airflow
from crisplens.monitors.schedules.targets.crontab import crontab
from crisplens.monitors.schedules.targets.github import github
from crisplens.monitors.schedules.targets.kubernetes import kubernetes
from crisplens.monitors.schedules.targets.plan import Job
from crisplens.monitors.schedules.targets.systemd import systemd

_EXPORTERS: dict[str, Callable[[Job], dict[str, str]]] = {
    "airflow": airflow,
    "cron": crontab,
    "github": github,
    "kubernetes": kubernetes,
    "systemd": systemd,
}
TARGETS = tuple(_EXPORTERS)


def export(
    schedule: Schedule,
    name: str,
    command: Sequence[str],
    target: str,
    *,
    now: datetime | None = None,
    image: str = "",
) -> dict[str, str]:
    """The files, by name, that make `target` start `command` when the monitor `name` is due.

    `command` is a list of words that reach the program as they are. `now` tells whether the schedule's
    start is past; `image` is the container image for kubernetes. On days on which clocks change, each target
    has its own rule for the hour that is skipped or repeated. Raises `InputError` for what the target cannot
    say, with the nearest that it can.
    """
    if target not in _EXPORTERS:
        raise InputError(
            f"schedules are not exported to {target!r}",
            slug="bad-choice",
            hint=f"Accepted: {', '.join(TARGETS)}.",
        )
    # A schedule from elsewhere than `parse_schedule` may hold anything.
    checked = parse_schedule(schedule_text(schedule), schedule.zone, start=schedule.start)
    job = Job(_checked_name(name), _checked_command(command), checked, now, image)
    return _EXPORTERS[target](job)


def _checked_name(name: str) -> str:
    if not name.isascii():
        raise InputError(
            f"{name!r} cannot name the files of an export",
            slug="bad-name",
            hint="Use 1 to 100 letters of the English alphabet, digits, dots, dashes or underscores.",
        )
    return check_name("monitor", name)


def _checked_command(command: Sequence[str]) -> tuple[str, ...]:
    if isinstance(command, str) or not command or not command[0]:
        raise InputError(
            "there is no command to run",
            slug="cannot-export",
            hint="Give the program and its arguments as a list, one word each.",
        )
    for word in command:
        try:
            word.encode()
        except UnicodeEncodeError:
            raise _bad_word(word) from None
        if "\0" in word:
            raise _bad_word(word)
    return tuple(command)


def _bad_word(word: str) -> InputError:
    return InputError(
        f"no program can be given the word {word!r}",
        slug="cannot-export",
        hint="Use Unicode text without NUL characters.",
    )
