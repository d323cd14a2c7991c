"""A line for a crontab. Pure."""

from __future__ import annotations

import shlex

from crisplens.monitors.schedules.targets.plan import Job, check_start, plan_for, refuse_mixed_days, refused

# Debian's cron reads no longer command; cronie does.
_LONGEST = 998


def crontab(job: Job) -> dict[str, str]:
    """`crisplens-NAME.cron`, in the format of a user's crontab (no column for the user)."""
    check_start(job, "cron")
    plan = plan_for(job, "cron", most_lines=24)
    refuse_mixed_days(plan, "cron")
    command = " ".join(_quote(word) for word in job.command)
    if len(command.encode()) > _LONGEST:
        raise refused(
            f"cron takes commands of at most {_LONGEST} bytes",
            "Put the command into a script and export the script's path.",
        )
    lines = [
        f"# {job.title}",
        "# cronie reads CRON_TZ, for all lines below it. Debian's cron ignores it and uses the machine's time",
        "# zone: where that is another one, use systemd instead.",
        f"CRON_TZ={plan.zone}",
        *(f"{cron} {command}" for cron in plan.crons()),
    ]
    return {f"crisplens-{job.name}.cron": "\n".join(lines) + "\n"}


def _quote(word: str) -> str:
    r"""`word` for a shell within a crontab, where `\%` stands for % and % for the end of the command.

    cron takes a backslash before % for its own, also within quotes; so each % stands outside of them.
    """
    if "\n" in word or "\r" in word:
        raise refused(
            f"a line of a crontab cannot hold the line break in {word!r}",
            "Put the command into a script and export the script's path.",
        )
    quoted = shlex.quote(word)
    return quoted.replace("%", r"'\%'" if quoted != word else r"\%")
