"""A workflow for GitHub Actions. Pure."""

from __future__ import annotations

import shlex

from crisplens.monitors.schedules.targets.plan import Job, check_start, plan_for, refuse_mixed_days
from crisplens.monitors.schedules.targets.yaml_text import Quoted, to_yaml
from crisplens.monitors.schedules.times import is_utc

# The shortest interval that GitHub runs.
_SHORTEST_MINUTES = 5


def github(job: Job) -> dict[str, str]:
    """`.github/workflows/crisplens-NAME.yml`: cron lines, with `timezone` where it is not UTC.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-syntax#onschedule
    """
    check_start(job, "github")
    plan = plan_for(job, "github", most_lines=24, shortest=_SHORTEST_MINUTES)
    refuse_mixed_days(plan, "github")
    zone = {} if is_utc(plan.zone) else {"timezone": Quoted(plan.zone)}
    document: dict[str, object] = {
        "name": Quoted(f"crisplens monitor {job.name}"),
        "on": {
            "schedule": [{"cron": Quoted(cron), **zone} for cron in plan.crons()],
            "workflow_dispatch": {},
        },
        "permissions": {"contents": "read"},
        "concurrency": {"group": f"crisplens-{job.name}", "cancel-in-progress": False},
        "jobs": {
            "check": {
                "runs-on": "ubuntu-latest",
                "env": {"CRISPLENS_REGISTRY": Quoted("${{ secrets.CRISPLENS_REGISTRY }}")},
                "steps": [
                    {"uses": "actions/checkout@v5"},
                    {"uses": "actions/setup-python@v6", "with": {"python-version": Quoted("3.13")}},
                    {"run": "pip install crisplens"},
                    {"shell": "bash", "run": Quoted(" ".join(_quote(word) for word in job.command))},
                ],
            }
        },
    }
    head = (
        f"# {job.title}\n"
        "# Set the secret CRISPLENS_REGISTRY to the registry's URL, or keep a crisplens.toml in the repository.\n"
    )
    return {f".github/workflows/crisplens-{job.name}.yml": head + to_yaml(document)}


def _quote(word: str) -> str:
    """`word` for bash; GitHub would replace `${{ ... }}` before bash sees it, so that never stands there."""
    return shlex.quote(word).replace("${{", "$''{{")
