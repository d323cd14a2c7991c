"""What can be wrong with a window's data: each is bad data or an error that says what, and never "no drift"."""

from __future__ import annotations

import gzip
import json
import os
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from crisplens import migrations
from crisplens.api import Registry
from crisplens.core.database import disposing, open_engine
from crisplens.core.errors import CrisplensError, InputError, RegistryError
from crisplens.monitors import checking
from crisplens.monitors.engines import duckdb_engine
from crisplens.registry.data.tabular import connect, quote_text
from tests.conftest import Files, SqliteDatabases, opened

KINDS = ("csv", "parquet", "jsonl")
WRITTEN = {"csv": "FORMAT csv, HEADER", "parquet": "FORMAT parquet", "jsonl": "FORMAT json"}
ROWS = (
    "SELECT (i * 7 % 23) / 2 + i / 1000 AS tenure, (i * 5 % 19) / 2 + i / 1000 AS spend, "
    "'plan-' || i % 3 AS plan FROM range(60) rows(i)"
)


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry with a monitor for each format, named like it, of the same rows."""
    folder = tmp_path_factory.mktemp("watched")
    url = SqliteDatabases(folder).empty()
    with disposing(open_engine(url, create=True)) as engine:
        migrations.upgrade(engine)
    with opened(url, folder) as registry:
        registry.project.add("churn", title="Churn")
        registry.model.register("churn-gbm", Files(folder).text("weights"))
        for kind in KINDS:
            reference = write(folder / f"reference.{kind}", ROWS)
            live = str(folder / "none" / f"*.{kind}")
            registry.monitor.add(kind, model="churn-gbm", reference=reference, current=live)
        yield registry


def write(file: Path, query: str = ROWS) -> Path:
    """The rows of a query, in the format that the file's name says."""
    with connect() as connection:
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(f"COPY ({query}) TO {quote_text(str(file))} ({WRITTEN[file.suffix[1:]]})")
    return file


def check(registry: Registry, where: Path | str, kind: str = "") -> Any:
    """What a check of these files finds."""
    monitor = kind or str(where).removesuffix(".gz").rpartition(".")[2]
    return registry.monitor.run(monitor, current=str(where)).check.result


def refused(registry: Registry, where: Path | str, kind: str = "") -> CrisplensError:
    """The error that a check of these files ends with; it repeats nothing over several lines."""
    with pytest.raises(CrisplensError) as caught:
        check(registry, where, kind)
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 600
    return caught.value


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each format in turn."""
    return str(request.param)


@pytest.mark.parametrize(
    ("query", "verdict", "words"),
    [
        (f"SELECT tenure AS tenur, spend, plan FROM ({ROWS})", "bad-data", "tenure is missing"),
        (f"SELECT 'x' || tenure AS tenure, spend, plan FROM ({ROWS})", "bad-data", "tenure is of the wrong type"),
        (f"SELECT NULL::DOUBLE AS tenure, spend, plan FROM ({ROWS})", "bad-data", "tenure is all null"),
        (f"SELECT NULL::DOUBLE AS tenure, NULL::DOUBLE AS spend, NULL::VARCHAR AS plan FROM ({ROWS})", "bad-data",
         "No column could be compared; tenure, spend, plan are all null"),
        (f"SELECT 5.5 AS tenure, spend, plan FROM ({ROWS})", "drift", "tenure"),
        (f"SELECT CASE WHEN plan = 'plan-0' THEN 'inf'::DOUBLE ELSE tenure END AS tenure, spend, plan FROM ({ROWS})",
         "drift", "tenure"),
        (f"SELECT * FROM ({ROWS}) LIMIT 1", "insufficient-data", "too few values"),
    ],
    ids=["renamed", "text", "all null", "everything null", "constant", "infinities", "one row"],
)  # fmt: skip
def test_what_is_wrong_with_rows_is_in_the_verdict(
    watched: Registry, tmp_path: Path, kind: str, query: str, verdict: str, words: str
) -> None:
    found = check(watched, write(tmp_path / f"w.{kind}", query))
    assert (found.verdict, words in found.reason) == (verdict, True), found.reason


def test_infinite_values_are_told(watched: Registry, tmp_path: Path, kind: str) -> None:
    query = f"SELECT CASE WHEN plan = 'plan-0' THEN 'inf'::DOUBLE ELSE tenure END AS tenure, spend, plan FROM ({ROWS})"
    found = check(watched, write(tmp_path / f"w.{kind}", query)).columns[0]
    assert "20 infinite values of the window count as missing" in found.reason


def test_a_missing_column_is_told_with_the_nearest(watched: Registry, tmp_path: Path, kind: str) -> None:
    found = check(
        watched, write(tmp_path / f"w.{kind}", f"SELECT tenure AS tenur, spend, plan FROM ({ROWS})")
    )
    assert "the nearest there is tenur" in found.columns[0].reason


def test_values_that_are_no_numbers_are_counted(watched: Registry, tmp_path: Path, kind: str) -> None:
    query = (
        "SELECT CASE WHEN plan = 'plan-0' THEN 'oops' ELSE tenure::VARCHAR END AS tenure, "
        f"spend, plan FROM ({ROWS})"
    )
    found = check(watched, write(tmp_path / f"w.{kind}", query))
    assert (found.verdict, found.columns[0].verdict) == ("bad-data", "wrong-type")
    assert found.columns[0].reason.startswith("20 of 60 values are not numbers")


def test_a_window_without_rows_is_bad_data(watched: Registry, tmp_path: Path, kind: str) -> None:
    empty = write(tmp_path / f"w.{kind}", f"SELECT * FROM ({ROWS}) WHERE false")
    if kind == "jsonl":
        assert refused(watched, empty).slug == "empty-file"
        return
    found = check(watched, empty)
    assert (found.verdict, found.reason) == ("bad-data", "The window has no rows.")


def test_the_reference_as_its_own_window_is_minded(watched: Registry, kind: str) -> None:
    (monitor,) = (one for one in watched.monitor.list() if one.name == kind)
    assert "the very data of the reference" in check(watched, monitor.reference.location).reason


def test_a_column_name_twice_is_refused(watched: Registry, tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(
        pa.table([pa.array([1.0]), pa.array([2.0])], names=["tenure", "Tenure"]), tmp_path / "w.parquet"
    )
    tmp_path.joinpath("w.csv").write_text("tenure,spend,tenure\n1,2,3\n", encoding="utf-8")
    tmp_path.joinpath("w.jsonl").write_text('{"tenure": 1, "tenure": 2}\n', encoding="utf-8")
    for kind in KINDS:
        error = refused(watched, tmp_path / f"w.{kind}")
        assert (error.slug, error.exit_code) == ("duplicate-columns", 2)
        assert "tenure" in error.message


@pytest.mark.parametrize(
    ("kind", "zone"),
    [("csv", ""), ("csv", "Z"), ("csv", "-05:00"), ("jsonl", "-05:00"), ("parquet", "-05:00")],
)
def test_times_of_other_zones_late_in_a_file_are_in_the_window_they_belong_to(
    watched: Registry, tmp_path: Path, kind: str, zone: str
) -> None:
    # DuckDB guesses a CSV's types from its first 20,480 rows.
    early = "SELECT '2031-06-01T12:00:00' AS at, i % 7 / 2 AS a FROM range(20500) rows(i)"
    late = f"SELECT '2031-06-02T23:30:00{zone}' AS at, 1.5 AS a FROM range(40)"
    after = "SELECT '2031-06-08T12:00:00' AS at, 1.5 AS a"
    file = write(tmp_path / f"w.{kind}", f"{early} UNION ALL {late} UNION ALL {after}")
    name = f"daily-{kind}-{tmp_path.name.replace('_', '-')}"[:90].rstrip("-")
    watched.monitor.add(
        name,
        model="churn-gbm",
        reference=file,
        current=str(file),
        columns=["a"],
        window="1d",
        time_column="at",
        lateness="0h",
    )
    watched.monitor.retire(name, reason="only its rule is looked at")
    monitor = watched.monitor.get(name)
    from datetime import UTC, datetime

    from crisplens.monitors.due import due_rows
    from crisplens.monitors.engines.extents import count_duplicates
    from crisplens.monitors.sources.by_location import opened_source

    with opened_source(str(file)) as table:
        windows = due_rows(monitor, table, (), datetime(2031, 6, 8, tzinfo=UTC)).rows
        first = [count_duplicates(window, ["at"]) for window in windows[:3]]
    # Windows of 24 hours begin in UTC, where 23:30 five hours behind is the next day.
    assert sum(first) == 20499 + 39
    assert first[2 if zone == "-05:00" else 1] == 39


def test_a_time_column_without_a_time_is_told(watched: Registry, tmp_path: Path) -> None:
    from crisplens.monitors.engines.extents import first_time
    from crisplens.registry.data.tabular import open_table

    file = write(tmp_path / "w.csv", "SELECT 'yesterday' AS at, 1 AS a FROM range(40)")
    with pytest.raises(InputError, match="no row of 40 has a time in the column 'at'"):
        first_time(open_table(str(file)), "at", "UTC")


def test_a_file_that_is_written_to_meanwhile_is_no_window(
    watched: Registry, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / f"w.{kind}")
    profile = duckdb_engine.profile_rows

    def slow(*given: Any, **options: Any) -> Any:
        found = profile(*given, **options)
        with file.open("ab") as stream:
            stream.write(b"\n")
        return found

    monkeypatch.setattr(duckdb_engine, "profile_rows", slow)
    error = refused(watched, file)
    assert (error.slug, error.exit_code) == ("changed-while-read", 2)


def test_what_is_no_file_is_refused_and_not_waited_for(watched: Registry, tmp_path: Path, kind: str) -> None:
    tmp_path.joinpath(f"folder.{kind}").mkdir()
    os.mkfifo(tmp_path / f"pipe.{kind}")
    error = refused(watched, tmp_path, kind)
    assert (error.slug, "is a directory" in error.message) == ("not-a-file", True)
    with socket.socket(socket.AF_UNIX) as bound, inside(tmp_path):
        bound.bind(f"socket.{kind}")
        for name in ("folder", "pipe", "socket"):
            assert refused(watched, f"{name}.{kind}").slug == "not-a-file"


@contextmanager
def inside(folder: Path) -> Iterator[None]:
    """A working directory: a socket's path must be short."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def spoil(file: Path, how: str) -> None:
    """A file like a good one in its folder, with something wrong with it."""
    good = file.with_name(f"a{file.suffix}").read_bytes()
    if how == "folder":
        file.mkdir()
    elif how == "pipe":
        os.mkfifo(file)
    elif how == "gone":
        file.symlink_to("nowhere")
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "zeros":
        file.write_bytes(bytes(len(good)))
    elif how == "noise":
        file.write_bytes(random.Random(7).randbytes(4000))
    elif how == "cut off":
        file.write_bytes(good[: len(good) // 2])
    elif how == "lacks a column":
        write(file, f"SELECT tenure, plan FROM ({ROWS})")
    elif how == "other type":
        write(file, f"SELECT tenure, 'x' || spend AS spend, plan FROM ({ROWS})")
    elif how == "other kind of type":
        write(file, f"SELECT tenure, [spend] AS spend, plan FROM ({ROWS})")
    else:
        write(file, f"SELECT tenure, spend > 4 AS spend, plan FROM ({ROWS})")


SPOILS = {
    "folder": "not a regular file",
    "pipe": "not a regular file",
    "gone": "No such file",
    "empty": "is empty",
    "zeros": "",
    "noise": "",
    "cut off": "",
    "lacks a column": "lacks the column spend",
    "other type": "holds text in the column spend, not numbers",
    "other kind of type": "in the column spend, not numbers",
    "booleans": "holds booleans in the column spend, not numbers",
}


@pytest.mark.parametrize("how", SPOILS)
def test_a_bad_file_among_good_ones_is_named_and_the_others_are_checked(
    watched: Registry, tmp_path: Path, kind: str, how: str
) -> None:
    for name in ("a", "c"):
        write(tmp_path / f"{name}.{kind}")
    spoil(tmp_path / f"b.{kind}", how)
    found = check(watched, tmp_path / f"*.{kind}")
    assert (found.verdict, found.current_rows) == ("bad-data", 120)
    assert f"1 of 3 files is left out: b.{kind}" in found.reason
    assert SPOILS[how] in found.reason
    assert str(tmp_path) not in found.reason


def test_drift_beside_a_bad_file_is_drift_and_the_file_is_named(
    watched: Registry, tmp_path: Path, kind: str
) -> None:
    for name in ("a", "c"):
        write(tmp_path / f"{name}.{kind}", f"SELECT tenure + 40 AS tenure, spend, plan FROM ({ROWS})")
    spoil(tmp_path / f"b.{kind}", "cut off")
    found = check(watched, tmp_path / f"*.{kind}")
    assert (found.verdict, f"left out: b.{kind}" in found.reason) == ("drift", True)


def test_a_file_that_goes_between_listing_and_reading_is_named(
    watched: Registry, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / f"{name}.{kind}")
    look = checking.carry_out_check

    def late(*given: Any, **options: Any) -> Any:
        tmp_path.joinpath(f"b.{kind}").unlink()
        return look(*given, **options)

    monkeypatch.setattr(checking, "carry_out_check", late)
    found = check(watched, tmp_path / f"*.{kind}")
    assert (found.verdict, found.current_rows) == ("bad-data", 120)
    assert "No such file" in found.reason


def test_the_only_file_that_goes_is_an_error(
    watched: Registry, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / f"b.{kind}")
    look = checking.carry_out_check

    def late(*given: Any, **options: Any) -> Any:
        file.unlink()
        return look(*given, **options)

    monkeypatch.setattr(checking, "carry_out_check", late)
    assert refused(watched, file).slug == "unreadable-file"


def test_files_that_only_name_their_columns_in_another_order_are_one_table(
    watched: Registry, tmp_path: Path, kind: str
) -> None:
    write(tmp_path / f"a.{kind}")
    write(tmp_path / f"b.{kind}", f"SELECT plan, 1 AS more, spend, tenure FROM ({ROWS})")
    found = check(watched, tmp_path / f"*.{kind}")
    assert (found.verdict, found.current_rows) == ("no-drift", 120)


def test_windows_that_are_files_go_on_after_a_bad_one(watched: Registry, tmp_path: Path, kind: str) -> None:
    for name in ("a", "c"):
        write(tmp_path / f"{name}.{kind}")
    spoil(tmp_path / f"b.{kind}", "cut off")
    spoil(tmp_path / f"d.{kind}", "empty")
    name, live = f"files-{kind}", str(tmp_path / f"*.{kind}")
    watched.monitor.add(
        name, model="churn-gbm", reference=tmp_path / f"a.{kind}", current=live, window="file"
    )
    (run,) = watched.monitor.run_due(name)
    verdicts = {one.check.window.name: one.check.result.verdict for one in run.checks}
    assert verdicts == {
        f"a.{kind}": "no-drift",
        f"b.{kind}": "bad-data",
        f"c.{kind}": "no-drift",
        f"d.{kind}": "bad-data",
    }
    (again,) = watched.monitor.run_due(name)
    assert again.checks == ()


def as_bytes(tmp_path: Path) -> bytes:
    """The rows as a CSV."""
    return write(tmp_path / "plain.csv").read_bytes()


@pytest.mark.parametrize(
    ("change", "slug", "words"),
    [
        (lambda data: data.replace(b"plan", b"pl\0an", 1), "not-utf8", "NUL bytes in its first line"),
        (lambda data: bytes(len(data)), "not-utf8", "NUL bytes"),
        (lambda data: data.decode().encode("utf-16"), "not-utf8", "not UTF-8"),
        (lambda data: data.decode().encode("utf-16-le"), "not-utf8", "NUL bytes"),
        (lambda data: data.decode().encode("utf-32"), "not-utf8", "not UTF-8"),
        (lambda data: data.replace(b"plan-1", "plän".encode("latin-1")), "not-utf8", "not UTF-8"),
        (lambda data: data + b'1,2,"open', "ragged-csv", "line 62: a quoted value does not end"),
        (lambda data: data + b"1,2\n", "ragged-csv", "line 62: 2 fields"),
        (lambda data: b"\n" + data, "no-header", "no header line"),
    ],
    ids=[
        "NUL header",
        "zeros",
        "UTF-16",
        "UTF-16 no BOM",
        "UTF-32",
        "latin1",
        "quote",
        "ragged",
        "no header",
    ],
)
def test_what_is_no_csv_is_an_error_that_says_where(
    watched: Registry, tmp_path: Path, change: Callable[[bytes], bytes], slug: str, words: str
) -> None:
    tmp_path.joinpath("w.csv").write_bytes(change(as_bytes(tmp_path)))
    error = refused(watched, tmp_path / "w.csv")
    assert (error.slug, error.exit_code, words in error.message) == (slug, 2, True), error.message


def test_nul_bytes_within_rows_are_no_numbers_nor_categories(watched: Registry, tmp_path: Path) -> None:
    data = as_bytes(tmp_path)
    tmp_path.joinpath("w.csv").write_bytes(data.replace(b"3.5", b"3\0"))
    assert check(watched, tmp_path / "w.csv").verdict == "bad-data"
    tmp_path.joinpath("w.csv").write_bytes(data.replace(b"plan-0", b"plan\0"))
    try:
        assert check(watched, tmp_path / "w.csv").verdict == "drift"
    except InputError as error:
        assert error.slug == "not-exact"  # noqa: PT017


def test_a_byte_order_mark_is_no_part_of_a_name(watched: Registry, tmp_path: Path) -> None:
    tmp_path.joinpath("w.csv").write_bytes(b"\xef\xbb\xbf" + as_bytes(tmp_path))
    found = check(watched, tmp_path / "w.csv")
    assert (found.verdict, found.checked, found.current_rows) == ("no-drift", 3, 60)


def test_a_parquet_file_that_is_cut_off_anywhere_is_an_error(watched: Registry, tmp_path: Path) -> None:
    data = write(tmp_path / "whole.parquet").read_bytes()
    for share in range(1, 16):
        tmp_path.joinpath("w.parquet").write_bytes(data[: len(data) * share // 16])
        error = refused(watched, tmp_path / "w.parquet")
        assert (error.slug, "w.parquet" in error.message) == ("unreadable-file", True)


def test_damaged_bytes_never_end_in_anything_but_a_verdict_or_an_error(
    watched: Registry, tmp_path: Path, kind: str
) -> None:
    data, chance = write(tmp_path / f"whole.{kind}").read_bytes(), random.Random(3)
    for _ in range(12):
        broken = bytearray(data)
        for at in chance.sample(range(len(data)), 3):
            broken[at] = chance.randrange(256)
        tmp_path.joinpath(f"w.{kind}").write_bytes(broken)
        with suppress(InputError):
            check(watched, tmp_path / f"w.{kind}")


def test_compressed_files_that_are_not_whole_are_errors(watched: Registry, tmp_path: Path) -> None:
    data = as_bytes(tmp_path)
    for broken in (
        data,
        gzip.compress(data)[:-30],
        gzip.compress(data) + b"more",
        b"\x1f\x8b" + bytes(200),
    ):
        tmp_path.joinpath("w.csv.gz").write_bytes(broken)
        assert refused(watched, tmp_path / "w.csv.gz").slug == "unreadable-file"


LONG = """
import resource, sys
from pathlib import Path
from crisplens.core.errors import InputError
from crisplens.monitors.engines.duckdb_engine import profile_current, profile_reference
from crisplens.registry.data.tabular import open_table
reference = profile_reference(open_table(sys.argv[1]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for file in sys.argv[2:]:
    try:
        print(profile_current(open_table(file), reference).rows)
    except InputError as error:
        print(error.slug, error.message)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_lines_without_an_end_are_errors_and_take_little_memory(tmp_path: Path) -> None:
    data, huge, long = as_bytes(tmp_path), 100_000_000, 40_000_000
    files = {
        "last.csv": data + b"1,2," + b"x" * huge + b"\n",
        "first.csv": b"x" * huge + b"\n" + data,
        "open.csv": data + b'1,2,"' + b"x" * long,
        "bomb.csv.gz": gzip.compress(data + b"1,2," + bytes(long), 1),
        "between.csv": data + b"1,2," + b"x" * long + b"\n3,4,plan-1\n",
    }
    for name, content in files.items():
        tmp_path.joinpath(name).write_bytes(content)
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            LONG,
            str(tmp_path / "plain.csv"),
            *(str(tmp_path / name) for name in files),
        ],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
        timeout=120,
    )
    *told, grown = ran.stdout.splitlines()
    assert [line.split()[0] for line in told] == ["unreadable-file"] * 5, told
    assert all("longer than 2,000,000 bytes" in line for line in told), told
    assert int(grown) < 450
    for name in files:
        tmp_path.joinpath(name).unlink()


@contextmanager
def asking_for_a_password() -> Iterator[int]:
    """The port of a server that speaks PostgreSQL's protocol as far as asking for a password."""

    def answer(server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                client, _ = server.accept()
                with client:
                    while True:
                        size = int.from_bytes(client.recv(4))
                        asked = client.recv(size - 4)
                        if asked[:4] == (3 << 16).to_bytes(4):
                            break
                        client.sendall(b"N")  # no encryption
                    client.sendall(b"R" + (8).to_bytes(4) + (3).to_bytes(4))
                    if client.recv(1) == b"p":
                        client.recv(4096)
                        fields = b"SFATAL\0C28P01\0Mpassword authentication failed\0\0"
                        client.sendall(b"E" + (len(fields) + 4).to_bytes(4) + fields)

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=answer, args=[server], daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_a_database_that_wants_a_password_is_told_from_one_that_is_not_there(
    watched: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSFILE", "/dev/null")
    monkeypatch.setenv("PGGSSENCMODE", "disable")
    monkeypatch.delenv("PGPASSWORD", raising=False)
    with asking_for_a_password() as port:
        url = f"postgresql://watcher@127.0.0.1:{port}/live#served"
        error = refused(watched, url, "csv")
        assert (error.slug, error.exit_code, type(error)) == ("no-credentials", 3, RegistryError)
        assert "asks for a password, and there is none for watcher" in error.message
        assert "PGPASSWORD" in error.hint
        monkeypatch.setenv("PGPASSWORD", "hunter2")
        wrong = refused(watched, url, "csv")
    assert (wrong.slug, "does not take the password" in wrong.message) == ("no-credentials", True)
    assert "hunter2" not in wrong.message + wrong.hint


def test_a_bucket_without_credentials_is_told_with_what_to_set(
    watched: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3fs = pytest.importorskip("s3fs")
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    s3fs.S3FileSystem.clear_instance_cache()
    error = refused(watched, "s3://live/*.parquet", "parquet")
    s3fs.S3FileSystem.clear_instance_cache()
    assert (error.slug, error.exit_code) == ("no-credentials", 3)
    assert "AWS_ACCESS_KEY_ID" in error.hint


def test_a_line_of_json_that_is_no_row_is_an_error_without_the_row(watched: Registry, tmp_path: Path) -> None:
    good = write(tmp_path / "whole.jsonl").read_text("utf-8")
    for line in (
        '{"tenure": "secret"',
        "[1, 2]",
        "secret",
        json.dumps({"tenure": 1})[:-1] + ', "tenure": 2}',
    ):
        tmp_path.joinpath("w.jsonl").write_text(good + line + "\n", encoding="utf-8")
        error = refused(watched, tmp_path / "w.jsonl")
        assert (error.exit_code, "secret" in error.message) == (2, False)
