"""Monitors on databases, object stores, lines of JSON and frames: each is read as its rows are."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from crisplens.api import Registry
from crisplens.core.errors import CrisplensError, InputError, RegistryError
from crisplens.monitors.sources.by_location import opened_data, opened_source, scheme_of
from crisplens.registry.data.tabular import describe_table
from tests.conftest import Files, assert_refused

ROWS = [(at, None if at % 5 == 0 else f"v{at % 3}", at / 4) for at in range(80)]


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def fill_sqlite() -> None:
    with sqlite3.connect("live.db") as connection:
        connection.execute("CREATE TABLE served (a INTEGER, b TEXT, c REAL, d BLOB)")
        connection.executemany("INSERT INTO served VALUES (?, ?, ?, x'00')", ROWS)


def fill_duckdb() -> None:
    import duckdb

    with duckdb.connect("live.duckdb") as connection:
        connection.execute("CREATE TABLE served (a BIGINT, b VARCHAR, c DOUBLE)")
        connection.executemany("INSERT INTO served VALUES (?, ?, ?)", ROWS)


def described(location: str) -> tuple[list[tuple[str, str]], int]:
    """Names and types of the columns of a location, and how many rows it has."""
    with opened_source(location) as table:
        found = describe_table(table)
    return [(one.name, one.type) for one in found.columns if one.name != "d"], found.row_count


EXPECTED = [("a", "BIGINT"), ("b", "VARCHAR"), ("c", "DOUBLE")]


@pytest.mark.parametrize(
    ("fill", "location", "rows"),
    [
        (fill_sqlite, "sqlite:///live.db#served", 80),
        (fill_sqlite, "sqlite:///live.db#SELECT a, b, c FROM served WHERE a >= 40", 40),
        (fill_duckdb, "duckdb:///live.duckdb#served", 80),
        (fill_duckdb, "duckdb:///live.duckdb#main.served", 80),
        (fill_duckdb, "duckdb:///live.duckdb#SELECT * FROM served WHERE a < 30", 30),
    ],
)
def test_tables_and_queries_of_files_with_databases(
    fill: Callable[[], None], location: str, rows: int
) -> None:
    fill()
    assert described(location) == (EXPECTED, rows)


def test_what_is_read_goes_away_at_the_end() -> None:
    fill_sqlite()
    with opened_source("sqlite:///live.db#served") as table:
        (file,) = table.files
        assert file.exists()
    assert not file.parent.exists()


def test_a_query_without_rows_keeps_its_names() -> None:
    fill_sqlite()
    with opened_source("sqlite:///live.db#SELECT a, b FROM served WHERE a < 0") as table:
        assert table.files[0].read_text("utf-8").splitlines() == ['"a","b"']


@pytest.mark.stored
def test_tables_and_queries_of_postgresql(postgresql_server: Engine) -> None:
    url = postgresql_server.url.set(drivername="postgresql", password=None)
    with postgresql_server.begin() as connection:
        connection.execute(text('DROP TABLE IF EXISTS "Served rows"'))
        connection.execute(
            text(
                'CREATE TABLE "Served rows" (a bigint, b text, c numeric(10, 2), t timestamptz, f boolean, o text[])'
            )
        )
        connection.execute(
            text(
                "INSERT INTO \"Served rows\" SELECT i, CASE WHEN i % 5 <> 0 THEN 'v' || i END, i / 4.0, now(), i > 3, "
                "ARRAY['x'] FROM generate_series(1, 60) i"
            )
        )
    at = url.render_as_string(hide_password=False)
    found, rows = described(f"{at}#public.Served rows")
    assert rows == 60
    assert dict(found)["a"] == "BIGINT"
    assert dict(found)["c"] == "DOUBLE"
    assert dict(found)["f"] == "BOOLEAN"
    assert dict(found)["t"].startswith("TIMESTAMP")
    assert described(f"{at}#SELECT a, b FROM \"Served rows\" WHERE b LIKE 'v1%'")[1] > 5
    with pytest.raises(InputError, match="cannot be read"):
        described(f"{at}#nowhere")
    with pytest.raises(InputError, match=r"read-only|data-modifying"):
        described(f'{at}#WITH gone AS (DELETE FROM "Served rows" RETURNING a) SELECT a FROM gone')
    assert described(f"{at}#public.Served rows")[1] == 60


@pytest.mark.parametrize(
    ("location", "kind", "words"),
    [
        ("sqlite:///live.db", InputError, "names no table"),
        ("sqlite:///none.db#served", InputError, "no file none.db"),
        ("sqlite:///live.db#nope", InputError, "no such table: nope"),
        ("sqlite:///live.db#WITH x AS (SELECT 1) DELETE FROM served", InputError, "cannot be read"),
        ("sqlite:///live.db#SELECT a, a FROM served", InputError, "column name twice"),
        ("duckdb:///none.duckdb#served", InputError, "no file none.duckdb"),
        ("postgresql://u:secret@h/db#t", InputError, "password"),
        ("postgresql://127.0.0.1:1/db#t", RegistryError, "127.0.0.1 cannot be reached"),
        ("gopher://h/x.csv", RegistryError, "gopher"),
        ("memory://nowhere/x.csv", InputError, "no file"),
        ("memory://nowhere/*.csv", InputError, "no file matches"),
    ],
)
def test_what_cannot_be_read_is_told(location: str, kind: type[CrisplensError], words: str) -> None:
    fill_sqlite()
    with pytest.raises(kind, match=words) as caught:
        described(location)
    assert "secret" not in caught.value.message


def test_object_stores_give_their_files_by_pattern() -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    for day in (1, 2):
        store.pipe_file(f"/live/{day}/rows.csv", b"a,b\n1,x\n2,y\n")
    assert described("memory://live/*/rows.csv")[1] == 4
    assert described("memory://live/1/rows.csv")[1] == 2
    store.pipe_file("/live/1/rows.parquet", b"")
    with pytest.raises(InputError, match="different formats"):
        described("memory://live/1/*")


@pytest.mark.parametrize(
    ("location", "scheme"),
    [
        ("live/*.csv", ""),
        ("C:\\live\\rows.csv", ""),
        ("odd:name.csv", ""),
        ("s3://bucket/x.parquet", "s3"),
        ("postgresql+psycopg://h/db#t", "postgresql"),
        ("SQLite:///x.db#t", "sqlite"),
    ],
)
def test_paths_are_told_from_urls(location: str, scheme: str) -> None:
    assert scheme_of(location) == scheme


def frames() -> list[Any]:
    """The same table as each kind of frame."""
    import pandas as pd
    import pyarrow as pa

    columns = {"a": [1, 2, 3], "b": ["x", "y", None]}
    return [pd.DataFrame(columns), pa.table(columns), pa.table(columns).to_reader()]


@pytest.mark.parametrize("frame", frames(), ids=lambda one: type(one).__name__)
def test_frames_are_tables(frame: Any) -> None:
    with opened_data(frame) as table:
        found = describe_table(table)
    assert (found.row_count, [one.name for one in found.columns]) == (3, ["a", "b"])


@pytest.mark.parametrize("frame", [object(), 3])
def test_what_is_no_frame_is_told(frame: Any) -> None:
    with pytest.raises(InputError, match="cannot be read as a table"), opened_data(frame):
        pass


@pytest.mark.stored
def test_a_monitor_compares_a_database_with_lines_of_json(registry: Registry, files: Files) -> None:
    fill_sqlite()
    lines = [json.dumps({"a": a, "b": b, "c": c}) for a, b, c in ROWS]
    Path("reference.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    registry.model.register("churn-gbm", files.text("weights"))
    location = "sqlite:///live.db#SELECT a, b, c FROM served"
    registry.monitor.add("live", model="churn-gbm", reference="reference.jsonl", current=location)
    found = registry.monitor.run("live").check
    assert (found.result.verdict, found.window.location, found.window.rows) == ("no-drift", location, 80)
    shifted = "sqlite:///live.db#SELECT a + 500 AS a, b, c FROM served"
    assert registry.monitor.run("live", current=shifted).check.result.verdict == "drift"
    assert_refused(
        registry, lambda: registry.monitor.run("live", current="sqlite:///live.db#x"), "bad-source"
    )


@pytest.mark.stored
def test_a_monitor_takes_a_frame(registry: Registry, files: Files) -> None:
    import pandas as pd

    registry.model.register("churn-gbm", files.text("weights"))
    reference = files.table("reference.csv")
    registry.monitor.add("live", model="churn-gbm", reference=reference, current="none.csv")
    found = registry.monitor.run("live", current=pd.read_csv(reference)).check
    assert (found.result.verdict, found.window.location) == ("no-drift", "a frame in memory")


def test_objects_that_are_empty_or_go_meanwhile_are_told_beside_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    for name, content in (("a", b"a,b\n1,x\n"), ("b", b""), ("c", b"a,b\n2,y\n")):
        store.pipe_file(f"/parts/{name}.csv", content)
    with pytest.raises(InputError, match=r"b\.csv is empty"):
        described("memory://parts/*.csv")
    get = type(store).get_file

    def late(self: Any, remote: str, *given: Any, **options: Any) -> Any:
        if remote.endswith("c.csv"):
            raise FileNotFoundError(remote)
        return get(self, remote, *given, **options)

    monkeypatch.setattr(type(store), "get_file", late)
    with opened_source("memory://parts/*.csv", partial=True) as table:
        assert [file.name for file in table.files] == ["a.csv"]
        assert [one.file.name for one in table.unreadable] == ["b.csv", "c.csv"]
    with pytest.raises(InputError, match="no file"):
        described("memory://parts/c.csv")
