"""Places to move registries to, and what tests ask of files and errors."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import Engine

import crisplens
from crisplens.api import Registry
from crisplens.core.database import disposing, open_engine, read_session
from crisplens.core.errors import CrisplensError
from crisplens.core.sqlite import open_file
from crisplens.ledger.queries import TreeHead, tree_head
from tests.conftest import Databases, PostgresqlDatabases, SqliteDatabases, opened


@pytest.fixture(params=["sqlite", "postgresql"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Databases:
    """Each kind of database in turn, to move to."""
    if request.param == "sqlite":
        return SqliteDatabases(tmp_path)
    return PostgresqlDatabases(request.getfixturevalue("postgresql_server"))


@pytest.fixture
def place(places: Databases) -> Iterator[str]:
    """The URL of an empty database of that kind."""
    url = places.empty()
    yield url
    places.drop(url)


@pytest.fixture
def target(place: str) -> Iterator[Engine]:
    """An empty database of that kind."""
    with disposing(open_engine(place, create=True)) as engine:
        yield engine


@pytest.fixture
def copied_registry(place: str, story: Registry) -> Iterator[Callable[[], Registry]]:
    """Opens the registry at `place` beside the story's evidence."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(opened(place, story.configuration.folder))


def url_of(registry: Registry) -> str:
    """The URL of an open registry's database."""
    return registry.engine.url.render_as_string(hide_password=False)


OLD = Path(__file__).parents[1] / "schemas" / "0001.db"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder for backups."""
    (tmp_path / "backups").mkdir()
    return tmp_path / "backups"


@pytest.fixture
def kept(story: Registry, home: Path) -> Path:
    """A backup of the story."""
    return Path(crisplens.backup_registry(home / "story.db", registry=url_of(story)).file)


def head_of(file: Path) -> TreeHead:
    """The tree head of the registry in a file."""
    with disposing(open_file(file)) as engine, read_session(engine) as session:
        return tree_head(session)


def files_in(folder: Path) -> list[str]:
    """The names of all files in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


def change(file: Path, statement: str) -> None:
    """Change a SQLite file past its triggers, and put them back."""
    query = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
    with closing(sqlite3.connect(file)) as connection:
        triggers = connection.execute(query).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement)
        for _, made in triggers:
            connection.execute(made)
        connection.commit()


def refused(call: Callable[[], object], kind: type[CrisplensError], slug: str, *words: str) -> CrisplensError:
    """`call` raises our error with `slug` and says `words`."""
    with pytest.raises(kind) as caught:
        call()
    said = f"{caught.value.message}\n{caught.value.hint}"
    assert caught.value.slug == slug
    assert [word for word in words if word not in said] == [], said
    return caught.value
