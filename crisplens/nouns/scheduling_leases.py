"""The leases that one scheduler holds: taken before the work, kept for as long as it takes, given back."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from crisplens.core.database import write_session
from crisplens.core.errors import RegistryError
from crisplens.monitors import leases
from crisplens.monitors.leases import Lease
from crisplens.monitors.planning import CHECK

# A lease lasts for two looks, so that what a dead process held is taken up soon; but not so short that a busy
# database keeps it from being renewed, which is done three times in its length.
SHORTEST_LEASE, LONGEST_LEASE, RENEWALS = 2.0, 120.0, 3


class HeldLeases:
    """What a scheduler that looks `every` so many seconds holds; it is asked from several threads."""

    def __init__(self, engine: Engine, *, every: float) -> None:
        self.holder = f"{socket.gethostname()}/{os.getpid()}/{secrets.token_hex(3)}"
        self._engine = engine
        self._length = timedelta(seconds=min(max(2 * every, SHORTEST_LEASE), LONGEST_LEASE))
        # Each is changed by one thread at a time, by single operations.
        self._held: dict[tuple[str, str], Lease] = {}

    def __contains__(self, key: tuple[str, str]) -> bool:
        """Whether the lease of a project and name is held."""
        return key in self._held

    @contextmanager
    def taking(self, project: str, name: str) -> Iterator[tuple[Session, Lease | None]]:
        """A transaction that takes a lease, None when it is not to be had; it is held once that is committed."""
        with write_session(self._engine) as session:
            there = leases.read_clock(session.connection())
            lease = leases.take(session, project, name, self.holder, there, self._length)
            yield session, lease
        if lease is not None:
            self._held[project, name] = lease

    def release(self, lease: Lease, *, again: float | None) -> None:
        """Give a lease back; `again` says in how many seconds what is left of its work may be taken up."""
        self._held.pop((lease.project, lease.name), None)
        with write_session(self._engine) as session:
            after = None
            if again is not None:
                after = leases.read_clock(session.connection()) + timedelta(seconds=again)
            leases.release(session, lease, again=after)

    def release_all(self) -> None:
        """Give all of them back, so that others take up at once what is left."""
        with write_session(self._engine) as session:
            there = leases.read_clock(session.connection())
            for (_, name), lease in list(self._held.items()):
                # From here on nothing is recorded under it: see `leases.hold`.
                leases.release(session, lease, again=there if name.startswith(CHECK) else None)

    def keep(self, over: threading.Event) -> None:
        """Renew what is held until it is `over`, in a thread of its own."""
        while not over.wait(self._length.total_seconds() / RENEWALS):
            held = list(self._held.items())
            # Who records under a lease asks anyway whether it is still held; so a failure here is no harm.
            with suppress(RegistryError):
                for key in self._lost(held) if held else ():
                    self._held.pop(key, None)

    def _lost(self, held: list[tuple[tuple[str, str], Lease]]) -> list[tuple[str, str]]:
        """Renew leases; the keys of those that are lost."""
        with write_session(self._engine) as session:
            there = leases.read_clock(session.connection())
            return [key for key, lease in held if not leases.renew(session, lease, there, self._length)]
