"""Monitors whose windows are profiled where they are: in PostgreSQL, by the engine ibis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, create_engine, text

from crisplens.api import Registry
from crisplens.core.database import disposing
from tests.conftest import Files, PostgresqlDatabases, assert_refused

pytestmark = pytest.mark.stored
pytest.importorskip("ibis")

ROWS = """
CREATE TABLE {name} AS
SELECT i, (i * 37 % 101) / 10.0 + {shift} AS spend, CASE i % 3 WHEN 0 THEN 'basic' ELSE 'plus' END AS plan,
  TIMESTAMP '2026-03-01' + INTERVAL '5 minutes' * i AS at
FROM generate_series(0, 575) AS series(i)
"""


@pytest.fixture(scope="module")
def tables(postgresql_server: Engine) -> Iterator[str]:
    """The URL of a database with the tables `train`, `live` and `moved`."""
    databases = PostgresqlDatabases(postgresql_server)
    url = databases.empty()
    with disposing(create_engine(url)) as engine, engine.begin() as connection:
        for name, shift in (("train", 0), ("live", 0), ("moved", 5)):
            connection.execute(text(ROWS.format(name=name, shift=shift)))
    yield url.replace("postgresql+psycopg:", "postgresql:")
    databases.drop(url)


@pytest.fixture
def add(registry: Registry, files: Files, tables: str):
    """Add a monitor by the engine ibis."""
    registry.model.register("churn-gbm", files.text("weights"))

    def add(name: str, **options: object) -> None:
        given = {
            "model": "churn-gbm",
            "reference": f"{tables}#train",
            "current": f"{tables}#live",
            "columns": ["spend", "plan"],
            "engine": "ibis",
        }
        registry.monitor.add(name, **(given | options))

    return add


def test_a_window_is_profiled_where_it_is(registry: Registry, tables: str, add) -> None:
    add("there", constraints="suggest")
    done = registry.monitor.run("there").check
    assert (done.result.verdict, done.result.engine, done.result.current_rows) == ("no-drift", "ibis", 576)
    assert (done.window.files, done.window.digest[:7]) == (0, "sha256:")
    again = registry.monitor.run("there").check
    assert again.window.digest == done.window.digest
    moved = registry.monitor.run("there", current=f"{tables}#moved")
    assert moved.check.result.verdict == "drift"
    assert moved.incident is not None
    query = registry.monitor.run(
        "there", current=f"{tables}#SELECT spend, plan FROM live WHERE i < 288"
    ).check
    assert query.result.current_rows == 288
    assert registry.audit.verify().passed


def test_windows_of_time_are_filtered_by_the_database(registry: Registry, add) -> None:
    add("daily", window="day", time_column="at")
    (run,) = registry.monitor.run_due("daily", most=2)
    assert [one.check.result.current_rows for one in run.checks] == [288, 288]
    assert [str(one.check.window.start)[:10] for one in run.checks] == ["2026-03-01", "2026-03-02"]


def test_what_only_files_have_is_refused(registry: Registry, files: Files, tables: str, add) -> None:
    add("files", window="file")
    assert_refused(registry, lambda: registry.monitor.run("files"), "bad-window", "no files")
    for options, slug in (
        ({"exact": True}, "bad-setting"),
        ({"reference": f"{tables}#nothing"}, "bad-source"),
        ({"columns": ["spent"]}, "unknown-name"),
    ):
        assert_refused(registry, lambda options=options: add("other", **options), slug)
    add("local", reference=files.table("train.csv", columns="spend,i"), columns=["spend"])
    assert_refused(registry, lambda: registry.monitor.run("local", current="train.csv"), "bad-source")
    assert_refused(
        registry,
        lambda: registry.monitor.run("local", engine="duckdb", current="spark:x.csv"),
        "bad-source",
        "Spark",
    )


def test_a_table_of_ibis_is_looked_at(registry: Registry, tables: str, add) -> None:
    from crisplens.monitors.engines.ibis_engine import opened_remote

    add("there")
    with opened_remote(f"{tables}#moved") as rows:
        found = registry.monitor.run("there", current=rows.filter(rows.i < 288)).check
    assert [one.verdict for one in found.result.columns] == ["drift", "no-drift"]
    assert found.window.location == "a table of postgres"
