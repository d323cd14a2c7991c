"""The Python API: nouns, verbs, and how a registry is opened."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import crisplens
from crisplens import nouns
from crisplens.api import Registry, connect, init
from crisplens.binding import Command, Noun, ProjectQuery, Query
from crisplens.core.database import disposing
from crisplens.core.errors import CrisplensError, InputError, RegistryError
from tests.conftest import ANA, BO, Files, assert_refused

NOUNS = [
    getattr(importlib.import_module(f"crisplens.nouns.{module}"), kind)
    for module, kind in nouns.NOUNS.values()
]
VERBS = [(noun, verb) for noun in NOUNS for verb in vars(noun) if not verb.startswith("_")]
HIDDEN = {"work", "session", "project", "self"}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Registry]:
    """A registry made by `init`."""
    with disposing((registry := init(tmp_path)).engine):
        yield registry


@pytest.fixture(scope="module")
def only_read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry made by `init` for all tests that record nothing."""
    with disposing((registry := init(tmp_path_factory.mktemp("home"))).engine):
        yield registry


def connected(**given: Any) -> Registry:
    """`connect`, with nothing left open."""
    registry = connect(**given)
    registry.engine.dispose()
    return registry


def test_every_noun_of_the_registry_is_a_noun_of_the_command_line(home: Registry) -> None:
    assert set(nouns.NOUNS) <= set(dir(home))
    for name, kind in zip(nouns.NOUNS, NOUNS, strict=True):
        assert isinstance(getattr(home, name), kind)
        assert getattr(home, name) is getattr(home, name)
        assert kind.__doc__ == f"`crisplens {name}`"
    folder = Path(nouns.__file__).parent
    written = [
        re.findall(r"^class (\w+)\(Noun\)", file.read_text("utf-8"), re.M) for file in folder.glob("*.py")
    ]
    assert sorted(kind.__name__ for kind in NOUNS) == sorted(name for names in written for name in names)


def test_a_registry_has_no_other_noun(home: Registry) -> None:
    with pytest.raises(AttributeError, match="a registry has no policies"):
        home.policies  # noqa: B018


@pytest.mark.parametrize(
    ("noun", "verb"), VERBS, ids=lambda part: part if isinstance(part, str) else part.__name__
)
def test_every_verb_is_documented_and_hides_what_the_door_gives(
    only_read: Registry, noun: type[Noun], verb: str
) -> None:
    method = getattr(noun(only_read), verb)
    assert inspect.getdoc(method)
    parameters = inspect.signature(method).parameters
    assert "session" not in parameters
    assert "work" not in parameters
    bound = vars(noun)[verb]
    if isinstance(bound, Command | Query | ProjectQuery):
        given = list(inspect.signature(bound.function).parameters)
        hidden = 2 if isinstance(bound, ProjectQuery) else 1
        assert set(given[:hidden]) <= HIDDEN
        assert list(parameters) == given[hidden:]
        assert method.__name__ == bound.function.__name__
        assert method.__doc__ == bound.function.__doc__


def test_the_package_names_its_doors() -> None:
    assert crisplens.connect is connect
    assert crisplens.init is init
    assert crisplens.Registry is Registry
    assert {name for name in crisplens.__all__ if not hasattr(crisplens, name)} == set()
    with pytest.raises(AttributeError, match="conect"):
        _ = crisplens.conect


def test_init_makes_a_home_that_connect_finds_from_below(tmp_path: Path, home: Registry) -> None:
    assert sorted(path.name for path in tmp_path.iterdir()) == [".crisplens", "crisplens.toml"]
    home.project.add("churn") if home.configuration.actor else home.acting_as(ANA).project.add("churn")
    (below := tmp_path / "a" / "b").mkdir(parents=True)
    assert connected(folder=below).configuration.folder == tmp_path
    with disposing((again := init(tmp_path)).engine):
        assert [project.project for project in again.project.list()] == ["churn"]


def test_init_makes_missing_folders(tmp_path: Path) -> None:
    with disposing(init(tmp_path / "a" / "b").engine):
        assert (tmp_path / "a" / "b" / ".crisplens" / "registry.db").is_file()


def test_init_where_nothing_can_be_written_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError) as caught:
        init(tmp_path / "file" / "below")
    assert caught.value.slug == "unwritable"


def test_connect_uses_what_it_is_given_before_the_configuration(tmp_path: Path, home: Registry) -> None:
    assert connected(folder=tmp_path, project="churn").configuration.project == "churn"
    url = f"sqlite:///{tmp_path / '.crisplens' / 'registry.db'}"
    (elsewhere := tmp_path / "elsewhere").mkdir()
    assert connected(registry=url, folder=elsewhere).configuration.registry == url


@pytest.mark.parametrize(
    ("content", "slug"), [(None, "no-registry"), (b"", "not-a-registry"), (b"text", "not-a-registry")]
)
def test_connect_to_what_is_no_registry_is_our_error(
    tmp_path: Path, content: bytes | None, slug: str
) -> None:
    if content is not None:
        (tmp_path / "registry.db").write_bytes(content)
    with pytest.raises(RegistryError) as caught:
        connected(registry="sqlite:///registry.db", folder=tmp_path)
    assert caught.value.slug == slug
    assert caught.value.exit_code == 3


def test_a_torn_database_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "registry.db").write_bytes(b"SQLite format 3\0" + b"\xff" * 4096)
    with pytest.raises(RegistryError) as caught:
        connected(registry="sqlite:///registry.db", folder=tmp_path)
    assert caught.value.slug in {"registry-failed", "not-a-registry"}


def test_two_registries_in_one_process_see_what_another_process_writes(
    home: Registry, tmp_path: Path
) -> None:
    def elsewhere(title: str) -> None:
        code = f"import crisplens; crisplens.connect().project.add({title!r}, title={title!r}, owner={ANA!r})"
        environment = {**os.environ, "CRISPLENS_ACTOR": ANA}
        subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, timeout=60, check=True)

    home.audit.head()
    connect(folder=tmp_path).close()
    # The last of the connections to close takes the write-ahead log away; that of `home` must still count.
    elsewhere("first")
    assert [one.project for one in home.project.list()] == ["first"]
    connected(folder=tmp_path)
    elsewhere("second")
    home.acting_as(ANA).project.add("third", title="Third", owner=ANA)
    assert [one.project for one in home.project.list()] == ["first", "second", "third"]
    assert home.audit.verify().passed


@pytest.mark.parametrize("source", ["option", "environment", "configuration", "git"])
def test_the_actor_and_where_it_came_from_are_recorded(
    tmp_path: Path, home: Registry, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    order = ["git", "configuration", "environment", "option"]
    named = order[: order.index(source) + 1]
    monkeypatch.setattr("crisplens.core.actor._git_email", lambda: "git@example.org")
    if "environment" in named:
        monkeypatch.setenv("CRISPLENS_ACTOR", "environment@example.org")
    registry = home.acting_as("option@example.org") if "option" in named else home
    if "configuration" in named:
        registry.configuration = replace(home.configuration, actor="configuration@example.org")
    registry.project.add("churn")
    said = json.loads(
        json.dumps(registry.audit.log()[-1].actor, default=lambda actor: [actor.id, actor.source])
    )
    assert said == [f"{source}@example.org", source]


def test_nobody_named_anywhere_is_an_error_before_anything_is_written(
    home: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 1, "", ""))
    assert_refused(home, lambda: home.project.add("churn"), "no-actor", "CRISPLENS_ACTOR")
    assert_refused(home, lambda: home.monitor.run("nightly"), "no-actor")


@pytest.mark.stored
def test_acting_as_another_changes_neither_registry_nor_project(registry: Registry) -> None:
    other = registry.acting_as(BO)
    assert other.actor.id == BO
    assert registry.actor.id == ANA
    assert other.configuration.project == "churn"
    assert other.engine is registry.engine
    assert registry.acting_as(BO, project="other").configuration.project == "other"


@pytest.mark.stored
def test_a_failed_command_can_be_followed_by_another(registry: Registry) -> None:
    with pytest.raises(CrisplensError):
        registry.kpi.set("auc", target="x")
    assert registry.kpi.set("auc", target=1).target == "1"


@pytest.mark.stored
def test_writers_at_once_take_numbers_one_after_another(registry: Registry, files: Files) -> None:
    registry.data.add("holdout", files.table("holdout.csv"))
    registry.model.register("m", files.table("model.csv"))

    def record(_: int) -> str:
        return registry.evaluation.record("m@1", dataset="holdout@1", metrics={"auc": 0.5}).id

    with ThreadPoolExecutor(max_workers=4) as pool:
        ids = list(pool.map(record, range(24)))
    assert sorted(one.id for one in registry.evaluation.list()) == sorted(
        f"evaluation-{number}" for number in range(1, 25)
    )
    assert len(set(ids)) == 24
    assert registry.audit.verify().passed
