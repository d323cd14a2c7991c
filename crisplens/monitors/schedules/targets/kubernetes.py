"""A Kubernetes CronJob. Pure."""

from __future__ import annotations

import hashlib
import re

from crisplens.monitors.schedules.targets.plan import Job, check_start, plan_for, refuse_mixed_days, refused
from crisplens.monitors.schedules.targets.yaml_text import Quoted, to_yaml

DEFAULT_IMAGE = "crisplens:latest"
_LONGEST_NAME = 52
# A check that was missed for longer is left to the next run.
_DEADLINE_SECONDS = 3600


def kubernetes(job: Job) -> dict[str, str]:
    """`crisplens-NAME.yaml`: a CronJob (batch/v1, Kubernetes 1.27 and later) that starts no shell."""
    check_start(job, "kubernetes")
    plan = plan_for(job, "kubernetes", most_lines=1)
    refuse_mixed_days(plan, "kubernetes")
    image = job.image or DEFAULT_IMAGE
    if not image.isprintable() or not image.isascii() or " " in image:
        raise refused(
            f"{image!r} is not the name of a container image", "Write it such as example.org/crisplens:1.0."
        )
    name = _object_name(job.name)
    words = [Quoted(word.replace("$", "$$")) for word in job.command]
    container = {"name": "check", "image": Quoted(image), "command": words[:1], "args": words[1:]}
    document: dict[str, object] = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": name, "annotations": {"crisplens/monitor": Quoted(job.name)}},
        "spec": {
            "schedule": Quoted(plan.crons()[0]),
            "timeZone": Quoted(plan.zone),
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": _DEADLINE_SECONDS,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 0,
                    "template": {"spec": {"restartPolicy": "Never", "containers": [container]}},
                }
            },
        },
    }
    head = (
        f"# {job.title}\n# The image must hold crisplens, and the pod must reach the registry and the data.\n"
    )
    return {f"crisplens-{job.name}.yaml": head + to_yaml(document)}


def _object_name(name: str) -> str:
    """A name that Kubernetes takes (RFC 1123, at most 52 characters for a CronJob), another for every name."""
    plain = re.sub(r"[^a-z0-9]", "-", f"crisplens-{name}".lower()).rstrip("-")
    if plain == f"crisplens-{name}" and len(plain) <= _LONGEST_NAME:
        return plain
    digest = hashlib.sha256(name.encode()).hexdigest()[:8]
    return f"{plain[: _LONGEST_NAME - 9].rstrip('-')}-{digest}"
