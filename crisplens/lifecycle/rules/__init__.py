"""The built-in rules of each phase's gate: pure questions to the record, and what each answer rests on."""

from crisplens.lifecycle.rules import data, goal, production, training
from crisplens.lifecycle.rules.situation import Outcome, Rule, Situation, no_control_not_met

__all__ = ["PHASE_RULES", "Outcome", "Rule", "Situation", "no_control_not_met"]

PHASE_RULES: dict[str, tuple[Rule, ...]] = {**goal.RULES, **data.RULES, **training.RULES, **production.RULES}
