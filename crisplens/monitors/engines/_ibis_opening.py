"""Locations as ibis tables that stay where they are: PostgreSQL in a snapshot that can only be read, and Spark."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crisplens.core.errors import InputError, RegistryError
from crisplens.monitors.sources import databases

if TYPE_CHECKING:
    import ibis.expr.types as ir
    from psycopg import Connection, Cursor
    from pyspark.sql import DataFrame, SparkSession

EXAMPLE = (
    "Such as postgresql://host/name#schema.table, spark:data/*.parquet, spark:#database.table or "
    "spark:#SELECT ...; from Python also a table of ibis"
)
INSTALL_HINT = "For PostgreSQL: `pip install 'crisplens[ibis]'`; for Spark: `pip install 'crisplens[spark]'`."
_SCHEMES = re.compile(r"(postgresql(\+psycopg)?://|spark:)", re.IGNORECASE)
# Quotes within quotes are doubled, as elsewhere here; Spark's own default is a backslash.
_CSV: dict[str, bool | str] = {"header": True, "inferSchema": True, "escape": '"', "enforceSchema": False}

_SET_BY_IBIS = ("spark.sql.session.timeZone", "spark.sql.mapKeyDedupPolicy")


def is_remote(location: str) -> bool:
    """Whether a location is one that `opened_remote` opens."""
    return _SCHEMES.match(location) is not None


@contextmanager
def opened_remote(location: str, *, text: Sequence[str] = ()) -> Iterator[ir.Table]:
    """The table or query that a location names, which stays where it is and can only be read.

    `postgresql://host/name#schema.table`, `#SELECT …`: all queries see one snapshot. `spark:PATH_OR_GLOB` (Parquet
    or, by its ending, CSV, whose columns in `text` stay text whatever they look like), `spark:#database.table`,
    `spark:#SELECT …`: the process's Spark session, or a new one, which stays: that of SPARK_REMOTE, else
    CRISPLENS_SPARK_MASTER, else `local[*]`.
    Raises `InputError` for what cannot be read, also while the table is in use, and for a URL with a password;
    `RegistryError` when the database or Spark fails, cannot be reached or is not installed.
    """
    if not is_remote(location):
        raise InputError(
            f"{location[:200]} is not where the ibis engine can read", slug="bad-source", hint=EXAMPLE
        )
    opening = (
        _opened_spark(location, text) if location[:6].casefold() == "spark:" else _opened_postgresql(location)
    )
    with opening as table:
        yield table


@contextmanager
def _opened_postgresql(location: str) -> Iterator[ir.Table]:
    address, _, what = location.partition("#")
    if not what.strip():
        raise InputError(f"{address} names no table", slug="bad-source", hint=EXAMPLE)
    url = databases.url_of(address).set(drivername="postgresql")
    try:
        import ibis
        import psycopg

        connect = ibis.postgres.from_connection
    except (ImportError, AttributeError) as error:
        raise _not_installed(error) from None
    try:
        with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            # One transaction around all, in which those of ibis are savepoints.
            with connection.transaction():
                backend = connect(connection)
                query = _postgresql_query(connection, what.strip(), location)
                query, schema = _with_schema(connection, query, backend)
                yield backend.sql(query, schema=schema)
    except psycopg.OperationalError as error:
        asked = error.pgconn
        if asked is not None and asked.needs_password:
            raise databases.no_password(url, "asks for a password, and there is none") from None
        if asked is not None and asked.used_password and "password" in str(error):
            raise databases.no_password(url, "does not take the password that there is") from None
        raise RegistryError(
            f"{url.host or 'PostgreSQL'} cannot be reached or gave up: {_first_line(error)}",
            slug="source-unreached",
        ) from None
    except psycopg.Error as error:
        raise _not_read(location, error) from None


def _postgresql_query(connection: Connection[Any], what: str, location: str) -> str:
    from psycopg import sql
    from sqlglot import parse
    from sqlglot.errors import SqlglotError

    if not databases.is_query(what):
        return sql.SQL("SELECT * FROM {}").format(sql.Identifier(*what.split("."))).as_string(connection)
    try:
        # ibis reads the query too, when it puts it into its own.
        statements = len(parse(what, dialect="postgres"))
    except SqlglotError as error:
        raise _not_read(location, error, hint="Make a view of it, and name that.") from None
    if statements != 1:
        raise InputError(f"{location[:200]} holds {statements} queries, not one", slug="bad-source")
    return what


def _with_schema(connection: Connection[Any], query: str, backend: Any) -> tuple[str, Any]:
    """A query and its columns' types. ibis would make a view to know them, which a snapshot for reading forbids."""
    import ibis
    from psycopg import sql

    with connection.cursor() as cursor:
        result = cursor.execute(f"SELECT * FROM ({query}\n) AS asked LIMIT 0".encode()).pgresult
        assert result is not None, "a query that was executed has a result"
        names = [(result.fname(at) or b"").decode() for at in range(result.nfields)]
        if len(set(names)) < len(names):
            raise InputError(
                "the query has a column name twice",
                slug="duplicate-columns",
                hint="Name columns apart in the query: SELECT a.id AS a_id, ...",
            )
        kinds = [_type_of(cursor, result.ftype(at), result.fmod(at)) for at in range(len(names))]
    if None in kinds:
        # Enumerations are text here, and PostgreSQL compares them with text only when told so.
        columns = [
            sql.SQL("{0}::text AS {0}" if kind is None else "{0}").format(sql.Identifier(name))
            for name, kind in zip(names, kinds, strict=True)
        ]
        chosen = sql.SQL(", ").join(columns).as_string(connection)
        query = f"SELECT {chosen} FROM ({query}\n) AS asked"
    types = [backend.compiler.type_mapper.from_string(kind or "text") for kind in kinds]
    return query, ibis.schema(dict(zip(names, types, strict=True)))


def _type_of(cursor: Cursor[Any], oid: int, modifier: int) -> str | None:
    """PostgreSQL's name of a type; None for an enumeration."""
    query = "SELECT typtype = 'e', pg_catalog.format_type(oid, %s) FROM pg_catalog.pg_type WHERE oid = %s"
    found = cursor.execute(query, [modifier, oid]).fetchone()
    assert found is not None, "a column has a type"
    return None if found[0] else str(found[1])


@contextmanager
def _opened_spark(location: str, text: Sequence[str]) -> Iterator[ir.Table]:
    path, _, what = location[len("spark:") :].partition("#")
    if not path.strip() and not what.strip():
        raise InputError(f"{location} names no table", slug="bad-source", hint=EXAMPLE)
    try:
        import ibis
        from py4j.protocol import Py4JError
        from pyspark.errors import AnalysisException, ParseException, PySparkException

        connect = ibis.pyspark.connect
    except (ImportError, AttributeError) as error:
        raise _not_installed(error) from None
    session = _spark_session()
    view = f"crisplens_{secrets.token_hex(8)}"
    before = {
        name: session.conf.get(name, None)
        for name in ("spark.sql.session.timeZone", "spark.sql.mapKeyDedupPolicy")
    }
    try:
        frame = _spark_query(session, what.strip()) if what.strip() else _spark_files(session, path, text)
        frame.createOrReplaceTempView(view)
        yield connect(session).table(view)
    except (AnalysisException, ParseException) as error:
        raise _not_read(location, error) from None
    except (PySparkException, Py4JError) as error:
        raise RegistryError(f"Spark failed: {_first_line(error)}", slug="source-unreached") from None
    finally:
        session.catalog.dropTempView(view)
        for name, value in before.items():
            # The session may be someone else's.
            if value is not None:
                session.conf.set(name, value)


def _spark_session() -> SparkSession:
    """The session of this process; a new one keeps quiet and opens no port for a page."""
    from pyspark.errors import PySparkException
    from pyspark.sql import SparkSession

    running = SparkSession.getActiveSession()
    if running is not None:
        return running
    builder = SparkSession.builder.appName("crisplens")
    if not os.environ.get("SPARK_REMOTE"):
        builder = (
            builder.master(os.environ.get("CRISPLENS_SPARK_MASTER") or "local[*]")
            .config("spark.ui.enabled", "false")
            .config("spark.ui.showConsoleProgress", "false")
            .config("spark.log.level", "ERROR")
        )
    try:
        return builder.getOrCreate()
    except (PySparkException, OSError, RuntimeError) as error:
        raise RegistryError(
            f"Spark does not start: {_first_line(error)}",
            slug="source-unreached",
            hint="It needs Java 17 or later (JAVA_HOME), or SPARK_REMOTE, the address of a Spark Connect server.",
        ) from None


def _spark_query(session: SparkSession, what: str) -> DataFrame:
    # In parentheses, only what reads is a query.
    if databases.is_query(what):
        return session.sql(f"SELECT * FROM ({what}\n)")
    return session.table(".".join("`" + part.replace("`", "``") + "`" for part in what.split(".")))


def _spark_files(session: SparkSession, path: str, text: Sequence[str]) -> DataFrame:
    local = not os.environ.get("SPARK_REMOTE") and not os.environ.get("CRISPLENS_SPARK_MASTER")
    if local and not re.match(r"[a-z][a-z0-9+.-]+:", path, re.IGNORECASE):
        path = str(Path(path).absolute())
    names = path.casefold().removesuffix(".gz")
    if not names.endswith((".csv", ".tsv")):
        return session.read.parquet(path)
    reader = session.read.options(**_CSV, sep="\t" if names.endswith(".tsv") else ",")
    frame = reader.csv(path)
    if any(name in frame.columns for name in text):
        from pyspark.sql.types import StringType, StructField, StructType

        kept = (StructField(one.name, StringType()) if one.name in text else one for one in frame.schema)
        frame = reader.schema(StructType(list(kept))).csv(path)
    return frame


def _not_installed(error: Exception) -> RegistryError:
    return RegistryError(
        f"a library of the ibis engine is missing: {_first_line(error)}",
        slug="library-missing",
        hint=INSTALL_HINT,
    )


def _not_read(location: str, error: Exception, *, hint: str = "") -> InputError:
    return InputError(f"{location[:200]} cannot be read: {_first_line(error)}", slug="bad-source", hint=hint)


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[
        :300
    ]
