"""A DAG file for Apache Airflow 2.10 and 3. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from crisplens.monitors.schedules.targets.plan import Job, plan_for, refuse_mixed_days

# Airflow 2 wants a start; catchup is off, so no earlier run is made up for.
_LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)

_DAG = """\
# {title}
from __future__ import annotations

import subprocess
from datetime import datetime

from airflow.timetables.trigger import CronTriggerTimetable

try:
    from airflow.sdk import dag, task
except ImportError:  # Airflow 2
    from airflow.decorators import dag, task

COMMAND = [
{words}
]


@dag(
    dag_id={dag_id!r},
    schedule=CronTriggerTimetable({cron!r}, timezone={zone!r}),
    start_date=datetime.fromisoformat({start!r}),
    catchup=False,
    max_active_runs=1,
)
def check_monitor():
    @task
    def check() -> None:
        # A list of words: no shell and no template reads them.
        subprocess.run(COMMAND, check=True)

    check()


check_monitor()
"""


def airflow(job: Job) -> dict[str, str]:
    """`crisplens_NAME.py`: a DAG with one task, which starts the command without a shell.

    The schedule's start is the DAG's.
    """
    plan = plan_for(job, "airflow", most_lines=1)
    refuse_mixed_days(plan, "airflow")
    text = _DAG.format(
        title=job.title,
        words="\n".join(f"    {word!r}," for word in job.command),
        dag_id=f"crisplens-{job.name}",
        cron=plan.crons()[0],
        zone=plan.zone,
        start=(job.schedule.start or _LONG_AGO).isoformat(),
    )
    return {f"crisplens_{job.name}.py": text}
