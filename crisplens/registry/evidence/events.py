"""Events of evidence."""

from __future__ import annotations

from crisplens.ledger.model import Event, event_type


@event_type("evidence.added")
class EvidenceAdded(Event, frozen=True, kw_only=True):
    """A file was kept as evidence; `digest` is `sha256:<hex>` of its content, `size` in bytes."""

    digest: str
    name: str
    media_type: str
    size: int


@event_type("evidence.redacted")
class EvidenceRedacted(Event, frozen=True, kw_only=True):
    """The content of an evidence file must be forgotten; its digest and the reason stay."""

    digest: str
    reason: str
