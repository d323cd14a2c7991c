"""How many SQL statements gates and status take: as many for one demanded control as for hundreds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from crisplens.api import Registry
from crisplens.lifecycle.phases import list_phases
from tests.conftest import Files, pass_phase, statements

pytestmark = pytest.mark.stored
POLICY = "policy: {name}\nversion: 1\ntitle: Controls\nphases:\n"


def demand(registry: Registry, files: Files, name: str, most: int) -> int:
    """Adopt a policy that demands up to `most` controls in each phase; returns how many it demands."""
    lines, demanded = [POLICY.format(name=name)], 0
    for phase in list_phases():
        controls = registry.control.list(phase=phase.id)[:most]
        demanded += len(controls)
        listed = "".join(f"      - {{id: '{one.qualified}'}}\n" for one in controls)
        lines.append(f"  {phase.id}:\n    controls:\n{listed}")
    registry.policy.adopt(files.text("".join(lines), f"{name}.yaml"))
    return demanded


@pytest.mark.parametrize(
    "ask",
    [
        lambda registry: registry.status.show(),
        lambda registry: registry.gate.list(),
        lambda registry: registry.gate.check("evaluation"),
    ],
    ids=["status", "gate list", "gate check"],
)
def test_they_do_not_grow_with_the_controls(
    first_cycle: Registry, files: Files, ask: Callable[[Registry], object]
) -> None:
    one = demand(first_cycle, files, "one", 1)
    few = statements(first_cycle, lambda: ask(first_cycle))
    many_demanded = demand(first_cycle, files, "many", 1000)
    assert many_demanded > 20 * one
    # One more row of adopted policies is read by the same statement.
    assert statements(first_cycle, lambda: ask(first_cycle)) == few


def test_they_do_not_grow_with_the_record(first_cycle: Registry, files: Files) -> None:
    before = statements(first_cycle, lambda: first_cycle.status.show())
    for _ in range(5):
        pass_phase(first_cycle, "business-goal")
    assert statements(first_cycle, lambda: first_cycle.status.show()) == before
