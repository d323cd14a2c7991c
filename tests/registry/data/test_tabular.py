import gzip
import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from crisplens.core.errors import InputError
from crisplens.registry.data.tabular import (
    Column,
    connect,
    connected,
    describe_table,
    duckdb_errors,
    open_table,
    quote_name,
    quote_text,
    read_header,
    relation_sql,
)


@pytest.fixture(autouse=True)
def _in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, content: bytes | str) -> str:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def write_parquet(name: str, query: str) -> str:
    connect().execute(f"COPY ({query}) TO {quote_text(name)} (FORMAT parquet)")
    return name


def slug_of(pattern: str) -> str:
    return error_of(pattern).slug


def error_of(pattern: str) -> InputError:
    with pytest.raises(InputError) as caught:
        describe_table(open_table(pattern))
    assert "SELECT" not in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value


@pytest.mark.parametrize(
    ("name", "content", "kind"),
    [
        ("a.csv", b"a,b\n1,x\n2,y\n", "csv"),
        ("a.CSV", b"a;b\r\n1;x\r\n2;y\r\n", "csv"),
        ("a.CSV.GZ", gzip.compress(b"a,b\n1,x\n2,y\n", mtime=0), "csv"),
        ("a.csv.gz", gzip.compress(b"a,b\n1,x\n2,y\n", mtime=0), "csv"),
        ("a.tsv", b"a\tb\n1\tx\n2\ty\n", "tsv"),
        ("bom.csv", b"\xef\xbb\xbfa,b\n1,x\n2,y\n", "csv"),
        ("quoted.csv", b'a,b\n1,"x, \n y"\n2,y', "csv"),
    ],
)
def test_text_formats(name, content, kind):
    description = describe_table(open_table(write(name, content)))
    assert description.format == kind
    assert description.columns == (Column("a", "BIGINT"), Column("b", "VARCHAR"))
    assert description.row_count == 2


def test_parquet():
    write_parquet("a.parquet", "SELECT 1 AS a, 'x' AS b, {'p': 1, 'q': {'r': 2}} AS s, 2.5 AS c")
    description = describe_table(open_table("a.parquet"))
    assert [column.name for column in description.columns] == ["a", "b", "s", "c"]
    assert description.row_count == 1


def test_a_glob_takes_all_files_and_columns_by_name():
    write("p1.csv", "a,b\n1,2\n")
    write("p2.csv", "b,a\n20,10\n")
    table = open_table("p*.csv")
    assert [file.name for file in table.files] == ["p1.csv", "p2.csv"]
    rows = connect().execute(f"SELECT a, b FROM {relation_sql(table)} ORDER BY a").fetchall()
    assert rows == [(1, 2), (10, 20)]


def test_a_late_text_value_makes_the_column_text():
    write("late.csv", "a,b\n" + "1,2\n" * 30_000 + "x,2\n")
    description = describe_table(open_table("late.csv"))
    assert description.columns[0] == Column("a", "VARCHAR")
    assert description.row_count == 30_001


@pytest.mark.parametrize(
    "name",
    ["a'b.csv", "a[1].csv", "a*b.csv", "a?.csv", "x=1,y.csv", "--;.csv", "ü ñ.csv", 'q".csv', "a\nb.csv"],
)
def test_hostile_file_names_are_only_names(name):
    write(name, "a\n1\n")
    write("a1.csv", "a\n1\n1\n")
    assert describe_table(open_table(name)).row_count == 1


def test_hostile_column_names_are_only_names():
    names = ["a'b", 'c"d', "e]", "; DROP TABLE x", "select"]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    write("a.csv", f"{header}\n1,2,3,4,5\n")
    assert [column.name for column in describe_table(open_table("a.csv")).columns] == names
    relation = relation_sql(open_table("a.csv"), text=names)
    row = connect().execute(f"SELECT {', '.join(map(quote_name, names))} FROM {relation}").fetchone()
    assert row == ("1", "2", "3", "4", "5")


def test_what_is_not_a_table():
    Path("folder.csv").mkdir()
    write("empty.csv", b"")
    write("notes.txt", "hello")
    write("one.csv", "a\n1\n")
    write_parquet("one.parquet", "SELECT 1 AS a")
    assert slug_of("missing.csv") == "no-such-file"
    assert slug_of("none-*.csv") == "no-such-file"
    assert slug_of("nul\0.csv") == "no-such-file"
    assert slug_of("x" * 5000 + ".csv") == "no-such-file"
    assert slug_of("folder.csv") == "not-a-file"
    assert slug_of("empty.csv") == "empty-file"
    assert slug_of("notes.txt") == "unknown-format"
    assert slug_of("one.*") == "mixed-formats"


def test_no_match_says_where_it_looked(tmp_path):
    assert str(tmp_path) in error_of("none-*.csv").message


def test_an_unreadable_file(monkeypatch):
    write("a.csv", "a\n1\n")

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    assert "Permission denied" in error_of("a.csv").message


@pytest.mark.parametrize("late", [0, 30_000])
@pytest.mark.parametrize(("row", "found"), [("1,2,3", "3 fields"), ("1", "1 fields")])
def test_a_ragged_row_is_named_by_line(late, row, found):
    write("ragged.csv", "a,b\n" + "1,2\n" * late + row + "\n4,5\n")
    error = error_of("ragged.csv")
    assert error.slug == "ragged-csv"
    assert f"line {late + 2}" in error.message
    assert found in error.message


def test_a_ragged_file_among_many_is_named():
    write("p1.csv", "a,b\n1,2\n")
    write("p2.csv", "a,b\n1,2,3\n")
    assert "p2.csv, line 2" in error_of("p*.csv").message


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        (b"a,b\n", "no-rows"),
        (b"a,b", "no-rows"),
        (b"\n\n", "no-header"),
        (b"a,b,a\n1,2,3\n", "duplicate-columns"),
        (b"a,A\n1,2\n", "duplicate-columns"),
        (b'a,b\n"1,2\n', "ragged-csv"),
        ("a,b\nx,é\n".encode("latin-1"), "not-utf8"),
        (b"a,b\n" + b"x,y\n" * 30_000 + "é,2\n".encode("latin-1"), "not-utf8"),
        ("a,b\nx,y\n".encode("utf-16"), "not-utf8"),
    ],
)
def test_broken_csv(content, slug):
    assert slug_of(write("broken.csv", content)) == slug


def test_messages_do_not_repeat_rows():
    write("secret.csv", "a,b\n" + "1,2\n" * 3 + "hunter2,3,4\n")
    error = error_of("secret.csv")
    assert "hunter2" not in error.message + error.hint


@pytest.mark.parametrize("content", [b"PAR1xx", b"PAR1" + b"\0" * 100 + b"PAR1", b"plain text\n" * 20])
def test_corrupt_parquet(content):
    assert slug_of(write("bad.parquet", content)) == "unreadable-file"


def test_truncated_gzip():
    write("cut.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000)[:-20])
    assert slug_of("cut.csv.gz") == "unreadable-file"


def test_parquet_without_rows_and_with_a_name_twice():
    write_parquet("none.parquet", "SELECT 1 AS a WHERE false")
    assert slug_of("none.parquet") == "no-rows"


def test_parquet_with_a_name_twice():
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    table = pyarrow.table([pyarrow.array([1]), pyarrow.array([2])], names=["a", "a"])
    parquet.write_table(table, "twice.parquet")
    assert slug_of("twice.parquet") == "duplicate-columns"


def test_a_blank_first_header_is_fine():
    write("pandas.csv", ",a\n0,1\n")
    assert [column.name for column in describe_table(open_table("pandas.csv")).columns] == ["column0", "a"]


def test_a_folder_like_a_partition_adds_no_column():
    Path("year=2020").mkdir()
    write_parquet("year=2020/a.parquet", "SELECT 1 AS a")
    assert [column.name for column in describe_table(open_table("year=2020/*.parquet")).columns] == ["a"]


def test_a_file_that_is_gone_by_now():
    for name in (write("a.csv", "a\n1\n"), write_parquet("a.parquet", "SELECT 1 AS a")):
        table = open_table(name)
        Path(name).unlink()
        with pytest.raises(InputError) as caught:
            describe_table(table)
        assert caught.value.slug == "unreadable-file"


def test_a_changed_file_is_read_again():
    write("a.csv", "a,b\n1,2\n")
    assert read_header(Path("a.csv"))[0] == ("a", "b")
    write("a.csv", "c,d,e\n1,2,3\n")
    assert read_header(Path("a.csv"))[0] == ("c", "d", "e")


def test_duckdb_is_not_imported_before_it_is_needed():
    code = "import sys, crisplens.registry.data.tabular; sys.exit('duckdb' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[3])


@pytest.mark.parametrize("name", ["a.jsonl", "a.ndjson", "a.jsonl.gz", "a.NDJSON.GZ"])
def test_lines_of_json(name):
    content = b'{"a": 1, "b": "x"}\r\n\n{"a": 2.5, "c": {"d": [1]}}\n'
    found = describe_table(open_table(write(name, gzip.compress(content) if name[-1] in "zZ" else content)))
    assert (found.format, found.row_count) == ("jsonl", 2)
    assert [(one.name, one.type) for one in found.columns[:2]] == [("a", "DOUBLE"), ("b", "VARCHAR")]


def test_lines_of_json_have_the_types_of_all_lines():
    write("late.jsonl", '{"a": 1}\n' * 30_000 + '{"a": 1.5}\n')
    assert describe_table(open_table("late.jsonl")).columns == (Column("a", "DOUBLE"),)


@pytest.mark.parametrize(
    ("content", "slug", "words"),
    [
        ('{"a": 1}\n{"a": "secret"\n', "unreadable-file", "a line is no JSON"),
        ('{"a": "secret", "a": 2}\n', "duplicate-columns", "line 1: an object has the key 'a' twice"),
        ("[1, 2]\n", "unreadable-file", "a line is no JSON object"),
        ("plain text\n", "unreadable-file", "a line is no JSON"),
        (b'{"a": "\xff"}\n', "not-utf8", "not UTF-8"),
    ],
)
def test_what_is_no_line_of_json_is_told_without_the_row(content, slug, words):
    error = error_of(write("bad.jsonl", content))
    assert error.slug == slug
    assert words in error.message
    assert "secret" not in error.message


@pytest.mark.parametrize("name", ["long.csv", "long.csv.gz"])
def test_a_last_line_that_duckdb_would_overlook_is_an_error(name):
    lines, long = b"a,b\n1,x\n" + b"2,y\n" * 40, b"3," + b"z" * 33_000_000
    for content, fits in (
        (lines + long, False),
        (lines + long + b"\n", False),
        (b"a,b\n" + b"1,x\n" * 9_000_000, True),
    ):
        write(name, gzip.compress(content, 1) if name.endswith("z") else content)
        if fits:
            assert read_header(Path(name))[0] == ("a", "b")
        else:
            assert "its last line" in error_of(name).message
    Path(name).unlink()


@pytest.mark.parametrize("tail", [b"", b"\n", b"\r\n"])
def test_a_last_line_as_long_as_a_line_may_be_is_one(tail):
    content = b"a,b\n" + b"1,x\n" * 9_000_000 + b"2," + b"y" * 1_900_000 + tail
    write("long.csv.gz", gzip.compress(content, 1))
    assert read_header(Path("long.csv.gz"))[0] == ("a", "b")
    write("long.csv", content)
    assert read_header(Path("long.csv"))[0] == ("a", "b")
    Path("long.csv").unlink()


def test_a_header_that_never_ends_is_not_read_to_its_end():
    write("wide.csv", b"a" * 3_000_000)
    assert "line 1 cannot be read: it is longer than" in error_of("wide.csv").message


def test_what_a_pattern_matches_besides_files_is_not_passed_over():
    write("data-1.csv", "a\n1\n")
    for name, make in (
        ("data-2.csv", lambda path: path.symlink_to("nowhere")),
        ("data-3.csv", os.mkfifo),
        ("data-4.csv", Path.mkdir),
    ):
        make(Path(name))
        assert name in error_of("data-*.csv").message
        table = open_table("data-*.csv", partial=True)
        assert [one.file.name for one in table.unreadable] == [name]
        assert name in table.unreadable[0].reason
        Path(name).rmdir() if Path(name).is_dir() else Path(name).unlink()


def test_folders_that_are_passed_through_are_no_data():
    Path("data").mkdir()
    Path("data/day.parquet").mkdir()
    write_parquet("data/day.parquet/part.parquet", "SELECT 1 AS a")
    Path("data/notes").mkdir()
    assert [file.name for file in open_table("data/**/*.parquet").files] == ["part.parquet"]
    write("data/one.csv", "a\n1\n")
    Path("data/day.parquet").rename("elsewhere")
    assert [file.name for file in open_table("data/*").files] == ["one.csv"]


def test_values_are_not_in_messages_about_types():
    write("p1.csv", "a\n" + "1.5\n" * 30)
    write("p2.csv", "a\n" + "secret\n" * 30)
    with pytest.raises(InputError) as caught, duckdb_errors(open_table("p2.csv")):
        connect().execute("SELECT * FROM read_csv('p2.csv', columns={'a': 'DOUBLE'}, header=true)").fetchall()
    assert (
        caught.value.message == "p2.csv, line 2 cannot be read: a value of column 'a' does not read as DOUBLE"
    )


def test_a_cut_off_parquet_file_among_many_is_named():
    write_parquet("p1.parquet", "SELECT 1 AS a")
    write("p2.parquet", Path("p1.parquet").read_bytes()[:-4])
    message = error_of("p*.parquet").message
    assert message.endswith("p2.parquet cannot be read: it is no Parquet file, or was not written to its end")


SETTINGS = "SELECT current_setting('threads'), current_setting('TimeZone'), current_setting('preserve_insertion_order')"


def test_a_database_that_is_used_again_is_as_new():
    with connected() as connection:
        before = connection.execute(SETTINGS).fetchall()
        connection.execute('CREATE TABLE kept AS SELECT 1; CREATE TEMP TABLE "for a while" AS SELECT 1')
        connection.execute(
            "SET GLOBAL TimeZone = 'Asia/Tokyo'; SET threads = 1; SET TimeZone = 'Asia/Kolkata'"
        )
        connection.execute("SET preserve_insertion_order = true")
    with connected() as connection:
        assert connection.execute("SELECT * FROM duckdb_tables()").fetchall() == []
        assert connection.execute(SETTINGS).fetchall() == before


def test_those_who_read_at_once_have_databases_of_their_own():
    with connected() as one, connected() as other:
        one.execute("CREATE TABLE mine AS SELECT 1")
        assert other.execute("SELECT * FROM duckdb_tables()").fetchall() == []


def test_a_database_in_which_something_failed_is_not_used_again():
    with pytest.raises(duckdb.BinderException), connected() as connection:
        connection.execute("CREATE TABLE left_over AS SELECT 1; SELECT nothing")
    with connected() as connection:
        assert connection.execute("SELECT * FROM duckdb_tables()").fetchall() == []


def test_a_forked_process_opens_databases_of_its_own():
    code = (
        "import os, sys\n"
        "from crisplens.registry.data.tabular import connected\n"
        "with connected() as connection: connection.execute('SELECT 1')\n"
        "child = os.fork()\n"
        "if not child:\n"
        "    with connected() as connection: one = connection.execute('SELECT count(*) FROM range(9)').fetchone()\n"
        "    os._exit(one != (9,))\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0
