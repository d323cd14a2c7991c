"""Data sources, dataset versions and the content of files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from crisplens.api import Registry
from crisplens.core.canonical import digest_bytes, digest_json
from crisplens.core.errors import InputError
from crisplens.registry.data.content import read_content
from crisplens.registry.model import VersionRef
from tests.conftest import ANA, BO, Files, assert_refused

pytestmark = pytest.mark.stored


def test_a_dataset_version_is_its_content_and_where_it_came_from(registry: Registry, files: Files) -> None:
    file = files.table("raw.csv", rows=10)
    raw = registry.data.add("raw", file, source="crm", owner=BO)
    assert raw.digest == digest_bytes(file.read_bytes())
    assert (raw.version, raw.rows, raw.files, raw.format, raw.location) == (1, 10, 1, "csv", str(file))
    assert [column.name for column in raw.columns] == ["tenure", "plan", "spend"]
    assert [(source.name, source.owner) for source in registry.source.list()] == [("crm", BO)]
    registry.run.record("prepare", used=["raw@1"])
    train = registry.data.add("train", file, derived_from=["raw@1"], run="prepare")
    assert (train.derived_from, train.run, train.source) == ((VersionRef("raw", 1),), "prepare", None)
    assert registry.data.show("train@1") == train
    assert registry.data.list("raw") == [raw]


def test_versions_count_on_and_can_be_named(registry: Registry, files: Files) -> None:
    file = files.table("raw.csv")
    versions = [registry.data.add("raw", file, version=wanted).version for wanted in (None, 5, None, 2)]
    assert versions == [1, 5, 6, 2]
    assert [one.version for one in registry.data.list()] == [1, 2, 5, 6]


def test_a_known_source_is_not_described_again(registry: Registry, files: Files) -> None:
    described = registry.source.set("crm", access="team", permitted_use="retention", retention="1 year")
    assert described.owner == ANA
    registry.data.add("raw", files.table("raw.csv"), source="crm")
    registry.data.add("raw", files.table("raw.csv"), source="crm", owner=ANA)
    with pytest.raises(InputError, match=f"belongs to {ANA}, and not to {BO}"):
        registry.data.add("raw", files.table("raw.csv"), source="crm", owner=BO)
    assert registry.source.list() == [described]


def test_a_glob_is_one_dataset_with_one_digest_over_names_and_contents(files: Files) -> None:
    parts = [files.table(f"part-{number}.csv", shift=number) for number in (1, 2)]
    content = read_content(str(files.folder / "part-*.csv"))
    assert content.digest == digest_json({file.name: digest_bytes(file.read_bytes()) for file in parts})
    assert (content.files, content.rows) == (2, 120)


def test_files_that_are_no_table_have_a_digest_and_no_rows(files: Files) -> None:
    content = read_content(str(files.text("{}", "labels.json")))
    assert (content.format, content.rows, content.columns) == ("other", None, ())


def test_the_same_content_has_the_same_digest_under_any_name(files: Files) -> None:
    one, other = files.table("one.csv"), files.table("other.csv")
    assert read_content(str(one)).digest == read_content(str(other)).digest


@pytest.mark.parametrize(
    ("call", "slug", "words"),
    [
        (lambda r, f: r.data.add("raw", f.folder / "none.csv"), "no-such-file", ["none.csv"]),
        (lambda r, f: r.data.add("raw", str(f.folder / "none-*.csv")), "no-such-file", ["none-*.csv"]),
        (lambda r, f: r.data.add("raw", f.folder), "not-a-file", ["director"]),
        (lambda r, f: r.data.add("raw", f.text("", "e.csv")), "empty-file", ["e.csv"]),
        (lambda r, f: r.data.add("raw", f.text("a,b\n", "h.csv")), ("empty-data", "no-rows"), ["h.csv"]),
        (lambda r, f: r.data.add("raw", f.text("a,b\n1,2\n3\n", "r.csv")), "ragged-csv", ["r.csv", "3"]),
        (lambda r, f: r.data.add("a b", f.table("t.csv")), "bad-name", ["dataset"]),
        (
            lambda r, f: r.data.add("raw", f.table("t.csv"), derived_from=["rw@1"]),
            "unknown-name",
            ["rw@1", "raw@1"],
        ),
        (lambda r, f: r.data.add("raw", f.table("t.csv"), derived_from=["raw"]), "bad-reference", ["raw@1"]),
        (lambda r, f: r.data.add("raw", f.table("t.csv"), run="prepare"), "unknown-name", ["prepare"]),
        (lambda r, f: r.data.add("raw", f.table("t.csv"), version=1), "exists", ["raw@1", "raw@2"]),
        (lambda r, f: r.data.add("raw", f.table("t.csv"), version=0), "bad-reference", ["0"]),
        (lambda r, f: r.data.add("raw", f.table("t.csv"), source="a b"), "bad-name", ["data source"]),
        (
            lambda r, f: r.data.add("raw", f.table("t.csv"), source="new", owner="x" * 321),
            "text-too-long",
            ["owner"],
        ),
        (lambda r, f: r.source.set("a/b"), "bad-name", ["data source"]),
        (lambda r, f: r.data.show("raw@9"), "unknown-name", ["raw@9", "raw@1"]),
    ],
)
def test_what_cannot_be_recorded_is_refused(
    registry: Registry,
    files: Files,
    call: Callable[[Registry, Files], Any],
    slug: str | tuple[str, str],
    words: list[str],
) -> None:
    registry.data.add("raw", files.table("known.csv"))
    slugs = (slug,) if isinstance(slug, str) else slug
    error = assert_refused(registry, lambda: call(registry, files), slugs, *words)
    assert error.exit_code == 2


def test_two_files_of_one_name_are_told_apart_by_the_user(registry: Registry, files: Files) -> None:
    for folder in ("a", "b"):
        (files.folder / folder).mkdir()
        Files(files.folder / folder).table("t.csv")
    location = str(files.folder / "*" / "t.csv")
    assert_refused(registry, lambda: registry.data.add("raw", location), "same-name")
