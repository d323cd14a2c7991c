"""Whether it is in order: gates, approvals, cycles, deployments, roles, risks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from crisplens.binding import Command, Noun, ProjectQuery, Query
from crisplens.core import ssh
from crisplens.lifecycle import approvals, cycles, doors, gate_queries, inbox, overrides
from crisplens.lifecycle import queries as lifecycle_queries
from crisplens.lifecycle.model import Decision
from crisplens.lifecycle.risks import queries as risk_queries
from crisplens.lifecycle.risks import service as risks
from crisplens.lifecycle.roles import queries as role_queries
from crisplens.lifecycle.roles import service as roles
from crisplens.lifecycle.signatures import NAMESPACE, ApprovalStatement
from crisplens.registry.deployments import queries as deployment_queries
from crisplens.registry.model import VersionRef

if TYPE_CHECKING:
    from crisplens.api import Registry


class Gates(Noun):
    """`crisplens gate`"""

    _registry: Registry

    check = ProjectQuery(gate_queries.query_gate)
    list = ProjectQuery(gate_queries.list_gates)
    demands = ProjectQuery(lifecycle_queries.list_gate_demands)

    def demand(self, phase: str, signatures: str, *, reason: str) -> lifecycle_queries.GateDemand:
        """Let a gate take signed approvals only (`required`) or unsigned ones too (`optional`; needs the log's key)."""
        with self._registry.writing() as work:
            return approvals.demand_signatures(
                work, phase, signatures, reason=reason, signer=lambda: self._registry.signer
            )


Inbox = list[inbox.InboxItem]


class Approvals(Noun):
    """`crisplens approval`"""

    _registry: Registry

    request = Command(approvals.request_approval)
    grant = Command(approvals.grant_approval)
    reject = Command(approvals.reject_approval)
    request_changes = Command(approvals.request_changes)
    withdraw = Command(approvals.withdraw_approval)
    delegate = Command(roles.delegate_approval)
    end_delegation = Command(roles.end_delegation)
    list = ProjectQuery(lifecycle_queries.list_approvals)
    requests = ProjectQuery(lifecycle_queries.list_requests)
    delegations = ProjectQuery(role_queries.list_delegations)
    _inbox = Query(inbox.list_inbox)
    show = ProjectQuery(approvals.show_approval)
    _state = ProjectQuery(approvals.state_approval)

    def inbox(self, actor: str | None = None, *, project: str | None = None) -> Inbox:
        """What waits for a person's decision (the registry's actor unless named), in every project or in one."""
        return self._inbox(actor if actor is not None else self._registry.actor.id, project=project)

    def statement(
        self,
        phase: str,
        *,
        decision: str = Decision.APPROVED,
        reason: str = "",
        model: str | VersionRef | None = None,
    ) -> ApprovalStatement:
        """What the actor would state by deciding on a phase's checkpoint as it stands; `message()` is signed."""
        actor = self._registry.actor.id
        return self._state(phase, actor=actor, decision=decision, reason=reason, model=model)

    def sign(
        self,
        phase: str,
        key: str | os.PathLike[str],
        *,
        decision: str = Decision.APPROVED,
        reason: str = "",
        model: str | VersionRef | None = None,
    ) -> str:
        """The actor's armoured signature of that statement, made by ssh-keygen with a key file or an agent.

        `key` is a private key file, or the public one whose other half an agent holds.
        """
        statement = self.statement(phase, decision=decision, reason=reason, model=model)
        return ssh.sign_with_ssh_keygen(Path(key).expanduser(), statement.message(), namespace=NAMESPACE)


class Cycles(Noun):
    """`crisplens cycle`"""

    open = Command(cycles.open_cycle)
    close = Command(doors.close_cycle)
    list = ProjectQuery(lifecycle_queries.list_cycles)
    history = ProjectQuery(cycles.list_cycle_stories)


class Deployments(Noun):
    """`crisplens deployment`"""

    record = Command(doors.record_deployment)
    list = ProjectQuery(deployment_queries.list_deployments)


class Overrides(Noun):
    """`crisplens override`"""

    grant = Command(overrides.override_gate)
    review = Command(overrides.review_override)
    list = ProjectQuery(lifecycle_queries.list_overrides)


class Roles(Noun):
    """`crisplens role`"""

    grant = Command(roles.grant_role)
    withdraw = Command(roles.withdraw_role)
    list = ProjectQuery(role_queries.list_roles)


class Risks(Noun):
    """`crisplens risk`"""

    add = Command(risks.add_risk)
    update = Command(risks.update_risk)
    review = Command(risks.review_risk)
    close = Command(risks.close_risk)
    list = ProjectQuery(risk_queries.list_risks)
    show = ProjectQuery(risk_queries.get_risk)
