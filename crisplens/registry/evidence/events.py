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


@event_type("evidence.failed")
class EvidenceFailed(Event, frozen=True, kw_only=True):
    """A check found that the kept content is not what was recorded, or is gone; `fault` says which."""

    digest: str
    fault: str


@event_type("evidence.restored")
class EvidenceRestored(Event, frozen=True, kw_only=True):
    """A check found the recorded content back in its place after it had failed."""

    digest: str
