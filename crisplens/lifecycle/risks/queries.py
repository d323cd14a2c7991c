"""Reads of the risk register."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from crisplens.core.names import unknown_name
from crisplens.lifecycle.risks.model import Impact, Likelihood, RiskLevel, RiskState, level, score
from crisplens.lifecycle.risks.tables import RiskRow
from crisplens.registry.views import View, find_view, views


class Risk(View, frozen=True, kw_only=True):
    """A risk as it stands: who recorded it, who looked at it last and who closed it, if someone did.

    `review_by` is the day by which it is to be looked at again, `controls` are the ids of those that lower it;
    `changed_seq` is the event that last stated it otherwise, as a review that confirms it does not.
    """

    id: str
    title: str
    description: str
    likelihood: str
    impact: str
    owner: str
    mitigation: str
    review_by: str
    controls: tuple[str, ...]
    state: str
    reviewed_by: str | None
    reviewed_at: str | None
    review_note: str | None
    closed_by: str | None
    closed_at: str | None
    close_reason: str | None
    changed_seq: int

    @property
    def score(self) -> int:
        """Likelihood times impact, from 1 to 25."""
        return score(Likelihood(self.likelihood), Impact(self.impact))

    @property
    def level(self) -> RiskLevel:
        """Low, medium, high or critical."""
        return level(Likelihood(self.likelihood), Impact(self.impact))

    @property
    def is_open(self) -> bool:
        """Whether it is still a risk."""
        return self.state == RiskState.OPEN

    def is_overdue(self, today: str) -> bool:
        """Whether it is open and should have been looked at before `today` (YYYY-MM-DD)."""
        return self.is_open and self.review_by < today


def list_risks(session: Session, project: str, *, open_only: bool = False) -> list[Risk]:
    """The project's risks, or those that are open, in the order of recording."""
    query = select(RiskRow).filter_by(project=project).order_by(RiskRow.seq)
    if open_only:
        query = query.filter_by(state=RiskState.OPEN)
    return views(session.connection().execute(query), Risk)


def get_risk(session: Session, project: str, id: str) -> Risk:
    """One risk. Raises `InputError` with the nearest ids when there is none."""
    found = find_view(session, RiskRow, (project, id), Risk)
    if found is None:
        ids = session.scalars(select(RiskRow.id).filter_by(project=project))
        raise unknown_name("risk", id, ids, none_yet="Record one with `crisplens risk add TITLE`.")
    return found
