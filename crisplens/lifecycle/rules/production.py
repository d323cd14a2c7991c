"""Rules on deployment and monitoring."""

from __future__ import annotations

from crisplens.core.text import count
from crisplens.lifecycle.rules.situation import Outcome, Rule, Situation, listed
from crisplens.registry.lineage.model import NodeKind
from crisplens.registry.model import GateDecision


def in_production(s: Situation) -> Outcome:
    """Is there a deployment to production?"""
    deployed = s.deployment
    if deployed is None:
        return Outcome(False, "nothing is in production")
    return Outcome(
        True, f"{deployed.id}: {listed(one.model for one in deployed.variants)}", {deployed.id: deployed.seq}
    )


def deployed_through_gate(s: Situation) -> Outcome:
    """Did every deployed version pass its gate?"""
    if s.deployment is None:
        return Outcome(False, "nothing is in production")
    decisions = s.deployment.gates
    gaps = [
        one.model
        for one in s.deployment.variants
        if not (mine := [gate for gate in decisions if gate.subject == str(one.model)])
        or not all(_passed(s, gate) for gate in mine)
    ]
    overridden = [gate.override for gate in decisions if gate.override]
    found = f"not: {listed(gaps)}" if gaps else "every version did"
    return Outcome(not gaps, found + (f" ({listed(overridden)})" if overridden else ""))


def _passed(s: Situation, gate: GateDecision) -> bool:
    """Whether the gate was open, or its override was found to be justified."""
    justified = {one.id for one in s.record.overrides if one.outcome == "justified"}
    return gate.open or gate.override in justified


def deployment_traced(s: Situation) -> Outcome:
    """Does the deployment's lineage reach data sources without a hole?"""
    if s.deployment is None:
        return Outcome(False, "nothing is in production")
    holes = s.record.lineage.holes(f"{NodeKind.DEPLOYMENT}:{s.deployment.id}")
    return Outcome(not holes, "; ".join(holes) or "no hole")


def model_watched(s: Situation) -> Outcome:
    """Has every model in production a monitor?"""
    deployed = dict.fromkeys(one.model.name for one in s.deployment.variants) if s.deployment else {}
    watched = {monitor.model for monitor in s.record.monitors}
    gaps = [name for name in deployed if name not in watched]
    basis = {f"monitor {monitor.name}": monitor.seq for monitor in s.record.monitors}
    met = bool(deployed) and not gaps
    found = f"without: {listed(gaps)}" if gaps else "every one has" if met else "nothing is in production"
    return Outcome(met, found, basis)


def monitor_ran(s: Situation) -> Outcome:
    """Has every monitor checked something?"""
    gaps = [monitor.name for monitor in s.record.monitors if monitor.name not in s.record.check_counts]
    met = bool(s.record.monitors) and not gaps
    checks = sum(s.record.check_counts.values())
    return Outcome(
        met, count(checks, "check") if met else f"never ran: {listed(gaps, 'there is no monitor')}"
    )


def alarms_answered(s: Situation) -> Outcome:
    """Is nothing waiting for an answer?"""
    waiting = [one.id for one in (*s.record.incidents, *s.record.triggers) if one.is_open]
    return Outcome(not waiting, f"open: {listed(waiting)}" if waiting else "none is open")


RULES: dict[str, tuple[Rule, ...]] = {
    "deployment": (
        Rule(
            "in-production",
            "A version is in production",
            in_production,
            "crisplens deployment record MODEL@N --environment production --kind batch",
        ),
        Rule(
            "deployed-through-gate",
            "Every version in production passed its evaluation gate",
            deployed_through_gate,
            "deploy an approved version",
        ),
        Rule(
            "deployment-traced",
            "Its lineage reaches data sources without a hole",
            deployment_traced,
            "crisplens lineage show MODEL@N",
        ),
    ),
    "monitoring": (
        Rule(
            "model-watched",
            "Every model in production has a monitor",
            model_watched,
            "crisplens monitor add NAME --model MODEL --reference FILE --current 'FILES'",
        ),
        Rule("monitor-ran", "Every monitor has run", monitor_ran, "crisplens monitor run NAME"),
        Rule(
            "alarms-answered",
            "No incident or trigger is open",
            alarms_answered,
            "crisplens trigger resolve ID --model MODEL@N",
        ),
    ),
}
