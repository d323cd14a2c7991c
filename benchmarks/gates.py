"""How long gates take on a project that holds much: they must grow with it, and no faster.

    python benchmarks/gates.py --check

Three projects, each with 1,000 and with 10,000 events: one full of runs and of evaluations of one model; one that
trains a version a day, each dataset derived from the one before; and one that is governed: 200 model versions at the
larger size, checkpoints and decisions on every phase, and a policy that demands a control of every catalogue in every
phase. `gate.check` of one phase, `gate.list` of all ten and `status` are compared at both sizes, and with what they
may take at 10,000 (100 ms for the governed one). SQL statements are counted. Runs alternate, and the least of
each counts, in processor time: the database is SQLite, within the process, and the machine may be busy.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import event

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from crisplens import api  # noqa: E402
from crisplens.lifecycle.phases import list_phases  # noqa: E402

ACTOR = "bench@example.org"
SIZES = (1_000, 10_000)
MOST_RATIO = 12.0
CODE = {"code_version": "git:4f3c9ab", "environment": {"python": "3.12.4"}}


@dataclass(frozen=True)
class Question:
    """Something asked of the gates, and how many seconds of a processor the answer may take at the larger size."""

    name: str
    ask: Callable[[api.Registry], object]
    goal: float
    governed_goal: float = 0.1


QUESTIONS = (
    Question('gate.check("evaluation")', lambda registry: registry.gate.check("evaluation"), 0.15),
    Question("gate.list()", lambda registry: registry.gate.list(), 0.5),
    Question("status.show()", lambda registry: registry.status.show(), 0.5),
)
POLICY = """
policy: everything
version: 1
title: A control of every catalogue in every phase
phases:
"""


def begin(registry: api.Registry, file: Path) -> None:
    """From the goal to the first model version, as every project has it."""
    registry.project.add("churn", title="Churn")
    registry.goal.set(problem="4% leave each quarter", value="1.2 M a year", options={"rules": "too coarse"})
    registry.kpi.set("auc", target="0.80", baseline="0.71")
    registry.source.set("crm", access="retention team", permitted_use="retention", retention="24 months")
    for name in ("raw", "holdout"):
        registry.data.add(name, file, source="crm")
    train(registry, file, 1)


def train(registry: api.Registry, file: Path, day: int) -> None:
    """Prepare a dataset from the day before's, train a version on it, and evaluate that."""
    before = f"train@{day - 1}" if day > 1 else "raw@1"
    registry.run.record(f"prepare-{day}", activity="preparation", used=[before], **CODE)
    registry.data.add("train", file, derived_from=[before], run=f"prepare-{day}")
    registry.run.record(f"train-{day}", used=[f"train@{day}"], parameters={"depth": 6, "rate": 0.05}, **CODE)
    registry.model.register("churn-gbm", file, run=f"train-{day}", parameters={"depth": 6})
    metrics = {"auc": 0.83, "latency_ms": 96.5}
    registry.evaluation.record(f"churn-gbm@{day}", dataset="holdout@1", metrics=metrics)


def fill_with_experiments(registry: api.Registry, file: Path, size: int) -> None:
    """Of thirty events 21 are runs, eight are evaluations of the one version, and one is a KPI."""
    for number in range(registry.audit.head().size, size):
        if number % 10 < 7:
            registry.run.record(f"try-{number}", used=["train@1"], parameters={"depth": number}, **CODE)
        elif number % 30 == 9:
            registry.kpi.set(f"recall-{number}", target="0.4", baseline="0.3")
        else:
            registry.evaluation.record("churn-gbm@1", dataset="holdout@1", metrics={"auc": 0.83})


def fill_with_versions(registry: api.Registry, file: Path, size: int) -> None:
    """A version a day, until the log has that many events."""
    day = 1
    while registry.audit.head().size < size:
        day += 1
        train(registry, file, day)


def fill_with_governance(registry: api.Registry, file: Path, size: int) -> None:
    """A version for every fifty events; of the rest a fifth are checkpoints and decisions on them, the others runs."""
    policy = file.with_name("everything.yaml")
    policy.write_text(POLICY + "".join(demands(registry)), encoding="utf-8")
    registry.policy.adopt(policy)
    for day in range(2, size // 50 + 1):
        train(registry, file, day)
    reviewer, number = registry.acting_as("reviewer@example.org"), 0
    while registry.audit.head().size < size:
        phase = list_phases()[number % 10]
        answers = {one.id: ("met", f"because {one.title}") for one in phase.practices[:4]}
        registry.checkpoint.record(phase.id, controls=answers)
        reviewer.approval.reject(phase.id, reason="not yet")
        for attempt in range(8):
            registry.run.record(
                f"try-{number}-{attempt}", used=["train@1"], parameters={"depth": attempt}, **CODE
            )
        number += 1


def demands(registry: api.Registry) -> Iterator[str]:
    """For each phase, in YAML, a demand for every control that any catalogue has for it."""
    for phase in list_phases():
        yield f"  {phase.id}:\n    controls:\n"
        for one in registry.control.list(phase=phase.id):
            yield f"      - {{id: '{one.qualified}'}}\n"


FILLS = {
    "experiments": fill_with_experiments,
    "versions": fill_with_versions,
    "governed": fill_with_governance,
}


def make_project(folder: Path, fill: Callable[[api.Registry, Path, int], None], size: int) -> api.Registry:
    """A registry with one project of `size` events."""
    registry = api.init(folder).acting_as(ACTOR, project="churn")
    file = folder / "content.json"
    file.write_text('{"tenure": 3}\n')
    with registry.transaction() as together:
        begin(together, file)
        fill(together, file, size)
    return registry


def seconds(question: Question, registry: api.Registry) -> float:
    """Processor time of one answer."""
    start = time.process_time()
    question.ask(registry)
    return time.process_time() - start


def compare(question: Question, kind: str, projects: list[api.Registry], runs: int) -> bool:
    """Print the least times at both sizes and their ratio, and return whether both goals are met."""
    times: list[list[float]] = [[] for _ in projects]
    # The first round opens connections and compiles statements; it is not counted.
    for counted in [False] + [True] * runs:
        for registry, mine in zip(projects, times, strict=True):
            spent = seconds(question, registry)
            if counted:
                mine.append(spent)
    small, large = map(min, times)
    ratio, goal = large / small, question.governed_goal if kind == "governed" else question.goal
    few, many = (statements(question, registry) for registry in projects)
    print(
        f"{kind:12} {question.name:26} {small * 1000:6.0f} ms {large * 1000:6.0f} ms (goal: at most "
        f"{goal * 1000:g} ms)   ratio {ratio:5.2f} (goal: at most {MOST_RATIO:g})   {few} and {many} statements",
        flush=True,
    )
    return large <= goal and ratio <= MOST_RATIO and few == many


def statements(question: Question, registry: api.Registry) -> int:
    """How many SQL statements an answer takes."""
    ran: list[str] = []

    def note(*given: object) -> None:
        ran.append(str(given[2]))

    event.listen(registry.engine, "before_cursor_execute", note)
    try:
        question.ask(registry)
    finally:
        event.remove(registry.engine, "before_cursor_execute", note)
    return len(ran)


def main() -> int:
    """Compare, and with `--check` exit 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--check", action="store_true", help="exit 1 when a goal is missed")
    arguments = parser.parse_args()
    missed = []
    with tempfile.TemporaryDirectory() as name:
        for kind, fill in FILLS.items():
            projects = [make_project(Path(name, f"{kind}-{size}"), fill, size) for size in SIZES]
            missed += [
                f"{one.name} on {kind}"
                for one in QUESTIONS
                if not compare(one, kind, projects, arguments.runs)
            ]
            for registry in projects:
                registry.engine.dispose()
    if missed and arguments.check:
        print(f"missed its goal: {', '.join(missed)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
