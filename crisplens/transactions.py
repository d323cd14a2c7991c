"""Several commands as one transaction."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock

from sqlalchemy.orm import Session

from crisplens.core.errors import InputError
from crisplens.core.forking import forked
from crisplens.ledger.service import flush


class JoinedCommands:
    """The session that commands share, one at a time, whichever threads they come from.

    After one of them has failed, no other is taken and nothing is committed.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.failure: str | None = None
        self._lock = RLock()
        self._process = os.getpid()

    @contextmanager
    def command(self) -> Iterator[Session]:
        """The session for one more command. Raises `InputError` after one that failed."""
        self._check_process()
        with self._lock:
            self.check()
            try:
                yield self.session
            except BaseException as error:
                # What it had done is in the transaction and cannot be taken back alone.
                self.failure = str(error) or type(error).__name__
                raise

    @contextmanager
    def query(self) -> Iterator[Session]:
        """The session for a query, which sees what the commands before it did."""
        self._check_process()
        with self._lock:
            self.check()
            flush(self.session)
            yield self.session

    def check(self) -> None:
        """Raise `InputError` when a command has failed, `RegistryError` in a process that was forked meanwhile."""
        self._check_process()
        if self.failure is not None:
            raise InputError(
                f"the transaction was given up when a command in it failed: {self.failure}",
                slug="given-up",
                hint="Nothing of it was recorded. Let the error end the transaction, and begin another.",
            )

    def _check_process(self) -> None:
        # Before the lock, too: whoever held it when the process was forked never gives it back there.
        if self._process != os.getpid():
            raise forked()
