"""Reads of policies: those that are shipped, those that a project adopted, and the one in force."""

from __future__ import annotations

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.lifecycle.policies.model import Adoption, Policy, PolicyInForce, in_force
from crisplens.lifecycle.policies.shipped import shipped_names, shipped_policy
from crisplens.lifecycle.policies.tables import AdoptionRow
from crisplens.registry.projects.queries import Project, get_project
from crisplens.registry.views import View, views


class PolicyAdoption(View, frozen=True, kw_only=True):
    """A policy that a project took on."""

    id: str
    name: str
    version: int
    digest: str
    content: Policy
    reason: str

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class PolicyListed(msgspec.Struct, frozen=True, kw_only=True):
    """A policy that a project can be judged by: shipped, or adopted in event `seq`."""

    policy: str
    title: str
    origin: str
    in_force: bool
    seq: int | None = None
    adopted_by: str | None = None
    adopted_at: str | None = None


def list_adoptions(session: Session, project: str) -> list[PolicyAdoption]:
    """The policies that a project took on, in the order of adoption."""
    query = select(AdoptionRow).filter_by(project=project).order_by(AdoptionRow.seq)
    return views(session.connection().execute(query), PolicyAdoption)


def load_policy(session: Session, project: Project) -> PolicyInForce:
    """The policy that a project is judged by."""
    adoptions = [
        Adoption(policy=one.content, seq=one.seq) for one in list_adoptions(session, project.project)
    ]
    return in_force(shipped_policy(project.policy), project.seq, adoptions)


def list_policies(session: Session, project: str) -> list[PolicyListed]:
    """The shipped policies, and those of its own that the project adopted; one is in force."""
    chosen = load_policy(session, get_project(session, project)).policy.ref
    found = {
        name: PolicyListed(
            policy=name, title=shipped_policy(name).title, origin="shipped", in_force=name == chosen
        )
        for name in shipped_names()
    }
    for one in list_adoptions(session, project):
        origin = found[one.ref].origin if one.ref in found else "own"
        found[one.ref] = PolicyListed(
            policy=one.ref,
            title=one.content.title,
            origin=origin,
            in_force=one.ref == chosen,
            seq=one.seq,
            adopted_by=one.recorded_by,
            adopted_at=one.recorded_at,
        )
    return list(found.values())


def show_policy(session: Session, project: str, reference: str | None = None) -> Policy:
    """The policy in force, or another one that is shipped or was adopted, by `name@version`.

    Raises `InputError` with the nearest names when there is none.
    """
    if reference is None:
        return load_policy(session, get_project(session, project)).policy
    own = {one.ref: one.content for one in list_adoptions(session, project)}
    own |= {one.name: one.content for one in list_adoptions(session, project)}
    if reference in own:
        return own[reference]
    if reference in shipped_names() or reference in {name.partition("@")[0] for name in shipped_names()}:
        return shipped_policy(reference)
    raise unknown_name("policy", reference, [*shipped_names(), *own])
