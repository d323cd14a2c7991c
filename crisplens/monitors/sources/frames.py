"""Frames of pandas, polars or Arrow as local files: engines read files, and a file's digest says what was looked at."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from crisplens.core.errors import InputError
from crisplens.registry.data.files import Table

LOCATION = "a frame in memory"


@contextmanager
def spooled_frame(frame: Any) -> Iterator[Table]:
    """A frame as a Parquet file that goes away at the end. Raises `InputError` for what DuckDB cannot read."""
    import duckdb

    from crisplens.registry.data.tabular import connect, quote_text

    with tempfile.TemporaryDirectory(prefix="crisplens-source-") as folder:
        spool = Path(folder, "rows.parquet")
        connection = connect()
        try:
            connection.register("frame", frame)
            connection.execute(f"COPY (SELECT * FROM frame) TO {quote_text(str(spool))} (FORMAT parquet)")
        except (duckdb.Error, ValueError, TypeError) as error:
            first = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
            raise InputError(
                f"a {type(frame).__name__} cannot be read as a table: {first}",
                slug="bad-source",
                hint="Accepted: a DataFrame of pandas or polars, a Table or RecordBatchReader of pyarrow.",
            ) from None
        finally:
            connection.close()
        yield Table(LOCATION, (spool,), "parquet")
