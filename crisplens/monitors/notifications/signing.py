"""Signatures of webhooks as Standard Webhooks 1.0.0 has them, so that receivers check them with its libraries. Pure.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

PREFIX = "whsec_"
LEAST_BYTES, MOST_BYTES = 24, 64


def parse_keys(secret: str) -> tuple[bytes, ...]:
    """The keys in a secret: `whsec_` and base64 of 24 to 64 bytes each, the prefix optional.

    While a key is being replaced there are two, with white space between; each signs. Raises `ValueError` with the
    reason, which does not hold the secret.
    """
    keys = tuple(_parse_key(part) for part in secret.split())
    if not keys:
        raise ValueError("it is empty")
    return keys


def _parse_key(text: str) -> bytes:
    encoded = text.removeprefix(PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"it is not {PREFIX} followed by base64") from None
    if not LEAST_BYTES <= len(key) <= MOST_BYTES:
        raise ValueError(f"its key has {len(key)} bytes; {LEAST_BYTES} to {MOST_BYTES} are accepted")
    return key


def signed_headers(notice_id: str, timestamp: int, body: bytes, keys: tuple[bytes, ...]) -> dict[str, str]:
    """The three headers of a webhook sent at `timestamp` (seconds since 1970): HMAC-SHA256 over id, time and body."""
    content = b".".join((notice_id.encode(), str(timestamp).encode(), body))
    signatures = [base64.b64encode(hmac.digest(key, content, hashlib.sha256)).decode() for key in keys]
    return {
        "webhook-id": notice_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
