"""What commands print: text for people, or JSON alone on standard output."""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import click

from crisplens.cli.text import printable
from crisplens.core.errors import HalfDone

NARROW = 24
_MARK = re.compile(r"^( *)(ok|NO)(?=  )", re.MULTILINE)


@dataclass(frozen=True)
class Output:
    """A command's result: the value for programs, the text for people (made only when it is printed),
    and the exit code; or what failed after all of this was done."""

    value: Any
    text: str | Callable[[], str]
    exit_code: int = 0
    failure: HalfDone | None = None

    @classmethod
    def table(
        cls,
        value: Any,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        empty: str = "Nothing is recorded yet.",
    ) -> Output:
        """A result whose text is a table; `empty` when it has no rows."""
        return cls(value, lambda: table(columns, rows) if rows else empty)


class OutputFailed(click.ClickException):
    """Standard output does not take what a command prints."""

    exit_code = 3


def show(output: Output, *, as_json: bool) -> None:
    """Print a result and leave with its exit code, or raise its failure."""
    if as_json:
        import msgspec

        emit(msgspec.json.format(msgspec.json.encode(output.value, enc_hook=str), indent=2))
    else:
        text = output.text if isinstance(output.text, str) else output.text()
        emit(_MARK.sub(_colored, printable(text)))
    if output.failure:
        raise output.failure
    if output.exit_code:
        raise click.exceptions.Exit(output.exit_code)


def emit(content: str | bytes, *, newline: bool = True) -> bool:
    """Print to standard output (bytes go there as they are); False when nobody reads it any more."""
    try:
        click.echo(content, nl=newline)
    except BrokenPipeError:
        _discard_output()
        return False
    except OSError as error:
        _discard_output()
        said = f"standard output cannot be written: {error.strerror}. What was recorded stays recorded."
        raise OutputFailed(said) from None
    return True


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a standard stream is there and is a terminal."""
    return stream is not None and stream.isatty()


def mark(good: bool) -> str:
    """A word that can be scanned for: ok or NO. At the start of a line it is coloured."""
    return "ok" if good else "NO"


def table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows in aligned columns.

    On a terminal it is no wider than that, and where columns would be too thin each row becomes a block of
    lines; in a pipe each row is one line.
    """
    cells = [["" if cell is None else " ".join(printable(str(cell)).split()) for cell in row] for row in rows]
    widths = [max(map(len, (name, *(row[i] for row in cells)))) for i, name in enumerate(columns)]
    width = _width()
    if sum(min(one, NARROW) for one in widths) + 3 * (len(columns) - 1) > width:
        return _blocks(columns, cells)
    if sum(widths) + 3 * (len(columns) - 1) <= width and all(one.isascii() for row in cells for one in row):
        return _aligned(columns, cells, widths)
    from rich.box import SIMPLE_HEAD, Box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    box = SIMPLE_HEAD if _takes_unicode() else Box(str(SIMPLE_HEAD).replace("\u2500", "-"), ascii=True)
    grid = Table(box=box, pad_edge=False, show_edge=False)
    for name, longest in zip(columns, widths, strict=True):
        # Names, numbers and times are not broken: they are there to be copied.
        grid.add_column(name, overflow="fold", no_wrap=longest <= NARROW)
    for row in cells:
        grid.add_row(*map(Text, row))
    printed = io.StringIO()
    Console(file=printed, width=width, color_system=None, highlight=False).print(grid)
    return "\n".join(line.rstrip() for line in printed.getvalue().rstrip().splitlines())


def _aligned(columns: Sequence[str], cells: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    """What rich makes of rows that fit and whose characters are all of one width; to load it takes far longer."""
    rule = ("\u2500" if _takes_unicode() else "-") * (sum(widths) + 3 * (len(widths) - 1))
    head, *rest = (
        "   ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (columns, *cells)
    )
    return "\n".join((head, rule, *rest))


def _blocks(columns: Sequence[str], cells: Sequence[Sequence[str]]) -> str:
    label = max(map(len, columns))
    blocks = []
    for first, *rest in cells:
        lines = [f"  {name:<{label}}  {cell}" for name, cell in zip(columns[1:], rest, strict=True) if cell]
        blocks.append("\n".join([f"{columns[0]} {first}", *lines]))
    return "\n".join(blocks)


def _width() -> int:
    import shutil

    if is_terminal(sys.stdout) or "COLUMNS" in os.environ:
        return shutil.get_terminal_size((100, 24)).columns
    return 100_000


def _takes_unicode() -> bool:
    return "utf" in (getattr(sys.stdout, "encoding", None) or "").lower()


def _colored(found: re.Match[str]) -> str:
    good = found[2] == "ok"
    return found[1] + click.style(found[2], fg="green" if good else "red", bold=not good)


def _discard_output() -> None:
    # What is still buffered must not fail again when Python exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
