"""The use case of bringing a project under the record: its risk tier chooses the policy that it is judged by."""

from __future__ import annotations

from crisplens.core.work import UnitOfWork
from crisplens.lifecycle.policies.shipped import BY_TIER, shipped_policy
from crisplens.registry.projects import service as projects
from crisplens.registry.projects.model import RiskTier, choose
from crisplens.registry.projects.queries import Project


def add_project(
    work: UnitOfWork,
    name: str,
    *,
    title: str = "",
    owner: str | None = None,
    risk: str = RiskTier.MEDIUM,
    description: str = "",
    policy: str | None = None,
) -> Project:
    """Bring a project under the record; its owner is the actor unless named.

    Its risk tier chooses the shipped policy that it is judged by (low `light`, medium `standard`, high `high-risk`),
    unless `policy` names another shipped one; its own ones it adopts later. Raises `InputError` for a name that
    exists or cannot name a project, an unknown risk tier or policy.
    """
    tier = RiskTier(choose(RiskTier, "the risk tier", risk))
    chosen = shipped_policy(policy if policy is not None else BY_TIER[tier]).ref
    return projects.add_project(
        work, name, title=title, owner=owner, risk=tier, description=description, policy=chosen
    )
