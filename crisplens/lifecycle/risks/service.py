"""Use cases of the risk register."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from crisplens.core.dates import check_date, day_of
from crisplens.core.errors import InputError
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.lifecycle.catalogues.queries import resolve_controls
from crisplens.lifecycle.risks.events import RiskClosed, RiskRecorded, RiskReviewed, RiskUpdated
from crisplens.lifecycle.risks.model import Impact, Likelihood
from crisplens.lifecycle.risks.queries import Risk, get_risk
from crisplens.lifecycle.risks.tables import RiskRow
from crisplens.registry.projects.model import choose
from crisplens.registry.projects.queries import get_project
from crisplens.registry.views import next_id


def add_risk(
    work: UnitOfWork,
    title: str,
    *,
    likelihood: str,
    impact: str,
    review_by: str,
    description: str = "",
    owner: str | None = None,
    mitigation: str = "",
    controls: Sequence[str] = (),
) -> Risk:
    """Bring a risk into the register; its owner is the actor unless named.

    `likelihood` is rare, unlikely, possible, likely or almost-certain, `impact` negligible, minor, moderate, major
    or severe, `review_by` the day (YYYY-MM-DD) by which to look at it again, which may be past for a risk that was
    kept elsewhere. `mitigation` says what is done about it, `controls` are the ids of those that lower it. Raises
    `InputError` for an unknown likelihood, impact or control, and for what is no day.
    """
    get_project(work.session, work.project)
    event = RiskRecorded(
        id=next_id(work.session, work.project, RiskRow, "risk"),
        title=_title(title),
        description=_description(description),
        likelihood=_likelihood(likelihood),
        impact=_impact(impact),
        owner=_owner(work.actor.id if owner is None else owner),
        mitigation=_mitigation(mitigation),
        review_by=_review_by(review_by),
        controls=_controls(work, controls),
    )
    append(work, event)
    return get_risk(work.session, work.project, event.id)


def update_risk(
    work: UnitOfWork,
    id: str,
    *,
    title: str | None = None,
    description: str | None = None,
    likelihood: str | None = None,
    impact: str | None = None,
    owner: str | None = None,
    mitigation: str | None = None,
    review_by: str | None = None,
    controls: Sequence[str] | None = None,
) -> Risk:
    """Change what is given about an open risk; what is not stays. `controls` are given as a whole.

    Raises `InputError` when the risk is unknown or closed, when nothing would change, and what `add_risk` does.
    """
    risk = _get_open(work, id)
    before = RiskUpdated(
        id=risk.id,
        title=risk.title,
        description=risk.description,
        likelihood=Likelihood(risk.likelihood),
        impact=Impact(risk.impact),
        owner=risk.owner,
        mitigation=risk.mitigation,
        review_by=risk.review_by,
        controls=risk.controls,
    )
    after = RiskUpdated(
        id=before.id,
        title=before.title if title is None else _title(title),
        description=before.description if description is None else _description(description),
        likelihood=before.likelihood if likelihood is None else _likelihood(likelihood),
        impact=before.impact if impact is None else _impact(impact),
        owner=before.owner if owner is None else _owner(owner),
        mitigation=before.mitigation if mitigation is None else _mitigation(mitigation),
        review_by=before.review_by if review_by is None else _review_by(review_by),
        controls=before.controls if controls is None else _controls(work, controls),
    )
    if after == before:
        fields = ", ".join(name for name in msgspec.structs.asdict(after) if name != "id")
        raise InputError(
            f"{id} would stay as it is", slug="nothing-to-change", hint=f"Give what is new of: {fields}."
        )
    append(work, after)
    return get_risk(work.session, work.project, id)


def review_risk(
    work: UnitOfWork,
    id: str,
    *,
    note: str,
    review_by: str,
    likelihood: str | None = None,
    impact: str | None = None,
) -> Risk:
    """Record that an open risk was looked at again: what was found, and the day by which to do it next.

    `likelihood` and `impact` stay what they were unless given. Raises `InputError` when the risk is unknown or
    closed, for an unknown likelihood or impact, and for a next review that is no day or lies in the past.
    """
    risk = _get_open(work, id)
    today = day_of(work.now)
    if (review_next := _review_by(review_by)) < today:
        raise InputError(
            f"the next review would be on {review_next}, which is past",
            slug="bad-time",
            hint=f"Name a day to come; today is {today}.",
        )
    event = RiskReviewed(
        id=id,
        likelihood=_likelihood(risk.likelihood if likelihood is None else likelihood),
        impact=_impact(risk.impact if impact is None else impact),
        note=check_text("the note", note),
        review_by=review_next,
    )
    append(work, event)
    return get_risk(work.session, work.project, id)


def close_risk(work: UnitOfWork, id: str, *, reason: str) -> Risk:
    """Close a risk that is none any more, or that is borne. Raises `InputError` when it is unknown or closed."""
    _get_open(work, id)
    append(work, RiskClosed(id=id, reason=check_text("the reason", reason)))
    return get_risk(work.session, work.project, id)


def _get_open(work: UnitOfWork, id: str) -> Risk:
    get_project(work.session, work.project)
    risk = get_risk(work.session, work.project, id)
    if risk.is_open:
        return risk
    raise InputError(
        f"{id} was closed by {risk.closed_by} on {str(risk.closed_at)[:10]}",
        slug="not-open",
        hint="Open ones: `crisplens risk list --open`. A risk that is back is recorded anew.",
    )


def _title(text: str) -> str:
    return check_text("the title", text, most=200)


def _description(text: str) -> str:
    return check_text("the description", text, required=False)


def _likelihood(text: str) -> Likelihood:
    return Likelihood(choose(Likelihood, "the likelihood", text))


def _impact(text: str) -> Impact:
    return Impact(choose(Impact, "the impact", text))


def _owner(text: str) -> str:
    return check_text("the owner", text, most=320)


def _mitigation(text: str) -> str:
    return check_text("the mitigation", text, required=False)


def _review_by(text: str) -> str:
    return check_date("the day of the next review", text)


def _controls(work: UnitOfWork, ids: Sequence[str]) -> tuple[str, ...]:
    # Without a look at the catalogues, which are many, where there is none to find.
    return resolve_controls(work.session, ids) if ids else ()
