"""The ibis engine profiles tables of PostgreSQL and Spark as DuckDB profiles the same rows in a file."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import msgspec
import pytest
from sqlalchemy import Engine

from crisplens.core.errors import InputError, RegistryError
from crisplens.monitors import features
from crisplens.monitors.engines import duckdb_engine, extents
from crisplens.monitors.engines.interface import Reference, Rows, RowSlice, TimeSlice
from crisplens.monitors.model import (
    CategoricalProfile,
    CheckSettings,
    ColumnProfile,
    NumericProfile,
    OtherProfile,
    Profile,
    Verdict,
)
from crisplens.registry.data.tabular import connect, open_table, quote_name, quote_text
from tests.conftest import PostgresqlDatabases

ibis = pytest.importorskip("ibis")
from crisplens.monitors.engines import ibis_engine  # noqa: E402

# Read here, as tests do not see it.
SPARK_REQUIRED = os.environ.get("CRISPLENS_REQUIRE_SPARK") == "1"
# Those of ROWS that Spark, which is slow to start on each query, is tried with.
ON_SPARK = (
    "x", "few", "price", "zero", "flag", "label", "od\"d 'n`ame é", "categories", "day", "instant",
    "huge", "no_text",
)  # fmt: skip
SPARK_THERE = find_spec("pyspark") is not None and bool(shutil.which("java") or os.environ.get("JAVA_HOME"))

# pyspark leaves the sockets open that it reads results from.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

Opened = Callable[[str], AbstractContextManager["ibis.Table"]]
Write = Callable[[str], str]

# Something of everything that a column can be.
ROWS = """
SELECT
    CASE i % 50 WHEN 0 THEN NULL WHEN 1 THEN 'nan'::DOUBLE WHEN 2 THEN 'inf'::DOUBLE WHEN 3 THEN '-inf'::DOUBLE
        ELSE sin(i) * 10 + {shift} END AS x,
    (cos(i) * 3)::FLOAT AS single,
    (i * 7919 % 2003)::BIGINT AS many,
    CASE WHEN i % 9 > 0 THEN i % 3 END::INTEGER AS few,
    (i % 40 + {shift})::BIGINT AS middling,
    ((i % 1500) / 100 + 0.07)::DECIMAL(10, 2) AS price,
    CASE i % 4 WHEN 0 THEN -0.0::DOUBLE WHEN 1 THEN 0.0::DOUBLE ELSE (i % 4)::DOUBLE END AS zero,
    CASE WHEN i % 7 > 0 THEN i % 2 = 0 END AS flag,
    ['a', 'B', 'ä ü', '', 'it''s "q" \\ `b` %s', repeat('long ', 4000), '漢字', NULL][i % 8 + 1] AS label,
    i % 6 AS "od""d 'n`ame é",
    'row ' || i AS id,
    chr((65 + i % 1400 % 26)::INTEGER) || chr((97 + i % 1400 % 7)::INTEGER) || (i % 1400) AS categories,
    i % 1300 - 650 AS whole,
    DATE '2031-01-01' + (i % 90)::INTEGER AS day,
    TIMESTAMP '2031-01-01' + INTERVAL (i * 61000017) MICROSECOND AS moment,
    TIMESTAMPTZ '2031-01-01 00:00:00+00' + INTERVAL (i * 61000017) MICROSECOND AS instant,
    7.5::DOUBLE AS constant,
    ((i % 5) - 2) * 1e300::DOUBLE * sin(i) AS huge,
    1e160::DOUBLE AS huge_constant,
    i * 1e-300::DOUBLE AS tiny,
    i + 4611686018427387904 AS far,
    NULL::DOUBLE AS no_number,
    NULL::VARCHAR AS no_text
FROM range({first}, {last}) t(i)
"""
POSTGRESQL = {
    "TINYINT": "smallint",
    "DOUBLE": "double precision",
    "FLOAT": "real",
    "VARCHAR": "text",
    "BLOB": "bytea",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
}


@pytest.fixture(scope="module")
def server(postgresql_server: Engine) -> Iterator[str]:
    databases = PostgresqlDatabases(postgresql_server)
    url = databases.empty()
    yield url
    databases.drop(url)


@pytest.fixture(scope="module")
def spark() -> Iterator[object]:
    if not SPARK_THERE:
        (pytest.fail if SPARK_REQUIRED else pytest.skip)("pyspark or Java is missing")
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    quiet = {
        "spark.log.level": "ERROR",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "1",
    }
    for name, value in quiet.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes the rows of a query of DuckDB into a Parquet file."""

    def write(query: str) -> str:
        file = tmp_path / f"{uuid4().hex}.parquet"
        connect().execute(f"COPY ({query}) TO {quote_text(str(file))} (FORMAT parquet)")
        return str(file)

    return write


def load(server: str, file: str) -> str:
    """Copy a Parquet file into a new table of PostgreSQL; returns the table's location."""
    import psycopg

    name = f"t{uuid4().hex}"
    with connect() as duckdb, psycopg.connect(address(server)) as connection:
        duckdb.execute("SET TimeZone = 'UTC'")
        source = f"read_parquet({quote_text(file)})"
        columns = [row[:2] for row in duckdb.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]
        types = [f"{quote_name(column)} {POSTGRESQL.get(kind, kind)}" for column, kind in columns]
        connection.execute(f"CREATE TABLE {name} ({', '.join(types)})")
        with connection.cursor().copy(f"COPY {name} FROM STDIN") as copy:
            for row in duckdb.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {source}").fetchall():
                copy.write_row(row)
    return f"{server}#{name}"


def address(server: str) -> str:
    return server.replace("+psycopg", "")


def open_in_spark(file: str) -> AbstractContextManager[ibis.Table]:
    return ibis_engine.opened_remote(f"spark:{file}")


@pytest.fixture
def in_postgresql(server: str) -> Opened:
    """Opens the rows of a Parquet file as a table of PostgreSQL."""
    return lambda file: ibis_engine.opened_remote(load(server, file))


@pytest.fixture(params=["postgresql", pytest.param("spark", marks=pytest.mark.slow)])
def opened(request: pytest.FixtureRequest) -> Opened:
    """Opens the rows of a Parquet file as a table of PostgreSQL and of Spark in turn."""
    if request.param == "postgresql":
        return request.getfixturevalue("in_postgresql")
    request.getfixturevalue("spark")
    return open_in_spark


def assert_same(ours: Profile, theirs: Profile) -> None:
    """Equal but for the rounding of moments, and for what is said of columns that only DuckDB compares."""
    assert (ours.rows, ours.other_columns) == (theirs.rows, theirs.other_columns)
    assert [column.name for column in ours.columns] == [column.name for column in theirs.columns]
    for a, b in zip(ours.columns, theirs.columns, strict=True):
        assert exactly(a) == exactly(b)
        if isinstance(a, NumericProfile) and isinstance(b, NumericProfile):
            if b.mean is None or b.m2 is None:
                assert (a.mean, a.m2) == (b.mean, b.m2), a.name
                continue
            spread = (b.m2 / b.count) ** 0.5 if b.count else 0.0
            assert a.mean == pytest.approx(b.mean, rel=1e-9, abs=1e-9 * spread), a.name
            assert a.m2 == pytest.approx(b.m2, rel=1e-9, abs=0), a.name


def exactly(column: ColumnProfile) -> ColumnProfile:
    if isinstance(column, NumericProfile):
        return msgspec.structs.replace(column, mean=None, m2=None)
    if isinstance(column, OtherProfile) and "The window" not in column.reason and column.misfits in (None, 0):
        return msgspec.structs.replace(column, reason="", misfits=None, first="", last="")
    return column


def of(profile: Profile, name: str) -> ColumnProfile:
    return next(column for column in profile.columns if column.name == name)


def rows(first: int = 0, last: int = 3000, shift: float = 0) -> str:
    return ROWS.format(first=first, last=last, shift=shift)


def reference_of(file: str, columns: tuple[str, ...] = ()) -> Profile:
    """DuckDB's profile, without the features that only it makes."""
    profile = duckdb_engine.profile_reference(open_table(file), columns)
    return features.without_features(profile, CheckSettings())[0]


def assert_alike(
    opened: Opened, reference_file: str, window_file: str, columns: tuple[str, ...] = ()
) -> None:
    """Both profiles are those that DuckDB makes of the files."""
    reference = reference_of(reference_file, columns)
    with opened(reference_file) as table:
        assert_same(ibis_engine.profile_table(table, columns), reference)
    with opened(window_file) as table:
        window = ibis_engine.profile_like(table, reference)
    assert_same(window, duckdb_engine.profile_current(open_table(window_file), reference))


def test_profiles_are_those_of_the_same_rows_in_files(opened: Opened, write: Write) -> None:
    columns = ON_SPARK if opened is open_in_spark else ()
    assert_alike(opened, write(rows()), write(rows(1000, 4500, shift=0.75)), columns)


def random_table(seed: int, shift: float) -> str:
    """A query for columns of random kinds, sizes and holes; the same kinds for the same seed."""
    choose = random.Random(seed)
    size = choose.choice([1, 40, 1500, 2500])
    columns = []
    for at in range(4):
        distinct = choose.choice([1, 3, 15, 900, 1001, 100_000])
        value = f"floor(random() * {distinct} + {shift})"
        kind = choose.choice(
            ["BIGINT", "SMALLINT", "DOUBLE", "FLOAT", "DECIMAL(12, 3)", "VARCHAR", "BOOLEAN"]
        )
        if kind == "SMALLINT":
            value = f"{value}::BIGINT % 30000"
        elif kind in ("DOUBLE", "FLOAT"):
            value = (
                f"exp(({value} / {distinct} - 0.5) * {choose.choice([1, 9, 70])}) * {choose.choice([-1, 1])}"
            )
        elif kind.startswith("DECIMAL"):
            value = f"{value} / {choose.choice([1, 8, 1000])}"
        elif kind == "VARCHAR":
            value = f"chr((65 + {value}::BIGINT % 60)::INTEGER) || ({value}::BIGINT % 40)"
        elif kind == "BOOLEAN":
            value = f"{value} % 2 = 0"
        holes = choose.choice([0, 0, 0.2, 1])
        columns.append(f"CASE WHEN random() >= {holes} THEN {value} END::{kind} AS c{at}")
    return f"SELECT {', '.join(columns)} FROM range({size})"


@pytest.mark.parametrize("seed", range(12))
def test_any_table_in_postgresql_is_profiled_as_its_file(seed: int, server: str, write: Write) -> None:
    files = write(random_table(seed, 0)), write(random_table(seed, 2))
    assert_alike(lambda file: ibis_engine.opened_remote(load(server, file)), *files)


def test_columns_that_changed_their_type_or_are_gone(in_postgresql: Opened, write: Write) -> None:
    before = write(
        "SELECT i * 1.5 AS a, i AS b, i % 3 AS c, i / 7 AS d, 'x' || i % 9 AS e, i AS f FROM range(90) t(i)"
    )
    after = write(
        "SELECT CASE WHEN i % 9 = 0 THEN 'n/a' WHEN i % 2 = 0 THEN i::VARCHAR END AS a, i % 2 = 0 AS b, "
        "CASE i % 3 WHEN 0 THEN 'zero' ELSE '1' END AS c, DATE '2031-01-01' AS d, i % 9 / 2 AS e, 7 AS g "
        "FROM range(50) t(i)"
    )
    reference = reference_of(before)
    with in_postgresql(after) as table:
        window = ibis_engine.profile_like(table, reference)
    assert_same(window, duckdb_engine.profile_current(open_table(after), reference))
    assert {type(column) for column in window.columns} == {OtherProfile}
    assert [of(window, name).misfits for name in "abcde"] == [6, None, 17, None, None]
    assert window.other_columns == ("g",)


def test_text_reads_as_a_number_as_in_duckdb(in_postgresql: Opened, write: Write) -> None:
    texts = "1|1.0_1|+1.5e-3|.5|5.||.|1_000|1__0|1e|Inf|-infinity|nan|1d|0x1|1,5|- 1|1e5.5|--1|1 2|true|infinit|1e1_0"
    listed = ", ".join(quote_text(text) for text in [*texts.split("|"), " 1\t", "\n1\v", "\u0661", "\u20031"])
    after = write(f"SELECT unnest([{listed}]) AS a")
    reference = reference_of(write("SELECT i * 1.5 AS a FROM range(90) t(i)"))
    with in_postgresql(after) as table:
        window = ibis_engine.profile_like(table, reference)
    assert_same(window, duckdb_engine.profile_current(open_table(after), reference))


@pytest.mark.parametrize(
    "query", ["SELECT * FROM ({}) WHERE false", "SELECT * REPLACE (NULL AS x) FROM ({})"]
)
def test_windows_without_values(query: str, in_postgresql: Opened, write: Write) -> None:
    few = "SELECT i * 0.37 AS x, i % 3 AS k, 'g' || i % 4 AS g FROM range(2000) t(i)"
    reference = reference_of(write(few))
    after = write(query.format(few).replace("NULL AS x", "NULL::DOUBLE AS x"))
    with in_postgresql(after) as table:
        window = ibis_engine.profile_like(table, reference)
    assert_same(window, duckdb_engine.profile_current(open_table(after), reference))


def test_a_reference_needs_rows_and_known_columns(in_postgresql: Opened, write: Write) -> None:
    with in_postgresql(write("SELECT 1 AS a WHERE false")) as table:
        with pytest.raises(InputError, match="no rows"):
            ibis_engine.profile_table(table)
        with pytest.raises(InputError, match="named 'b'"):
            ibis_engine.profile_table(table, ["b"])


def test_equally_common_categories_are_told_apart_by_their_bytes(server: str, write: Write) -> None:
    import psycopg

    letter = "chr((CASE i % 2 WHEN 0 THEN 65 ELSE 97 END + i % 26)::INTEGER)"
    file = write(f"SELECT {letter} || i AS g FROM range(2600) t(i), range(3)")
    reference = reference_of(file)
    assert isinstance(of(reference, "g"), CategoricalProfile)
    address_, _, name = load(server, file).partition("#")
    with psycopg.connect(address(server)) as connection:
        found = connection.execute(
            "SELECT quote_ident(collname) FROM pg_collation WHERE collprovider IN ('i', 'c') "
            "ORDER BY collname ~ '^en' DESC, collname = 'C'"
        ).fetchone()
    assert found is not None
    with ibis_engine.opened_remote(f"{address_}#SELECT g COLLATE {found[0]} AS g FROM {name}") as table:
        assert_same(ibis_engine.profile_table(table), reference)


def test_slices_and_ends_of_time(opened: Opened, write: Write) -> None:
    first = datetime(2031, 3, 29, 20, 0, 0, 700_000)
    file = write(
        f"SELECT TIMESTAMP '{first}' + INTERVAL (i) HOUR AS naive, "
        f"TIMESTAMPTZ '{first}+00' + INTERVAL (i) HOUR AS instant, "
        "DATE '2031-03-28' + (i // 24)::INTEGER AS day, i AS n, i % 5 AS k FROM range(60) t(i)"
    )
    reference, stored = reference_of(file, ("n",)), open_table(file)
    # Summer time begins in Berlin within the slice.
    start, zone = datetime(2031, 3, 29, 22, tzinfo=UTC), ZoneInfo("Europe/Berlin")
    hours = [first + timedelta(hours=i) for i in range(60)]
    low, high = (
        moment.astimezone(zone).replace(tzinfo=None) for moment in (start, start + timedelta(days=1))
    )
    days = [datetime(2031, 3, 28) + timedelta(days=i // 24) for i in range(60)]
    expected = {
        "naive": [i for i, hour in enumerate(hours) if low <= hour < high],
        "day": [i for i, day in enumerate(days) if low <= day < high],
        "instant": [
            i for i, hour in enumerate(hours) if start <= hour.replace(tzinfo=UTC) < start + timedelta(days=1)
        ],
    }
    with opened(file) as table:
        for column, chosen in expected.items():
            only = TimeSlice(column, start, start + timedelta(days=1), zone.key)
            numbers = of(ibis_engine.profile_like(ibis_engine.sliced(table, only), reference), "n")
            assert isinstance(numbers, NumericProfile)
            assert chosen
            assert (numbers.rows, numbers.minimum, numbers.maximum) == (len(chosen), chosen[0], chosen[-1])
            found = ibis_engine.time_extent(table, column, zone.key)
            whole = TimeSlice(column, start - timedelta(days=9), start + timedelta(days=9), zone.key)
            assert found == (
                extents.first_time(stored, column, zone.key),
                extents.newest_time(Rows(stored, whole), column),
            )
        assert ibis_engine.time_extent(table.filter(table.n < 0), "instant") is None
        assert (ibis_engine.count_rows(table), ibis_engine.count_duplicates(table, ["k"])) == (60, 55)
        assert ibis_engine.count_duplicates(table) == 0


def test_slices_that_no_table_has(in_postgresql: Opened, write: Write) -> None:
    now = datetime(2031, 1, 1, tzinfo=UTC)
    with in_postgresql(write("SELECT 'x' AS a")) as table:
        for only, words in (
            (RowSlice(0, 10), "order"),
            (TimeSlice("a", now, now, "UTC"), "not times"),
            (TimeSlice("aa", now, now, "UTC"), "aa"),
        ):
            with pytest.raises(InputError, match=words):
                ibis_engine.sliced(table, only)


def test_a_check_finds_what_a_check_of_the_file_finds(in_postgresql: Opened, write: Write) -> None:
    reference = Reference(None, duckdb_engine.profile_reference(open_table(write(rows()))))
    file = write(rows(0, 2000, shift=1.5))
    settings = CheckSettings(columns=("x", "middling", "few", "flag", "price"), methods={"x": "ks"})
    with in_postgresql(file) as table:
        found = ibis_engine.IbisEngine().check_table(reference, table, settings).check
    expected = duckdb_engine.DuckdbEngine().check(reference, Rows(open_table(file)), settings).check
    assert (found.engine, found.verdict) == ("ibis", Verdict.DRIFT)
    assert [(one.column, one.method, one.verdict) for one in found.columns] == [
        (one.column, one.method, one.verdict) for one in expected.columns
    ]
    assert [one.score for one in found.columns] == pytest.approx([one.score for one in expected.columns])


def test_features_are_left_to_duckdb(in_postgresql: Opened, write: Write) -> None:
    file = write("SELECT 'some words about ' || i AS note, i % 7 AS k FROM range(300) t(i)")
    profile = duckdb_engine.profile_reference(open_table(file))
    assert profile.features
    with in_postgresql(file) as table:
        found = ibis_engine.IbisEngine().check_table(Reference(None, profile), table, CheckSettings()).check
    assert {one.column: one.verdict for one in found.columns} == {
        "note": Verdict.UNSUPPORTED,
        "k": Verdict.NO_DRIFT,
    }


def test_what_needs_rows_is_refused(write: Write) -> None:
    file = open_table(write("SELECT i AS a FROM range(30) t(i)"))
    reference = Reference(None, duckdb_engine.profile_reference(file))
    engine = ibis_engine.IbisEngine()
    with pytest.raises(InputError, match="is a file"):
        engine.check(reference, Rows(file), CheckSettings())
    with pytest.raises(InputError, match="every row"):
        engine.check_settings(reference.profile, CheckSettings(exact=True))


def test_a_windows_identity_is_that_of_its_counts() -> None:
    column = NumericProfile(name="a", type="DOUBLE", rows=3, nulls=0, count=3, mean=1.0, m2=2.0, counts=(3,))
    given = Profile(rows=3, columns=(column,))
    rounded = msgspec.structs.replace(column, mean=1.0000000001)
    other = msgspec.structs.replace(column, nulls=1)
    same, also, differs = (
        ibis_engine.profile_identity(msgspec.structs.replace(given, columns=(one,)))
        for one in (column, rounded, other)
    )
    assert same == also
    assert same[0] != differs[0]
    assert same[0].startswith("sha256:")


def test_schemas_domains_enumerations_and_the_snapshot(server: str) -> None:
    import psycopg

    with closing(psycopg.connect(address(server), autocommit=True)) as connection:
        connection.execute("""
            CREATE SCHEMA "Odd s"; CREATE DOMAIN "Odd s".age AS int CHECK (value > 0);
            CREATE TYPE "Odd s".plan AS ENUM ('a', 'b');
            CREATE TABLE "Odd s".t (age "Odd s".age, plan "Odd s".plan, j jsonb, p point, "Ä%" numeric, l int[]);
            INSERT INTO "Odd s".t SELECT i, 'a', '{}', '(1,2)', 'NaN', '{1}' FROM generate_series(1, 30) AS i
        """)
        with ibis_engine.opened_remote(f"{server}#Odd s.t") as table:
            profile = ibis_engine.profile_table(table)
            connection.execute('INSERT INTO "Odd s".t SELECT * FROM "Odd s".t')
            assert ibis_engine.profile_table(table) == profile
    assert [type(column) for column in profile.columns] == [
        NumericProfile, CategoricalProfile, OtherProfile, OtherProfile, NumericProfile, OtherProfile,
    ]  # fmt: skip
    number = of(profile, "Ä%")
    assert isinstance(number, NumericProfile)
    assert (number.nans, number.count) == (30, 0)


def test_queries_can_only_read(server: str, write: Write) -> None:
    import psycopg

    table = load(server, write("SELECT 1 AS a")).partition("#")[2]
    with closing(psycopg.connect(address(server), autocommit=True)) as connection:
        connection.execute("CREATE SEQUENCE counted")
    for query in (
        "SELECT nextval('counted') AS a",
        f"WITH gone AS (DELETE FROM {table} RETURNING a) SELECT * FROM gone",
        f"SELECT 1 AS a; DROP TABLE {table}",
        "SELECT 1 AS a) AS x; SELECT (2",
    ):
        with pytest.raises(InputError) as caught, ibis_engine.opened_remote(f"{server}#{query}") as found:
            ibis_engine.profile_table(found)
        assert caught.value.slug == "bad-source"
    with ibis_engine.opened_remote(f"{server}#SELECT a, '50%: ok' AS b -- all\nFROM {table}") as found:
        assert ibis_engine.count_rows(found) == 1


@pytest.mark.parametrize(
    ("location", "kind", "words"),
    [
        ("postgresql://ana:secret@localhost/db#t", InputError, "password"),
        ("postgresql://localhost/db", InputError, "names no table"),
        ("postgresql://127.0.0.1:1/db#t", RegistryError, "cannot be reached"),
        ("sqlite:///x.db#t", InputError, "ibis engine"),
        ("rows.parquet", InputError, "ibis engine"),
        ("spark:", InputError, "names no table"),
    ],
)
def test_locations_that_cannot_be_opened(location: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind, match=words) as caught, ibis_engine.opened_remote(location):
        pass
    assert "secret" not in str(caught.value)


def test_a_table_that_is_not_there(server: str) -> None:
    with pytest.raises(InputError, match="nowhere"), ibis_engine.opened_remote(f"{server}#nowhere"):
        pass


@pytest.mark.slow
def test_spark_reads_csv_and_its_catalogue(
    spark: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lines = [f'{i % 40},"a ""b"", {i % 2}",{i % 3:03}' for i in range(200)]
    Path("live.csv").write_text("\n".join(["n,g,code", *lines, ""]), encoding="utf-8")
    reference = reference_of("live.csv")
    with ibis_engine.opened_remote("spark:live.csv", text=["code"]) as table:
        window = ibis_engine.profile_like(table, reference, ("n", "g", "code"))
    assert [column.type for column in window.columns] == ["INTEGER", "VARCHAR", "VARCHAR"]
    top = of(window, "code")
    assert isinstance(top, CategoricalProfile)
    assert {category.value for category in top.categories} == {"000", "001", "002"}
    with ibis_engine.opened_remote("spark:#SELECT id AS k FROM range(7)") as table:
        assert ibis_engine.count_rows(table) == 7
    for missing in ("spark:none/*.parquet", "spark:#nowhere.t", "spark:#SELECT"):
        with pytest.raises(InputError) as caught, ibis_engine.opened_remote(missing):
            pass
        assert caught.value.slug == "bad-source"
