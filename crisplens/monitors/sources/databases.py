"""Tables and queries of databases, read row by row into lines of JSON, which keep numbers, text and nulls apart."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from crisplens.core.errors import InputError, RegistryError
from crisplens.registry.data.files import Table

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection

BATCH = 5000
_QUERIES = ("select ", "with ", "from ", "values ")
EXAMPLE = (
    "Such as postgresql://host/name#schema.table, sqlite:///file.db#table or duckdb:///file.duckdb#SELECT ..."
)


@contextmanager
def spooled_query(location: str) -> Iterator[Table]:
    """The rows of a database's table or query as a local file, which goes away at the end.

    Raises `InputError` for a URL without `#TABLE` or with a password, and for a table or query that the database
    does not know; `RegistryError` when the database cannot be reached or its driver is not installed.
    """
    address, mark, what = location.partition("#")
    if not mark or not what.strip():
        raise InputError(f"{address} names no table", slug="bad-source", hint=EXAMPLE)
    with tempfile.TemporaryDirectory(prefix="crisplens-source-") as folder:
        if address.casefold().startswith("duckdb:"):
            yield _copy_duckdb(address, what.strip(), location, Path(folder))
        else:
            yield _copy_rows(address, what.strip(), location, Path(folder))


def _copy_duckdb(address: str, what: str, location: str, folder: Path) -> Table:
    import duckdb

    from crisplens.registry.data.tabular import quote_name, quote_text

    file = Path(address.partition("://")[2].removeprefix("/") if address.startswith("duckdb:///") else "")
    if address.startswith("duckdb:////"):
        file = Path("/" + str(file).lstrip("/"))
    if not file.is_file():
        raise InputError(
            f"there is no file {file} (looked from {Path.cwd()})", slug="no-such-file", hint=EXAMPLE
        )
    spool = folder / "rows.parquet"
    wanted = f"({what})" if is_query(what) else ".".join(map(quote_name, what.split(".")))
    try:
        with duckdb.connect(str(file), read_only=True) as connection:
            connection.execute(f"COPY (SELECT * FROM {wanted}) TO {quote_text(str(spool))} (FORMAT parquet)")
    except duckdb.Error as error:
        raise _not_read(location, str(error)) from None
    return Table(location, (spool,), "parquet")


def _copy_rows(address: str, what: str, location: str, folder: Path) -> Table:
    from sqlalchemy import create_engine, event, text
    from sqlalchemy.exc import SQLAlchemyError

    url = url_of(address)
    spool = folder / "rows.jsonl"
    try:
        engine = create_engine(url)
    except (SQLAlchemyError, ImportError) as error:
        raise RegistryError(
            f"no driver for {url.drivername} is installed: {error}",
            slug="library-missing",
            hint="For PostgreSQL: `pip install 'crisplens[postgres]'`.",
        ) from None
    if url.drivername.startswith("sqlite"):
        event.listen(engine, "connect", lambda opened, _: opened.execute("PRAGMA query_only = ON"))
    try:
        with engine.connect() as connection:
            query = what if is_query(what) else f"SELECT * FROM {_quoted(connection, what)}"
            if url.drivername.startswith("postgresql"):
                connection.execute(text("SET TRANSACTION READ ONLY"))
            # A colon in the query is no parameter.
            statement = text(query.replace(":", "\\:"))
            rows = connection.execution_options(stream_results=True, yield_per=BATCH).execute(statement)
            names = list(rows.keys())
            if not _write(spool, names, rows.partitions(BATCH), location):
                # Without a line of JSON nobody could tell the names.
                spool = folder / "rows.csv"
                with spool.open("w", encoding="utf-8", newline="") as header:
                    csv.writer(header, quoting=csv.QUOTE_ALL).writerow(names)
                return Table(location, (spool,), "csv")
    except SQLAlchemyError as error:
        raise _failure(url, location, error) from None
    finally:
        engine.dispose()
    return Table(location, (spool,), "jsonl")


def url_of(address: str) -> URL:
    """The address of a database. Raises `InputError` for one that cannot be read, or that holds a password."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(address)
    except ArgumentError:
        raise InputError(
            f"{address[:60]} is not the URL of a database", slug="bad-source", hint=EXAMPLE
        ) from None
    if url.password:
        raise InputError(
            "the URL of the database holds a password, which would be recorded",
            slug="bad-source",
            hint="Leave it out: libpq takes it from ~/.pgpass, PGPASSFILE or PGPASSWORD.",
        )
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername.startswith("sqlite") and not Path(url.database or "").is_file():
        raise InputError(
            f"there is no file {url.database} (looked from {Path.cwd()})", slug="no-such-file", hint=EXAMPLE
        )
    return url


def is_query(what: str) -> bool:
    """Whether a query is named, and not a table."""
    return what.lstrip("( \n\t").casefold().startswith(_QUERIES)


def _quoted(connection: Connection, name: str) -> str:
    prepare = connection.dialect.identifier_preparer.quote_identifier
    return ".".join(prepare(part) for part in name.split("."))


def _write(spool: Path, names: list[str], partitions: Iterator[Any], location: str) -> int:
    """Write the rows as lines of JSON; returns how many bytes that were."""
    if len(set(map(str.casefold, names))) < len(names):
        raise InputError(
            f"{location} has a column name twice",
            slug="duplicate-columns",
            hint="Name columns apart in the query: SELECT a.id AS a_id, ...",
        )
    encoder = msgspec.json.Encoder(enc_hook=_plain, decimal_format="number")
    with spool.open("wb") as file:
        for rows in partitions:
            file.write(
                encoder.encode_lines([dict(zip(names, map(_value, row), strict=True)) for row in rows])
            )
        return file.tell()


def _value(value: Any) -> Any:
    if isinstance(value, Decimal):
        return value if value.is_finite() else float(value)
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return None if isinstance(value, bytes | memoryview) else value


def _plain(value: Any) -> Any:
    return str(value)


def _not_read(location: str, why: str) -> InputError:
    line = next((one.strip() for one in why.splitlines() if one.strip()), "unknown reason")
    return InputError(f"{location[:200]} cannot be read: {line[:300]}", slug="bad-source")


def _failure(url: URL, location: str, error: Exception) -> InputError | RegistryError:
    from sqlalchemy.exc import OperationalError

    why = str(getattr(error, "orig", None) or error)
    connection = getattr(getattr(error, "orig", None), "pgconn", None)
    if getattr(connection, "needs_password", False):
        return no_password(url, "asks for a password, and there is none")
    if getattr(connection, "used_password", False) and "password" in why:
        return no_password(url, "does not take the password that there is")
    if isinstance(error, OperationalError) and not url.drivername.startswith("sqlite"):
        line = next((one.strip() for one in why.splitlines() if one.strip()), "")
        return RegistryError(
            f"{url.host or url.drivername} cannot be reached: {line[:300]}", slug="source-unreached"
        )
    return _not_read(location, why)


def no_password(url: URL, what: str) -> RegistryError:
    """The error for a server that wants another password than there is."""
    return RegistryError(
        f"{url.host or url.drivername} {what} for {url.username or 'the user'}",
        slug="no-credentials",
        hint="libpq takes it from ~/.pgpass, PGPASSFILE or PGPASSWORD; set one of them where crisplens runs.",
    )
