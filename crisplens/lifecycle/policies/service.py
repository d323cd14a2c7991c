"""Use cases of policies: checking a document, and adopting a policy."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from sqlalchemy.orm import Session

from crisplens.core.canonical import digest_json
from crisplens.core.documents import read_document_file
from crisplens.core.errors import InputError, Refused
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.lifecycle.catalogues.queries import answerable, find_control
from crisplens.lifecycle.policies.demands import ExampleResult, run_example
from crisplens.lifecycle.policies.documents import read_policy
from crisplens.lifecycle.policies.events import PolicyAdopted
from crisplens.lifecycle.policies.model import Policy
from crisplens.lifecycle.policies.queries import PolicyAdoption, list_adoptions, load_policy
from crisplens.lifecycle.policies.shipped import shipped_names, shipped_policy
from crisplens.lifecycle.policies.tables import AdoptionRow
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import get_view, next_id


class PolicyTested(msgspec.Struct, frozen=True, kw_only=True):
    """A policy and what its examples showed."""

    policy: str
    passed: bool
    examples: tuple[ExampleResult, ...]


def check_policy(session: Session | None, file: str | os.PathLike[str]) -> Policy:
    """Read a policy file (YAML or JSON) and check all of it, without recording anything.

    Controls are those of the shipped catalogues and, with a `session`, of the registry's own. Raises `InputError`
    with file, line and column.
    """
    document = read_document_file(Path(file))

    def find(phase: str, id: str) -> str:
        return answerable(find_control(session, id), phase).kept_id

    return read_policy(document, find)


def test_policy(session: Session | None, file: str | os.PathLike[str]) -> PolicyTested:
    """Run the examples that stand in a policy file. Raises `InputError` as `check_policy` does."""
    policy = check_policy(session, file)
    results = tuple(run_example(policy, example) for example in policy.examples)
    return PolicyTested(policy=policy.ref, passed=all(one.passed for one in results), examples=results)


# It is no test of ours, whatever its name.
test_policy.__test__ = False  # type: ignore[attr-defined]


def adopt_policy(work: UnitOfWork, policy: str | os.PathLike[str], *, reason: str = "") -> PolicyAdoption:
    """Judge the project by a policy from here on: a shipped one by its name, or that of a file.

    What was approved under demands that are others now is stale. Raises `InputError` for a file that is no policy, a
    name that is none, and the policy that is in force already; `Refused` when a version comes with other content than
    before, or an example in it fails.
    """
    project = get_project(work.session, work.project)
    chosen = _chosen(work, policy)
    digest = policy_digest(chosen)
    if chosen.ref in shipped_names() and digest != policy_digest(shipped_policy(chosen.ref)):
        raise Refused(
            f"{chosen.ref} is shipped with crisplens, with other content",
            slug="version-taken",
            hint="Give yours a name of its own, and `extends` for what it shares.",
        )
    for one in list_adoptions(work.session, work.project):
        if one.ref == chosen.ref and one.digest != digest:
            raise Refused(
                f"{chosen.ref} was adopted on {one.recorded_at[:10]} with other content",
                slug="version-taken",
                hint=f"A version never changes: raise it to {one.version + 1}.",
            )
    current = load_policy(work.session, project).policy
    if current.ref == chosen.ref:
        raise InputError(
            f"{chosen.ref} is in force already", slug="exists", hint="See `crisplens policy list`."
        )
    failing = [one for one in (run_example(chosen, example) for example in chosen.examples) if not one.passed]
    if failing:
        raise Refused(
            f"{chosen.ref} fails its own example {failing[0].name!r}",
            slug="policy-example",
            hint="See `crisplens policy test FILE`.",
        )
    event = PolicyAdopted(
        id=next_id(work.session, work.project, AdoptionRow, "policy"),
        name=chosen.policy,
        version=chosen.version,
        digest=digest,
        content=chosen,
        reason=check_text("the reason", reason, required=False),
    )
    append(work, event)
    return get_view(work.session, AdoptionRow, (work.project, event.id), PolicyAdoption)


def policy_digest(policy: Policy) -> str:
    """`sha256:<hex>` of a policy's canonical JSON."""
    return digest_json(msgspec.to_builtins(policy))


def _chosen(work: UnitOfWork, policy: str | os.PathLike[str]) -> Policy:
    text = os.fspath(policy)
    names = {*shipped_names(), *(name.partition("@")[0] for name in shipped_names())}
    if text in names:
        return shipped_policy(text)
    for one in reversed(list_adoptions(work.session, work.project)):
        if text in (one.ref, one.name):
            return one.content
    if not _is_file(text) and "." not in text and os.sep not in text:
        raise InputError(
            f"there is no policy named {text[:100]!r}",
            slug="unknown-name",
            hint=f"Shipped: {', '.join(shipped_names())}. Or name a file.",
        )
    return check_policy(work.session, text)


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):
        # Too long a name, or one with a NUL, is no file's.
        return False
