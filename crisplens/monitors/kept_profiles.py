"""Profiles as they are kept: evidence, named by its digest."""

from __future__ import annotations

from crisplens.core.content_store import ContentStore
from crisplens.core.decoding import decode_json
from crisplens.monitors.model import Profile


def read_profile(evidence: ContentStore, digest: str) -> Profile:
    """The profile that was kept under a digest. Raises as `ContentStore.read`."""
    return decode_json(evidence.read(digest), Profile)
