"""Tables and the text that is safe to print."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crisplens.cli.output import table
from crisplens.cli.text import day, printable
from crisplens.core.text import count

COLUMNS = ("Trigger", "State", "Reason")
ROWS = [("trigger-1", "open", "word " * 30), ("trigger-2", None, "two\nlines")]


def test_in_a_pipe_rows_are_lines() -> None:
    lines = table(COLUMNS, ROWS).splitlines()
    assert len(lines) == 4
    assert lines[2].startswith("trigger-1   open")
    assert lines[3].split() == ["trigger-2", "two", "lines"]


@given(st.lists(st.tuples(*[st.text(st.characters(codec="ascii"), max_size=30)] * 3), min_size=1, max_size=5))
def test_a_table_that_rich_draws_looks_the_same(texts: list[tuple[str, str, str]]) -> None:
    rows = [(f"trigger-{first}", *others) for first, *others in texts]
    # Rich draws those with other characters than ASCII.
    assert table(COLUMNS, rows).splitlines() == table(COLUMNS, [*rows, ("é", "", "")]).splitlines()[:-1]


@pytest.mark.parametrize("width", [45, 60, 80])
def test_tables_fit_and_do_not_break_names(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = table(COLUMNS, ROWS).splitlines()
    assert max(map(len, lines)) <= width
    assert any(line.startswith("trigger-1   open") for line in lines)


def test_rows_become_blocks_where_columns_would_be_too_thin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    assert table(COLUMNS, ROWS[1:]).splitlines() == ["Trigger trigger-2", "  Reason   two lines"]


@pytest.mark.parametrize("text", ["\x1b[2J", "\x00", "\x9b", "\u202e", "\u2066", "\udcff", "\r"])
def test_what_drives_a_terminal_is_replaced(text: str) -> None:
    assert printable(f"a{text[0]}b") == "a\ufffdb"


def test_other_text_is_kept() -> None:
    text = "é 漢字 👩\u200d🔬\t\n\u00a0"
    assert printable(text) == text


def test_days_and_counts() -> None:
    assert day("2026-03-01T12:30:59.000000Z") == "2026-03-01 12:30 UTC"
    assert day(None) == ""
    assert [count(number, "row") for number in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
