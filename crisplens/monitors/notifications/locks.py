"""Locks between processes, which the system takes back from a process that dies."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_WAIT_SECONDS = 0.01


@contextmanager
def locked(file: Path, *, wait: bool) -> Iterator[bool]:
    """Hold the lock of that name; yields False when another process or thread has it and `wait` is not set.

    The file is there while the lock is held or after a crash, and says nothing else. Raises `OSError` when it cannot
    be made.
    """
    descriptor = _take(file, wait=wait)
    if descriptor is None:
        yield False
        return
    try:
        yield True
    finally:
        # Still locked, so that nobody waits for a file that is gone; Windows keeps open files.
        with suppress(OSError):
            file.unlink()
        os.close(descriptor)


def lock_within(descriptor: int, seconds: float) -> bool:
    """Lock an open file until it is closed; False when others kept it locked for so long."""
    end = time.monotonic() + seconds
    while not _lock(descriptor):
        if time.monotonic() > end:
            return False
        time.sleep(_WAIT_SECONDS)
    return True


def _take(file: Path, *, wait: bool) -> int | None:
    while True:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            while not _lock(descriptor):
                if not wait:
                    os.close(descriptor)
                    return None
                time.sleep(_WAIT_SECONDS)
            if _is_still(file, descriptor):
                return descriptor
        except BaseException:
            with suppress(OSError):
                os.close(descriptor)
            raise
        os.close(descriptor)


def _is_still(file: Path, descriptor: int) -> bool:
    """Whether `file` is the one that was locked, and not one that came after its holder removed it."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> bool:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _lock(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
