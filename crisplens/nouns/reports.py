"""Reports."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

from crisplens.binding import Noun
from crisplens.core import clock
from crisplens.core.errors import InputError

if TYPE_CHECKING:
    from crisplens.api import Registry


class Reports(Noun):
    """`crisplens report`"""

    _registry: Registry

    def audit(self, *, format: str = "html") -> str:
        """The audit report of the project as text: `html` (one self-contained file) or `json`."""
        from crisplens.reports.audit_report import build_audit_report
        from crisplens.reports.rendering import render_html, render_json

        if format not in ("html", "json"):
            raise InputError(
                f"there is no report format {format!r}", slug="bad-choice", hint="Accepted: html, json."
            )
        registry = self._registry
        with (
            registry.reading() as session,
            registry.reading_log() if registry.point else nullcontext(session) as log,
        ):
            report = build_audit_report(
                session,
                registry.require_project(session),
                store=registry.configuration.open_evidence(),
                now=clock.now(),
                log=log,
                point=registry.point,
            )
        return render_html(report) if format == "html" else render_json(report)
