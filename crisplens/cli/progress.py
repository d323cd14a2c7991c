"""How far long work is, for people at a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from crisplens.cli.output import is_terminal

if TYPE_CHECKING:
    from crisplens.ledger.verdict import Progress


@contextmanager
def progress_line() -> Iterator[Progress | None]:
    """A line on a terminal's standard error that counts and goes away; nothing in a pipe."""
    if not is_terminal(sys.stderr):
        yield None
        return
    try:
        yield lambda doing, count: click.echo(f"\r\x1b[K{doing}: {count:,}", nl=False, err=True)
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)
