"""Content kept under its SHA-256: the store's rules, and the local folder that is the default store.

Stores at URLs are in `remote_store`, which is imported only where one is named.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from crisplens.core.canonical import CHUNK, unreadable
from crisplens.core.errors import InputError, RegistryError

MOST_BYTES = 256 << 20
ASIDE_FOLDER = ".aside"
ASIDE_SECONDS = 24 * 3600
DIGEST_PATTERN = re.compile(r"sha256:[0-9a-f]{64}")


class ContentLost(RegistryError):
    """Kept content that is gone, cannot be read or is not what was kept; `what` completes "evidence X ..."."""

    def __init__(self, digest: str, what: str) -> None:
        super().__init__(
            f"evidence {digest} {what}",
            slug="evidence-store",
            hint="Run `crisplens audit verify`: it tells what was redacted, and what is to be restored from a backup.",
        )
        self.what = what


@dataclass(frozen=True)
class Kept:
    """Content's digest (`sha256:<hex>`) and size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True)
class Incoming(Kept):
    """Content that was read once and waits aside; `keep()` puts it under its digest."""

    keep: Callable[[], None]


class ContentStore(ABC):
    """Keeps content under `sha256/<first two digits>/<digest>`; what is there already is not written again.

    `location` names the store in messages and holds no credentials. Every failure of the store itself is a
    `RegistryError` with the slug `evidence-store`.
    """

    location: str

    @abstractmethod
    def size(self, digest: str) -> int | None:
        """The size in bytes of what is kept under a digest, or None when nothing is."""

    @abstractmethod
    def remove(self, digest: str) -> bool:
        """Remove content; False when it was not there."""

    @abstractmethod
    def _open(self, digest: str) -> AbstractContextManager[BinaryIO]:
        """Open kept content. `FileNotFoundError` when nothing is kept under the digest."""

    @abstractmethod
    def _aside(self) -> AbstractContextManager[BinaryIO]:
        """An empty file to write and read, which is gone at the end."""

    @abstractmethod
    def _put(self, kept: Kept, aside: BinaryIO) -> None:
        """Put what is aside under its digest unless it is there, whole or not at all."""

    @abstractmethod
    def _unread(self, digest: str, error: Exception) -> RegistryError:
        """The error for content that could not be read."""

    @abstractmethod
    def _unwritten(self, error: Exception) -> RegistryError:
        """The error for a store that could not be written."""

    @contextmanager
    def receive(
        self, chunks: Iterable[bytes], *, what: str = "the content", most: int = MOST_BYTES
    ) -> Iterator[Incoming]:
        """Take in content chunk by chunk, so that its digest is known before it is decided to keep it.

        Raises `InputError` naming `what` as soon as there are more than `most` bytes.
        """
        with self._aside() as aside:
            kept = self._copy(chunks, aside, what, most)
            yield Incoming(kept.digest, kept.size, lambda: self._put(kept, aside))

    def keep_bytes(self, content: bytes) -> Kept:
        """Keep `content`."""
        return self._keep([content], "the content", len(content))

    def keep_file(self, file: Path, *, most: int = MOST_BYTES) -> Kept:
        """Keep a regular file of at most `most` bytes. Raises `InputError` when it is larger or cannot be read."""
        return self._keep(file_chunks(file), str(file), most)

    def chunks(self, digest: str) -> Iterator[bytes]:
        """What is kept under a digest, chunk by chunk and not checked. Raises `ContentLost` when it is gone."""
        try:
            with self._open(digest) as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except FileNotFoundError:
            raise ContentLost(digest, f"is gone from {self.location}") from None
        except OSError as error:
            raise self._unread(digest, error) from None

    def checked_chunks(self, digest: str, *, most: int = MOST_BYTES) -> Iterator[bytes]:
        """Like `chunks`; raises `ContentLost` at its end, or after `most` bytes, unless it was the content kept."""
        hasher, size = hashlib.sha256(), 0
        for chunk in self.chunks(digest):
            hasher.update(chunk)
            size += len(chunk)
            if size > most:
                break
            yield chunk
        if size > most or f"sha256:{hasher.hexdigest()}" != digest:
            raise ContentLost(digest, "is not the content that was recorded")

    def read(self, digest: str, *, most: int = MOST_BYTES) -> bytes:
        """The content with this digest, checked. Raises `ContentLost`, also for more than `most` bytes."""
        return b"".join(self.checked_chunks(digest, most=most))

    def check(self, digest: str, *, most: int = MOST_BYTES) -> None:
        """Raise `ContentLost` unless what is kept under the digest is that content; a chunk is held at a time."""
        for _ in self.checked_chunks(digest, most=most):
            pass

    def exists(self, digest: str) -> bool:
        """Whether anything is kept under the digest, whole or not."""
        return self.size(digest) is not None

    def _keep(self, chunks: Iterable[bytes], what: str, most: int) -> Kept:
        with self.receive(chunks, what=what, most=most) as incoming:
            incoming.keep()
            return Kept(incoming.digest, incoming.size)

    def _copy(self, chunks: Iterable[bytes], aside: BinaryIO, what: str, most: int) -> Kept:
        hasher, size = hashlib.sha256(), 0
        for chunk in chunks:
            size += len(chunk)
            if size > most:
                raise InputError(
                    f"{what} has more than {most:,} bytes, which is what is kept at most",
                    slug="too-large",
                    hint="Keep the large file where it is, and attach a note with its digest.",
                )
            hasher.update(chunk)
            try:
                aside.write(chunk)
            except OSError as error:
                raise self._unwritten(error) from None
        return Kept(f"sha256:{hasher.hexdigest()}", size)


class LocalStore(ContentStore):
    """A folder. Content is written aside, synced and renamed, so that a crash leaves no half file."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.location = str(folder)

    def path(self, digest: str) -> Path:
        """Where the content with this digest is kept. Raises `InputError` for what is no digest."""
        return self.folder / content_key(digest)

    def size(self, digest: str) -> int | None:
        """The size in bytes of what is kept under a digest, or None when nothing is."""
        try:
            return self.path(digest).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._unread(digest, error) from None

    def remove(self, digest: str) -> bool:
        """Remove content; False when it was not there."""
        try:
            self.path(digest).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError as error:
            raise self._unwritten(error) from None
        return True

    @contextmanager
    def _open(self, digest: str) -> Iterator[BinaryIO]:
        with open_regular(self.path(digest)) as file:
            yield file

    @contextmanager
    def _aside(self) -> Iterator[BinaryIO]:
        folder = self.folder / ASIDE_FOLDER
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _forget_old_files(folder)
            file = (folder / secrets.token_hex(16)).open("x+b")
        except OSError as error:
            raise self._unwritten(error) from None
        try:
            yield file
        finally:
            # What could not be flushed to a full disk fails again here, and has been reported.
            with suppress(OSError):
                file.close()
            Path(file.name).unlink(missing_ok=True)

    def _put(self, kept: Kept, aside: BinaryIO) -> None:
        if self._has(kept):
            return
        path = self.path(kept.digest)
        try:
            aside.flush()
            os.fsync(aside.fileno())
            aside.close()
            path.parent.mkdir(parents=True, exist_ok=True)
            os.replace(aside.name, path)
            _sync_folder(path.parent)
        except OSError as error:
            raise self._unwritten(error) from None

    def _has(self, kept: Kept) -> bool:
        try:
            self.check(kept.digest, most=kept.size)
        except (ContentLost, InputError):
            return False
        return True

    def _unread(self, digest: str, error: Exception) -> RegistryError:
        return ContentLost(digest, f"cannot be read: {getattr(error, 'strerror', None) or error}")

    def _unwritten(self, error: Exception) -> RegistryError:
        return RegistryError(
            f"the evidence store {self.location} cannot be written: {getattr(error, 'strerror', None) or error}",
            slug="evidence-store",
            hint="Check the folder, its permissions and the space on its disk; then run it again.",
        )


def open_store(location: str, folder: Path) -> ContentStore:
    """The store at a URL that fsspec knows (`s3://bucket/prefix`), or in a folder (relative to `folder`).

    Nothing is asked of it yet. Raises `RegistryError` for a URL that no store can have.
    """
    if location.startswith("file://"):
        return LocalStore(folder / location.removeprefix("file://"))
    if "://" not in location:
        return LocalStore(folder / location)
    from crisplens.core.remote_store import RemoteStore

    return RemoteStore(location)


def content_key(digest: object) -> str:
    """The place of content below its store's root. Raises `InputError` for what is no `sha256:<hex>`."""
    if not isinstance(digest, str) or not DIGEST_PATTERN.fullmatch(digest):
        raise InputError(
            f"{str(digest)[:80]!r} is not a digest",
            slug="bad-digest",
            hint="Digests are written sha256: and 64 hexadecimal digits.",
        )
    name = digest.removeprefix("sha256:")
    return f"sha256/{name[:2]}/{name}"


def file_chunks(file: Path) -> Iterator[bytes]:
    """A regular file's content, chunk by chunk. Raises `InputError` for a folder, pipe, device or unreadable file."""
    try:
        with open_regular(file) as opened:
            while chunk := opened.read(CHUNK):
                yield chunk
    except OSError as error:
        raise unreadable(file, error) from None


def open_regular(file: Path) -> BinaryIO:
    """Open a regular file without ever waiting for a pipe's other end. Raises `InputError` for anything else."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    opened = os.fdopen(os.open(file, flags), "rb") if not file.is_dir() else None
    if opened is None or not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
        if opened is not None:
            opened.close()
        raise InputError(f"{file} is not a regular file", slug="not-a-file", hint="Name a file.")
    return opened


def _forget_old_files(folder: Path) -> None:
    # What a killed process left aside may be content that is to be forgotten.
    before = time.time() - ASIDE_SECONDS
    for entry in os.scandir(folder):
        with suppress(OSError):
            if entry.stat(follow_symlinks=False).st_mtime < before:
                os.unlink(entry.path)


def _sync_folder(folder: Path) -> None:
    # The renamed entry survives a power failure only once its folder is synced, where a system can do that.
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
