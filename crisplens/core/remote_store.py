"""A content store at any URL that fsspec knows: object stores for a team, `memory://` for tests."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, BinaryIO, cast

from crisplens.core.canonical import CHUNK
from crisplens.core.content_store import ContentStore, Kept, content_key
from crisplens.core.errors import CrisplensError, RegistryError

# An upload or download holds about two blocks; S3 takes parts of 5 MiB and more.
BLOCK = 8 << 20
SCHEME_PATTERN = re.compile(r"[A-Za-z][A-Za-z0-9+.:-]*")
EXTRAS = {"s3": "s3", "s3a": "s3"}
# Where folders are no things of their own; s3fs would even make a missing bucket for one.
FLAT = frozenset({"s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "adl", "oss", "memory"})

UNREACHED = ("it cannot be reached", "Check the network and the store's endpoint; then run it again.")
UNKNOWN_PLACE = (
    "there is no such bucket or folder",
    "Make it, or correct `evidence` in crisplens.toml or CRISPLENS_EVIDENCE.",
)
NO_CREDENTIALS = (
    "there are no credentials for it that work",
    "Give them as the service's own tools take them: for S3 a profile, or AWS_ACCESS_KEY_ID and "
    "AWS_SECRET_ACCESS_KEY.",
)
DENIED = (
    "permission denied",
    "The credentials must be right, and allow to read, write and delete below the URL.",
)
# By class name, since the libraries that raise them are not imported here. The libraries' own messages are
# not repeated: they may hold URLs with keys.
REASONS: dict[str, tuple[str, str]] = {
    "NoSuchBucket": UNKNOWN_PLACE,
    "NoCredentialsError": NO_CREDENTIALS,
    "PartialCredentialsError": NO_CREDENTIALS,
    "CredentialRetrievalError": NO_CREDENTIALS,
    "TokenRetrievalError": NO_CREDENTIALS,
    "ProfileNotFound": NO_CREDENTIALS,
    "DefaultCredentialsError": NO_CREDENTIALS,
    "ClientAuthenticationError": NO_CREDENTIALS,
    "PermissionError": DENIED,
    "FileNotFoundError": UNKNOWN_PLACE,
    "ConnectionError": UNREACHED,
    "HTTPClientError": UNREACHED,
    "ClientConnectionError": UNREACHED,
    "TimeoutError": UNREACHED,
    "gaierror": UNREACHED,
    "ParamValidationError": (
        "its URL is not one that this kind of store accepts",
        "Write s3://bucket/prefix.",
    ),
    "NotImplementedError": ("this kind of store can only be read", "Name one that can be written."),
}


class RemoteStore(ContentStore):
    """A store below a URL. Whether content is there is told by its size; reading always checks the digest."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.location = shown_url(self.url)
        self.scheme = _check_url(url, self.location)

    def size(self, digest: str) -> int | None:
        """The size in bytes of what is kept under a digest, or None when nothing is."""
        key = content_key(digest)
        with self._calls():
            try:
                return int(self._info(key)["size"])
            except FileNotFoundError as error:
                self._check_bucket(error)
                return None

    def remove(self, digest: str) -> bool:
        """Remove content; False when it was not there."""
        if not self.exists(digest):
            return False
        with self._calls():
            self._files.rm_file(self._path(content_key(digest)))
        return True

    @contextmanager
    def _open(self, digest: str) -> Iterator[BinaryIO]:
        key = content_key(digest)
        with self._calls(missing=True):
            self._files.invalidate_cache()
            with self._files.open(self._path(key), "rb", block_size=BLOCK, cache_type="readahead") as file:
                yield cast(BinaryIO, file)

    @contextmanager
    def _aside(self) -> Iterator[BinaryIO]:
        try:
            file = tempfile.TemporaryFile()  # noqa: SIM115  (closed below, where a full disk fails once more)
        except OSError as error:
            raise self._unwritten(error) from None
        try:
            yield cast(BinaryIO, file)
        finally:
            with suppress(OSError):
                file.close()

    def _put(self, kept: Kept, aside: BinaryIO) -> None:
        if self.size(kept.digest) == kept.size:
            return
        path = self._path(content_key(kept.digest))
        with self._calls():
            try:
                self._upload(path, kept.size, aside)
            except FileNotFoundError:
                if self.scheme in FLAT:
                    raise
                self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
                self._upload(path, kept.size, aside)
        if self.size(kept.digest) != kept.size:
            raise self._failure("it did not keep what was written", "Run it again.")

    def _upload(self, path: str, size: int, aside: BinaryIO) -> None:
        aside.seek(0)
        if size <= BLOCK:
            self._files.pipe_file(path, aside.read())
            return
        file = self._files.open(path, "wb", block_size=BLOCK, autocommit=False)
        try:
            while chunk := aside.read(CHUNK):
                file.write(chunk)
            file.close()
            file.commit()
        except BaseException:
            # Closing would complete the upload of what is only a part.
            file.discard()
            file.closed = True
            raise

    @cached_property
    def _files(self) -> Any:
        return self._opened[0]

    @cached_property
    def _opened(self) -> tuple[Any, str]:
        try:
            from fsspec.core import url_to_fs
        except ModuleNotFoundError:
            raise self._without_library("pip install 'crisplens[store]'") from None
        try:
            files, root = url_to_fs(self.url)
        except ImportError as error:
            extra = EXTRAS.get(self.scheme)
            hint = f"pip install 'crisplens[{extra}]'" if extra else str(error)
            raise self._without_library(hint) from None
        except ValueError:
            raise self._failure(
                f"no kind of store is named {self.scheme}", "Such as s3://bucket/prefix, or a folder's path."
            ) from None
        except Exception as error:
            raise self._translated(error) from None
        return files, str(root).rstrip("/")

    def _path(self, key: str) -> str:
        return f"{self._opened[1]}/{key}"

    def _info(self, key: str) -> dict[str, Any]:
        self._files.invalidate_cache()
        return cast(dict[str, Any], self._files.info(self._path(key)))

    @contextmanager
    def _calls(self, *, missing: bool = False) -> Iterator[None]:
        """Turn whatever a file system raises into our error; with `missing`, let `FileNotFoundError` pass."""
        try:
            yield
        except CrisplensError:
            raise
        except Exception as error:
            if missing and isinstance(error, FileNotFoundError):
                self._check_bucket(error)
                raise
            raise self._translated(error) from None

    def _check_bucket(self, error: FileNotFoundError) -> None:
        if type(error.__cause__).__name__ == "NoSuchBucket":
            raise self._translated(error) from None

    def _translated(self, error: BaseException) -> RegistryError:
        classes = [*type(error.__cause__).__mro__, *type(error).__mro__]
        for name in [one.__name__ for one in classes]:
            if name in REASONS:
                return self._failure(*REASONS[name])
        number, code = getattr(error, "errno", None), _service_code(error)
        reason = os.strerror(number) if isinstance(number, int) else type(error).__name__
        reason = f"the service said {code}" if code else reason
        return self._failure(reason, "Look at the store with the service's own tools; then run it again.")

    def _failure(self, reason: str, hint: str) -> RegistryError:
        return RegistryError(
            f"the evidence store {self.location} cannot be used: {reason}", slug="evidence-store", hint=hint
        )

    def _without_library(self, hint: str) -> RegistryError:
        return RegistryError(
            f"the evidence store {self.location} needs a library that is not installed",
            slug="library-missing",
            hint=hint,
        )

    def _unread(self, digest: str, error: Exception) -> RegistryError:
        return self._translated(error)

    def _unwritten(self, error: Exception) -> RegistryError:
        return self._failure(
            f"the folder for temporary files took no copy ({getattr(error, 'strerror', None) or error})",
            "Make room there, or name another folder in TMPDIR.",
        )


def shown_url(url: str) -> str:
    """A URL for messages: without user, password, query and fragment, wherever a careless hand put them."""
    scheme, _, rest = url.partition("://")
    plain = re.split(r"[?#]", rest, maxsplit=1)[0]
    if "@" in rest[len(plain) :] or not SCHEME_PATTERN.fullmatch(scheme):
        # A password with a ? in it cannot be told from a query.
        return f"{scheme}://…" if SCHEME_PATTERN.fullmatch(scheme) else "…"
    return f"{scheme}://{plain.rpartition('@')[2]}"


def _service_code(error: BaseException) -> str:
    """The code that an S3 service gave for its refusal, if there is one."""
    for one in (error, error.__cause__):
        answer = getattr(one, "response", None)
        code = answer.get("Error", {}).get("Code") if isinstance(answer, dict) else None
        if isinstance(code, str) and code.isalnum():
            return code[:60]
    return ""


def _check_url(url: str, shown: str) -> str:
    scheme, _, rest = url.partition("://")
    scheme, first = scheme.lower(), rest.partition("/")[0]
    problem = ""
    if not SCHEME_PATTERN.fullmatch(scheme) or not url.isprintable() or not rest.strip("/"):
        problem = "is no URL of a store"
    elif "?" in rest or "#" in rest:
        problem = "has a query or fragment, which no store's URL has"
    elif scheme in FLAT and "@" in first and scheme not in {"abfs", "abfss"}:
        problem = "has credentials in its URL"
    if problem:
        raise RegistryError(
            f"the evidence store {shown} {problem}",
            slug="evidence-store",
            hint="Write a folder's path or a URL such as s3://bucket/prefix. Credentials come from the environment "
            "or a profile, as the service's own tools take them.",
        )
    return scheme
