"""Which files of a table are at fault: found without reading good data twice, and each with its reason."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crisplens.core.errors import InputError
from crisplens.monitors.engines import parts
from crisplens.monitors.engines.duckdb_engine import DuckdbEngine, profile_reference
from crisplens.monitors.engines.interface import EngineResult, Reference, Rows, RowSlice
from crisplens.monitors.engines.parts import (
    check_alike,
    expected_columns,
    have_different_columns,
    is_changed,
    left_out,
    look_at_readable,
    readable_part,
    stamps,
)
from crisplens.monitors.model import CheckSettings
from crisplens.registry.data.files import Table, each_file, open_table
from crisplens.registry.data.tabular import connect, quote_text

ROWS = "SELECT i % 7 / 2 AS a, 'v' || i % 3 AS b FROM range(60) rows(i)"
OPTIONS = {".csv": "FORMAT csv, HEADER", ".parquet": "FORMAT parquet", ".jsonl": "FORMAT json"}


@pytest.fixture(params=["csv", "parquet", "jsonl"])
def write(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[..., Path]:
    """Writes the rows of a query to a file of the table."""

    def write(name: str, query: str = ROWS) -> Path:
        file = tmp_path / f"{name}.{request.param}"
        with connect() as connection:
            connection.execute(f"COPY ({query}) TO {quote_text(str(file))} ({OPTIONS[file.suffix]})")
        return file

    return write


def table_of(file: Path) -> Table:
    return open_table(str(file.parent / f"*{file.suffix}"), partial=True)


def looks(file: Path) -> tuple[Callable[[Rows], EngineResult], Reference, list[Table]]:
    """A look that compares with the file's rows, its reference, and the tables that it was asked to look at."""
    reference = Reference(None, profile_reference(open_table(str(file))))
    asked: list[Table] = []

    def look(rows: Rows) -> EngineResult:
        asked.append(rows.table)
        return DuckdbEngine().check(reference, rows, CheckSettings())

    return look, reference, asked


def test_good_files_are_looked_at_once(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("a")
    write("b")
    monkeypatch.setattr(parts, "readable_part", pytest.fail)
    look, reference, asked = looks(file)
    found, rows = look_at_readable(look, Rows(table_of(file)), expected_columns(reference.profile))
    assert (found.check.current_rows, len(asked), left_out(rows.table)) == (120, 1, "")


def test_the_reasons_are_in_one_sentence(write: Callable[..., Path], tmp_path: Path) -> None:
    file = write("a")
    write("b", f"SELECT a FROM ({ROWS})")
    file.with_name(f"c{file.suffix}").write_bytes(b"")
    look, reference, _ = looks(file)
    _, rows = look_at_readable(look, Rows(table_of(file)), expected_columns(reference.profile))
    said = left_out(rows.table)
    assert said.startswith("2 of 3 files are left out: ")
    assert f"c{file.suffix} is empty (0 bytes)" in said
    assert (
        f"b{file.suffix} lacks the column b; the nearest there is a" in said or "lacks the column b" in said
    )
    assert str(tmp_path) not in said


def test_many_reasons_are_shortened(write: Callable[..., Path]) -> None:
    file = write("a")
    for at in range(8):
        file.with_name(f"z{at}{file.suffix}").write_bytes(b"")
    assert left_out(table_of(file)).endswith("; and 3 more.")


def test_rows_that_are_counted_over_all_files_are_looked_at_in_full_or_not_at_all(
    write: Callable[..., Path],
) -> None:
    file = write("a")
    broken = file.with_name(f"b{file.suffix}")
    broken.write_bytes(b"{\x80" * 50)
    look, reference, _ = looks(file)
    rows = Rows(table_of(file), RowSlice(0, 80))
    with pytest.raises(InputError):
        look_at_readable(look, rows, expected_columns(reference.profile))


def test_an_error_that_is_no_file_s_fault_stays(write: Callable[..., Path]) -> None:
    file = write("a")
    write("b")

    def look(_: Rows) -> EngineResult:
        raise InputError("no such method", slug="wrong-method")

    with pytest.raises(InputError, match="no such method"):
        look_at_readable(look, Rows(table_of(file)), ())


def test_when_no_file_is_left_the_first_one_s_error_is_raised(write: Callable[..., Path]) -> None:
    file = write("a")
    look, reference, _ = looks(file)
    write("b")
    for name in ("a", "b"):
        file.with_name(f"{name}{file.suffix}").write_bytes(b"{\x80" * 50)
    with pytest.raises(InputError, match=rf"a\{file.suffix}"):
        look_at_readable(look, Rows(table_of(file)), expected_columns(reference.profile))


def test_files_that_lack_what_the_other_has_are_no_table(write: Callable[..., Path]) -> None:
    file = write("a")
    look, reference, _ = looks(file)
    write("a", f"SELECT a FROM ({ROWS})")
    write("b", f"SELECT b FROM ({ROWS})")
    with pytest.raises(InputError, match="lacks the column") as caught:
        look_at_readable(look, Rows(table_of(file)), expected_columns(reference.profile))
    assert caught.value.slug == "mixed-columns"


def test_a_column_that_no_file_has_is_no_file_s_fault(write: Callable[..., Path]) -> None:
    file = write("a")
    look, reference, _ = looks(file)
    for name in ("a", "b"):
        write(name, f"SELECT a FROM ({ROWS})")
    found, rows = look_at_readable(look, Rows(table_of(file)), expected_columns(reference.profile))
    assert (found.check.verdict, rows.table.unreadable) == ("bad-data", ())
    assert "b is missing" in found.check.reason


def test_a_type_that_every_file_has_is_no_file_s_fault(write: Callable[..., Path]) -> None:
    file = write("a")
    look, reference, _ = looks(file)
    for name in ("a", "b"):
        write(name, f"SELECT 'x' || a AS a, b FROM ({ROWS})")
    found, rows = look_at_readable(look, Rows(table_of(file)), expected_columns(reference.profile))
    assert (found.check.verdict, rows.table.unreadable) == ("bad-data", ())
    assert "a is of the wrong type" in found.check.reason


def test_a_file_without_a_value_in_a_column_goes_with_the_others(write: Callable[..., Path]) -> None:
    file = write("a")
    _, reference, _ = looks(file)
    write("b", f"SELECT NULL::VARCHAR AS a, b FROM ({ROWS})")
    part = readable_part(table_of(file), expected_columns(reference.profile))
    assert part.unreadable == ()


def test_other_columns_and_whole_numbers_are_no_difference(write: Callable[..., Path]) -> None:
    file = write("a")
    _, reference, _ = looks(file)
    write("b", f"SELECT b, 1 AS more, a::INTEGER AS a FROM ({ROWS})")
    assert not have_different_columns(table_of(file), expected_columns(reference.profile))


def test_only_watched_columns_count(write: Callable[..., Path]) -> None:
    file = write("a")
    _, reference, _ = looks(file)
    write("b", f"SELECT a FROM ({ROWS})")
    assert have_different_columns(table_of(file), expected_columns(reference.profile))
    assert not have_different_columns(table_of(file), expected_columns(reference.profile, ["a"]))


def test_a_key_that_lines_seldom_have_may_be_absent_from_a_whole_file(tmp_path: Path) -> None:
    seldom = ['{"a": 1, "b": 2}', *(['{"a": 1}'] * 19)]
    tmp_path.joinpath("a.jsonl").write_text("\n".join(seldom * 20), encoding="utf-8")
    reference = profile_reference(open_table(str(tmp_path / "a.jsonl")))
    expected = expected_columns(reference)
    for rows, left in ((100, 0), (200, 1)):
        tmp_path.joinpath("b.jsonl").write_text('{"a": 1}\n' * rows, encoding="utf-8")
        # 0.95 to the power of 100 is 0.006, of 200 it is 0.00004.
        assert len(readable_part(open_table(str(tmp_path / "*.jsonl")), expected).unreadable) == left


def test_files_of_a_reference_must_be_alike(write: Callable[..., Path]) -> None:
    file = write("a")
    _, reference, _ = looks(file)
    write("b", f"SELECT b, a FROM ({ROWS})")
    check_alike(table_of(file), expected_columns(reference.profile))
    write("b", f"SELECT b FROM ({ROWS})")
    with pytest.raises(InputError, match=rf"differ: b\{file.suffix} lacks the column a") as caught:
        check_alike(table_of(file), expected_columns(reference.profile))
    assert caught.value.slug == "mixed-columns"


def test_compressed_lines_are_looked_into(tmp_path: Path) -> None:
    for name, line in (("a", '{"a": 1, "b": "x"}\n'), ("b", '{"a": 1}\n')):
        tmp_path.joinpath(f"{name}.jsonl.gz").write_bytes(gzip.compress(line.encode() * 40))
    table = open_table(str(tmp_path / "*.jsonl.gz"))
    reference = profile_reference(replace(table, files=table.files[:1]))
    assert have_different_columns(table, expected_columns(reference))
    assert readable_part(table, expected_columns(reference)).unreadable[0].file.name == "b.jsonl.gz"


def test_a_damaged_page_is_found_by_reading_it(tmp_path: Path) -> None:
    many = "SELECT hash(i)::VARCHAR AS a, i / 3 AS b FROM range(20000) rows(i)"
    with connect() as connection:
        for name in ("a", "b"):
            connection.execute(f"COPY ({many}) TO {quote_text(str(tmp_path / name))} (FORMAT parquet)")
            tmp_path.joinpath(name).rename(tmp_path / f"{name}.parquet")
    broken = bytearray(tmp_path.joinpath("b.parquet").read_bytes())
    broken[200:4000] = os.urandom(3800)
    tmp_path.joinpath("b.parquet").write_bytes(broken)
    part = readable_part(open_table(str(tmp_path / "*.parquet")))
    assert [one.file.name for one in part.unreadable] == ["b.parquet"]


def test_each_file_is_a_table_of_its_own_also_one_that_cannot_be_read(write: Callable[..., Path]) -> None:
    file = write("b")
    file.with_name(f"a{file.suffix}").write_bytes(b"")
    (first, bad), (second, good) = each_file(table_of(file))
    assert (first, second) == (f"a{file.suffix}", f"b{file.suffix}")
    assert (bad.files, good.files) == ((), (file,))
    with pytest.raises(InputError, match="is empty"):
        look_at_readable(pytest.fail, Rows(bad))


def test_changes_are_minded_of_the_files_that_were_read(write: Callable[..., Path]) -> None:
    file, other = write("a"), write("b")
    table = table_of(file)
    before = stamps(table)
    assert not is_changed(table, before)
    other.unlink()
    assert is_changed(table, before)
    assert not is_changed(replace(table, files=(file,)), before)
    file.write_bytes(b"x")
    assert is_changed(replace(table, files=(file,)), before)
