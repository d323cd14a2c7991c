"""Errors as answers: problem details (RFC 9457) with the slug of the error's page. https://www.rfc-editor.org/rfc/rfc9457"""

from __future__ import annotations

from http import HTTPStatus

import msgspec

from crisplens.core.errors import CrisplensError, InputError, Refused

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 5
_STATUSES = {
    "unknown-name": 404,
    "not-open": 409,
    "batch-taken": 409,
    "body-late": 408,
    "batch-too-large": 413,
    "unknown-media-type": 415,
    "bad-token": 401,
    "token-scope": 403,
    "busy": 503,
}
# Answers that are given before the body is read, or while it is.
_UNREAD = frozenset({400, 401, 403, 408, 413, 415, 503})


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is answered instead of a result. `type` leads to the error's page; nothing was changed unless it says so."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    slug: str = ""
    hint: str = ""
    nothing_changed: bool = True

    def headers(self) -> dict[str, str]:
        """The headers that go with its status."""
        headers = {}
        if self.status == 401:
            headers["WWW-Authenticate"] = 'Bearer realm="crisplens"'
        if self.status == 503:
            headers["Retry-After"] = str(RETRY_SECONDS)
        if self.status in _UNREAD:
            # What is left of the body would be read to its end otherwise, however long that takes.
            headers["Connection"] = "close"
        return headers


def problem_of(error: CrisplensError) -> Problem:
    """An error of ours as an answer."""
    fallback = 422 if isinstance(error, InputError) else 403 if isinstance(error, Refused) else 503
    status = _STATUSES.get(error.slug, fallback)
    return Problem(
        type=f"/errors/{error.slug}",
        title=HTTPStatus(status).phrase,
        status=status,
        detail=error.message,
        slug=error.slug,
        hint=error.hint,
        nothing_changed=error.nothing_changed,
    )


def plain_problem(status: int, detail: str = "") -> Problem:
    """An answer that only HTTP's own status explains."""
    phrase = HTTPStatus(status).phrase
    return Problem(title=phrase, status=status, detail=detail or phrase)
