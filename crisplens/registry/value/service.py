"""Use cases of costs and of observed KPIs."""

from __future__ import annotations

import os

from crisplens.core.dates import day_of
from crisplens.core.decimals import check_decimal
from crisplens.core.errors import InputError
from crisplens.core.text import check_text
from crisplens.core.work import UnitOfWork
from crisplens.ledger.service import append
from crisplens.registry.evidence.service import add_evidence
from crisplens.registry.projects.model import CostKind, choose
from crisplens.registry.projects.queries import get_project
from crisplens.registry.value.events import CostRecorded, KpiObserved
from crisplens.registry.value.model import check_money, check_period, same_currency
from crisplens.registry.value.queries import Cost, Observation, find_currency, get_kpi
from crisplens.registry.value.tables import CostRow, KpiObservationRow
from crisplens.registry.views import get_view, next_id


def record_cost(
    work: UnitOfWork,
    kind: str,
    amount: str | float,
    *,
    start: str,
    end: str | None = None,
    currency: str | None = None,
    note: str = "",
    evidence: str | os.PathLike[str] | None = None,
) -> Cost:
    """Record what was spent on data, training, inference or wrong-predictions from `start` to `end`, as YYYY-MM-DD.

    Both days are included; without `end` it is one day. The currency is the goal's unless named, or else USD.
    `evidence` is a file to keep, such as an invoice. What is recorded stays: an amount below 0 takes back part of
    it, or is a credit, and its note says why. Raises `InputError` for an unknown kind, what is no amount or no
    day, a period that ends before it starts or is still to come, and a file that cannot be read, `Refused` when
    the file's content was redacted.
    """
    get_project(work.session, work.project)
    checked_kind = CostKind(choose(CostKind, "the kind of cost", kind))
    checked_amount = check_money(f"the {checked_kind} cost", amount)
    first, last = check_period(start, start if end is None else end, today=day_of(work.now))
    checked_currency = _currency(work, currency)
    if float(checked_amount) < 0:
        check_text("the note on an amount below 0", note)
    check_text("the note", note, required=False)
    kept = None if evidence is None else add_evidence(work, evidence)
    event = CostRecorded(
        id=next_id(work.session, work.project, CostRow, "cost"),
        kind=checked_kind,
        amount=checked_amount,
        currency=checked_currency,
        start=first,
        end=last,
        note=note,
        evidence=kept.digest if kept else None,
    )
    append(work, event)
    return get_view(work.session, CostRow, (work.project, event.id), Cost)


def observe_kpi(
    work: UnitOfWork,
    name: str,
    value: str | float,
    *,
    start: str | None = None,
    end: str | None = None,
    worth: str | float | None = None,
    currency: str | None = None,
    note: str = "",
) -> Observation:
    """Record a KPI's value from `start` to `end`, as YYYY-MM-DD, both days included.

    Without `end` it is as of today, without `start` of the last day alone. `worth` is what that was worth to the
    business (below 0: what it cost it), in the goal's currency unless one is named, or else USD. Raises
    `InputError` for an unknown KPI, what is no number or no day, a period that ends before it starts or is still
    to come, and a currency without a worth.
    """
    get_project(work.session, work.project)
    kpi = get_kpi(work.session, work.project, name)
    today = day_of(work.now)
    last = max(today, start or today) if end is None else end
    first, last = check_period(last if start is None else start, last, today=today)
    if worth is None and currency is not None:
        raise InputError(
            "a currency is given without a worth",
            slug="empty-text",
            hint="Say what it was worth: --worth AMOUNT.",
        )
    event = KpiObserved(
        id=next_id(work.session, work.project, KpiObservationRow, "observation"),
        kpi=kpi.name,
        value=check_decimal(f"the value of {kpi.name}", value),
        start=first,
        end=last,
        worth=None if worth is None else check_money("the worth", worth),
        currency=None if worth is None else _currency(work, currency),
        note=check_text("the note", note, required=False),
    )
    append(work, event)
    return get_view(work.session, KpiObservationRow, (work.project, event.id), Observation)


def _currency(work: UnitOfWork, given: str | None) -> str:
    """The currency as the project writes it."""
    usual = find_currency(work.session, work.project)
    if given is None:
        return usual
    checked = check_text("the currency", given.strip(), most=20)
    return usual if same_currency(checked, usual) else checked
