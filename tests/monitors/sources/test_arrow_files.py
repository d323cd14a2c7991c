"""Arrow files and streams as a monitor's data: read batch by batch, and refused where they are not whole or sound."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crisplens.core.errors import InputError, RegistryError
from crisplens.monitors.sources.by_location import opened_source
from crisplens.registry.data.content import read_content
from crisplens.registry.data.files import Table, each_file, open_table
from crisplens.registry.data.tabular import connect, describe_table, relation_sql

pa = pytest.importorskip("pyarrow")


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def rows(count: int = 3000) -> Any:
    """A table with nulls, a dictionary, times and lists."""
    return pa.table(
        {
            "a": pa.array(range(count)),
            "b": pa.array([f"v{at % 3}" for at in range(count)]).dictionary_encode(),
            "c": pa.array([at / 4 if at % 7 else None for at in range(count)]),
            "d": pa.array([0] * count, pa.timestamp("us", tz="UTC")),
            "e": pa.array([[1, 2]] * count),
        }
    )


def write(name: str, table: Any = None, **options: Any) -> Path:
    """A table as a stream (`.arrows`) or a file, in batches of 700 rows."""
    table = rows() if table is None else table
    kind = pa.ipc.new_stream if name.endswith("s") else pa.ipc.new_file
    with pa.OSFile(name, "wb") as sink, kind(sink, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=700)
    return Path(name)


def described(location: str) -> tuple[list[tuple[str, str]], int]:
    """Names and types of the columns of a location, and how many rows it has."""
    with opened_source(location) as table:
        found = describe_table(table)
    return [(one.name, one.type) for one in found.columns], found.row_count


EXPECTED = [
    ("a", "BIGINT"),
    ("b", "VARCHAR"),
    ("c", "DOUBLE"),
    ("d", "TIMESTAMP WITH TIME ZONE"),
    ("e", "BIGINT[]"),
]


def test_files_streams_and_feather_are_tables() -> None:
    from pyarrow import feather

    write("rows.arrow")
    write("rows.arrows")
    write("packed.arrow", options=pa.ipc.IpcWriteOptions(compression="zstd"))
    feather.write_feather(rows(), "rows.feather")
    for name in ("rows.arrow", "rows.arrows", "packed.arrow", "rows.feather"):
        assert described(name) == (EXPECTED, 3000)


def test_the_content_counts_and_not_the_ending() -> None:
    write("rows.arrows").rename("stream.arrow")
    write("rows.arrow").rename("file.feather")
    assert described("stream.arrow") == described("file.feather") == (EXPECTED, 3000)


def test_rows_keep_their_order_and_values() -> None:
    write("rows.arrow")
    with opened_source("rows.arrow") as table, connect() as connection:
        connection.execute("SET preserve_insertion_order = true")
        found = connection.execute(f"SELECT a, b, c FROM {relation_sql(table)}").fetchall()
    assert found == list(zip(*(rows().column(name).to_pylist() for name in "abc"), strict=True))


def test_several_files_are_one_table_and_the_user_s_own_are_remembered(tmp_path: Path) -> None:
    for day in (1, 2):
        write(f"day-{day}.arrow")
    with opened_source("day-*.arrow") as table:
        assert describe_table(table).row_count == 6000
        assert table.originals == (tmp_path / "day-1.arrow", tmp_path / "day-2.arrow")
        named = each_file(table)
        assert [name for name, _ in named] == ["day-1.arrow", "day-2.arrow"]
        assert [describe_table(one).row_count for _, one in named] == [3000, 3000]
        assert named[0][1].originals == (tmp_path / "day-1.arrow",)
        files = table.files
    assert not any(file.exists() for file in files)


def test_object_stores_hold_them_too() -> None:
    import fsspec

    fsspec.filesystem("memory").pipe_file("/arrow/rows.arrow", write("rows.arrow").read_bytes())
    assert described("memory://arrow/*.arrow") == (EXPECTED, 3000)


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (pa.array([1.5, 2.5], pa.float16()), "FLOAT"),
        (pa.array([1, 2], pa.decimal256(50, 2)), "DOUBLE"),
        (pa.array(["a", "b"], pa.string_view()), "VARCHAR"),
        (pa.RunEndEncodedArray.from_arrays([1, 2], ["x", "y"]), "VARCHAR"),
        (pa.array([True, None]), "BOOLEAN"),
        (pa.array([1, 2], pa.uint8()), "UTINYINT"),
    ],
    ids=str,
)
def test_types_of_arrow_are_read_as_the_nearest_there_is(array: Any, kind: str) -> None:
    write("typed.arrows", pa.table({"x": array}))
    assert described("typed.arrows") == ([("x", kind)], 2)


def refused(name: str) -> InputError:
    with pytest.raises(InputError) as caught:
        described(name)
    assert "\n" not in caught.value.message
    return caught.value


def test_feather_of_version_1_is_refused_with_the_way_out() -> None:
    Path("old.feather").write_bytes(b"FEA1" + bytes(200) + b"FEA1")
    error = refused("old.feather")
    assert (error.slug, "Feather version 1" in error.message) == ("unreadable-file", True)
    assert "write_feather" in error.hint


@pytest.mark.parametrize("end", ["rows.arrow", "rows.arrows"])
def test_what_is_cut_off_anywhere_is_refused(end: str) -> None:
    data = write(end, rows(2000)).read_bytes()
    # Between two batches of a stream, too: it would look complete.
    ends = {len(data) * share // 16 for share in range(1, 16)} | {len(data) - 8}
    if end.endswith("s"):
        with pa.OSFile(end) as source:
            stream = pa.ipc.open_stream(source)
            stream.read_next_batch()
            ends.add(source.tell())
    for size in ends:
        Path("cut.arrow").write_bytes(data[:size])
        assert refused("cut.arrow").slug == "unreadable-file"


def test_what_follows_a_stream_s_end_is_not_overlooked() -> None:
    data = write("rows.arrows").read_bytes()
    Path("two.arrows").write_bytes(data + data)
    assert "follows the end" in refused("two.arrows").message


@pytest.mark.parametrize(
    ("content", "slug"),
    [
        (b"", "empty-file"),
        (b"a,b\n1,2\n", "unreadable-file"),
        (b"ARROW1\0\0" + bytes(400), "unreadable-file"),
        (b"\xff\xff\xff\xff" + b"\x7f" * 400, "unreadable-file"),
        (b"\xff\xff\xff\xff\xff\xff\xff\x7f", "unreadable-file"),
    ],
    ids=["empty", "text", "no footer", "noise", "2 GB announced"],
)
def test_what_is_no_arrow_is_refused(content: bytes, slug: str) -> None:
    Path("bad.arrow").write_bytes(content)
    assert refused("bad.arrow").slug == slug


def test_a_column_name_twice_and_no_column_are_refused() -> None:
    write("twice.arrow", pa.table([pa.array([1]), pa.array([2])], names=["a", "A"]))
    assert refused("twice.arrow").slug == "duplicate-columns"
    write("none.arrow", pa.table({}))
    assert refused("none.arrow").slug == "unreadable-file"


def test_offsets_that_point_beyond_the_data_are_refused() -> None:
    data = write("sound.arrow", pa.table({"x": ["one", "two"]})).read_bytes()
    offsets, wild = b"\0\0\0\0\3\0\0\0\6\0\0\0", b"\0\0\0\0\xff\xff\xff\x7f\xff\xff\xff\x7f"
    assert data.count(offsets) == 1
    Path("wild.arrow").write_bytes(data.replace(offsets, wild))
    assert refused("wild.arrow").slug == "unreadable-file"


HOSTILE = """
import random, sys
from pathlib import Path
from crisplens.core.errors import InputError
from crisplens.monitors.sources.by_location import opened_source
from crisplens.registry.data.tabular import describe_table
chance = random.Random(11)
for name in sys.argv[1:]:
    data = Path(name).read_bytes()
    for _ in range(15):
        broken = bytearray(data)
        for _ in range(chance.choice([1, 2, 20])):
            broken[chance.randrange(len(broken))] = chance.choice([0, 127, 128, 255, chance.randrange(256)])
        Path("hostile-" + name).write_bytes(broken)
        try:
            with opened_source("hostile-" + name) as table:
                describe_table(table)
        except InputError as error:
            assert error.slug in ("unreadable-file", "duplicate-columns", "no-rows"), error.message
print("alive")
"""


def test_hostile_bytes_end_in_an_error_and_never_in_a_crash(tmp_path: Path) -> None:
    write("rows.arrow", rows(60))
    write("rows.arrows", rows(60))
    ran = subprocess.run(
        [sys.executable, "-c", HOSTILE, "rows.arrow", "rows.arrows"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ran.stdout == "alive\n", ran.stderr[-2000:]


def test_with_bad_files_among_good_ones_the_good_ones_are_the_table(tmp_path: Path) -> None:
    write("a.arrow")
    Path("b.arrow").write_bytes(random.Random(5).randbytes(500))
    with opened_source("*.arrow", partial=True) as table:
        assert describe_table(table).row_count == 3000
        assert [one.file for one in table.unreadable] == [tmp_path / "b.arrow"]
        assert table.unreadable[0].reason == "b.arrow cannot be read: it holds no Arrow data"
        assert [name for name, _ in each_file(table)] == ["a.arrow", "b.arrow"]
    with pytest.raises(InputError, match=r"b\.arrow"), opened_source("*.arrow"):
        pass


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    write("rows.arrow")
    monkeypatch.setitem(sys.modules, "pyarrow.ipc", None)
    with pytest.raises(RegistryError, match="not installed") as caught, opened_source("rows.arrow"):
        pass
    assert (caught.value.slug, "crisplens[arrow]" in caught.value.hint) == ("library-missing", True)


def test_elsewhere_they_are_files_without_columns() -> None:
    write("rows.arrow")
    assert (read_content("rows.arrow").format, read_content("rows.arrow").rows) == ("other", None)
    with pytest.raises(InputError, match="not of a known format") as caught:
        open_table("rows.arrow")
    assert "convert them to Parquet" in caught.value.hint


def test_a_file_that_is_written_to_meanwhile_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from crisplens.monitors.sources import arrow_files

    file, sound = write("rows.arrows"), arrow_files._sound

    def slow(*given: Any) -> Any:
        yield from sound(*given)
        with file.open("ab") as stream:
            stream.write(b"more")

    monkeypatch.setattr(arrow_files, "_sound", slow)
    assert refused("rows.arrows").slug == "changed-while-read"


def test_a_table_remembers_nothing_it_was_not_made_of() -> None:
    write("rows.arrow")
    with opened_source("rows.arrow") as table:
        assert (table.format, table.unreadable) == ("parquet", ())
        assert isinstance(table, Table)
