"""A systemd service and the timer that starts it. Pure."""

from __future__ import annotations

from crisplens.monitors.schedules.cron import CronFields
from crisplens.monitors.schedules.targets.plan import Job, check_start, plan_for, refused

_WEEKDAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t", "%": "%%", "$": "$$"}


def systemd(job: Job) -> dict[str, str]:
    """`crisplens-NAME.service` and `crisplens-NAME.timer`.

    Quoting as in https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#Command%20lines
    """
    check_start(job, "systemd")
    plan = plan_for(job, "systemd", most_lines=24)
    unit = f"crisplens-{job.name}"
    words = [_program(job.command[0]), *(_quote(word) for word in job.command[1:])]
    service = [
        f"# {job.title}",
        "[Unit]",
        f"Description=crisplens monitor {job.name}",
        "Wants=network-online.target",
        "After=network-online.target",
        "",
        "[Service]",
        "Type=oneshot",
        f"ExecStart={' '.join(words)}",
    ]
    timer = [
        f"# {job.title}",
        "[Unit]",
        f"Description=Schedule of crisplens monitor {job.name}",
        "",
        "[Timer]",
        *(f"OnCalendar={moments}" for line in plan.lines for moments in calendars(line, plan.zone)),
        "Persistent=true",
        "",
        "[Install]",
        "WantedBy=timers.target",
    ]
    return {f"{unit}.service": "\n".join(service) + "\n", f"{unit}.timer": "\n".join(timer) + "\n"}


def calendars(line: CronFields, zone: str) -> list[str]:
    """The moments of a cron line as calendar events of systemd, whose parts must all match.

    So where cron takes either of two day fields, there is an event for each.
    https://www.freedesktop.org/software/systemd/man/latest/systemd.time.html#Calendar%20Events
    """
    weekdays = ",".join(_WEEKDAYS[day] for day in line.weekdays or ()) if len(line.weekdays or ()) < 7 else ""
    days = _numbers(line.days or (), 31)
    months = _numbers(line.months, 12)
    clock = f"{_numbers(line.hours, 24)}:{_numbers(line.minutes, 60)}:00 {zone}"
    parts = [(weekdays, days)] if line.both_days else [("", days), (weekdays, "*")]
    return [f"{on} *-{months}-{day} {clock}".strip() for on, day in parts]


def _numbers(values: tuple[int, ...], full: int) -> str:
    return "*" if len(values) == full else ",".join(f"{value:02}" for value in values)


def _program(word: str) -> str:
    plain = word.startswith("/") or ("/" not in word and word[0] not in "@-:+!|")
    if not plain or word.endswith("/") or "$" in word or not word.isprintable():
        raise refused(
            f"systemd cannot start the program {word!r}",
            "Give its absolute path, or a plain name, without a dollar sign or control characters.",
        )
    return _quote(word)


def _quote(word: str) -> str:
    return '"' + "".join(_ESCAPES.get(char) or _control(char) for char in word) + '"'


def _control(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < 32 or ord(char) == 127 else char
