"""`crisplens registry` and `db upgrade`: what bad input gets, what people read, what programs read."""

from __future__ import annotations

import json
import shlex
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

pytestmark = pytest.mark.end_to_end

HERE = "sqlite:///.crisplens/registry.db"
OLD = Path(__file__).parents[1] / "schemas" / "0001.db"

WRONG = [
    ("registry", 2, "Usage: crisplens registry"),
    ("registry cpoy a b", 2, "Did you mean 'copy'"),
    ("registry copy sqlite:///x.db", 2, "Missing argument 'TO'"),
    ("registry copy x.db y.db", 3, "FROM: the registry's URL cannot be read"),
    ("registry copy sqlite:///x.db sqlite:///y.db", 3, "FROM: there is no registry at"),
    (f"registry copy {HERE} y.db", 3, "TO: the registry's URL cannot be read"),
    (f"registry copy {HERE} sqlite:///no/y.db", 2, "TO: there is no folder"),
    (f"registry copy {HERE} sqlite:///notes.md", 3, "TO: "),
    (f"registry copy {HERE} {HERE}", 2, "the same database"),
    (f"registry copy {HERE} sqlite:///.crisplens/../.crisplens/registry.db", 2, "the same database"),
    (f"registry copy {HERE} mysql://h/n", 3, "TO: registries on mysql cannot be opened"),
    (f"registry copy sqlite:///old.db {HERE}", 3, "FROM: the registry's schema (0001) is older"),
    (f"registry copy {HERE} sqlite:///old.db", 3, "TO: the registry's schema (0001) is older"),
    ("registry backup", 2, "Missing argument 'FILE'"),
    ("registry backup notes.md", 2, "notes.md exists already"),
    ("registry backup live", 2, "it is a folder"),
    ("registry backup no/b.db", 2, "there is no folder no"),
    ("registry backup .crisplens/registry.db --force", 2, "the registry itself"),
    ("registry backup b.db --registry sqlite:///gone.db", 3, "there is no registry at"),
    ("registry backup b.db --registry sqlite:///other.db", 3, "no crisplens schema"),
    ("registry backup b.db --registry postgresql://u@127.0.0.1:1/x", 2, "registry copy"),
    ("registry backup b.db --directory nope", 2, "is not a folder"),
    ("registry restore gone.db", 2, "gone.db cannot be read"),
    ("registry restore live", 2, "not a regular file"),
    ("registry restore old.db", 2, "--replace"),
    ("registry restore notes.md --replace", 3, "not a SQLite database"),
    ("registry restore other.db --replace", 3, "no crisplens schema"),
    ("registry restore .crisplens/registry.db --replace", 2, "the registry itself"),
    ("registry restore old.db --registry postgresql://u@127.0.0.1:1/x", 2, "SQLite file"),
    ("registry restore old.db --registry nonsense", 2, "SQLite file"),
    ("registry restore old.db --registry sqlite://", 2, "SQLite file"),
]


@pytest.fixture
def others(story: Path) -> None:
    """Databases that are no registry of this release."""
    shutil.copy(OLD, "old.db")
    with closing(sqlite3.connect("other.db")) as connection:
        connection.execute("CREATE TABLE thing (x)")


def contents() -> dict[Path, bytes]:
    """Every file here but the registry's own, whose write-ahead log moves when it is opened."""
    files = [file for file in Path().rglob("*") if file.is_file()]
    return {file: file.read_bytes() for file in files if not file.name.startswith("registry.db")}


@pytest.mark.usefixtures("story", "others", "unchanged")
@pytest.mark.parametrize(("line", "code", "words"), WRONG)
def test_wrong_input_is_told_and_changes_nothing(run, line: str, code: int, words: str) -> None:
    pytest.importorskip("psycopg")
    before = contents()
    ran = run(*shlex.split(line))
    assert (ran.code, ran.out) == (code, ""), ran
    assert words in ran.err
    assert "Traceback" not in ran.err
    assert contents() == before


@pytest.mark.usefixtures("story", "unchanged")
def test_copy_says_what_it_did(run) -> None:
    size = json.loads(run("audit", "head", "--json").out)["size"]
    ran = run("registry", "copy", HERE, "sqlite:///copy.db")
    assert (ran.code, ran.err) == (0, ""), ran
    assert f"copy.db: {size} events copied." in ran.out
    assert "the same in both; verified." in ran.out
    assert "evidence copy" in ran.out
    ran = run("registry", "copy", HERE, "sqlite:///copy.db", "--no-verify", "--json")
    assert (ran.code, ran.err) == (0, ""), ran
    said = json.loads(ran.out)
    assert (said["copied"], said["present"], said["verified"]) == (0, size, False)
    assert said["head"] == json.loads(run("audit", "head", "--json", "--registry", "sqlite:///copy.db").out)
    assert run("gate", "list", "--registry", "sqlite:///copy.db").out == run("gate", "list").out
    assert run("kpi", "set", "f1", "--target", "1", "--registry", "sqlite:///copy.db").code == 0
    ran = run("registry", "copy", HERE, "sqlite:///copy.db")
    assert (ran.code, "[not-a-copy]" in ran.err, "Nothing was changed." in ran.err) == (1, True, True), ran


@pytest.mark.usefixtures("story")
def test_relative_files_are_looked_for_here(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("live")
    ran = run("registry", "copy", "sqlite:///../.crisplens/registry.db", "sqlite:///copy.db")
    assert (ran.code, Path("copy.db").exists()) == (0, True), ran
    # The configuration's own registry is where its folder is.
    assert run("registry", "backup", "b.db").code == 0
    assert Path("b.db").exists()


@pytest.mark.usefixtures("story")
def test_backup_and_restore(run) -> None:
    head = run("audit", "head", "--json").out
    ran = run("registry", "backup", "b.db")
    assert (ran.code, ran.err) == (0, ""), ran
    assert "schema" in ran.out
    assert "verified.\nTree head: " in ran.out
    said = json.loads(run("registry", "backup", "b.db", "--force", "--json").out)
    assert said["head"] == json.loads(head)
    assert run("kpi", "set", "f1", "--target", "1").code == 0
    ran = run("registry", "restore", "b.db", "--replace")
    assert (ran.code, ran.err) == (0, ""), ran
    assert "registry.db.replaced-20" in ran.out
    assert "The backup lacks 1 event that it had." in ran.out
    assert run("audit", "head", "--json").out == head
    assert run("audit", "verify").code == 0
    shutil.rmtree(".crisplens")
    said = json.loads(run("registry", "restore", "b.db", "--json").out)
    assert (said["head"], said["replaced"]) == (json.loads(head), None)
    assert run("init").code == 0
    assert run("kpi", "set", "f1", "--target", "1").code == 0


@pytest.mark.usefixtures("story")
def test_another_history_is_told(run) -> None:
    shutil.copy(OLD, "old.db")
    ran = run("registry", "restore", "old.db", "--replace")
    assert ran.code == 0, ran
    assert "was another one, not the backup's continued." in ran.out
    assert "Its schema is 0001. Next: crisplens db upgrade" in ran.out
    ran = run("db", "upgrade")
    assert (ran.code, "Schema 0001 is now" in ran.out, "84 events" in ran.out) == (0, True, True), ran
    assert "nothing was to be done" in run("db", "upgrade").out


@pytest.mark.usefixtures("story", "unchanged")
def test_a_damaged_backup_is_a_negative_finding(run) -> None:
    assert run("registry", "backup", "b.db").code == 0
    with closing(sqlite3.connect("b.db")) as connection:
        connection.execute("UPDATE kpi SET target = '50'")
        connection.commit()
    ran = run("registry", "restore", "b.db", "--replace")
    assert (ran.code, ran.out) == (1, ""), ran
    assert "[fails-verification]: the backup fails verification" in ran.err
    assert "projection: kpi churn/roc_auc: target is" in ran.err
    assert ran.err.endswith("Nothing was changed.\n")
    assert sorted(Path(".crisplens").iterdir()) == sorted(Path(".crisplens").glob("[er]*"))


@pytest.mark.usefixtures("story")
def test_a_read_only_folder_takes_no_backup(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("crisplens.transfer.pages.os.open", refuse)
    ran = run("registry", "backup", "b.db")
    assert (ran.code, "[unwritable]" in ran.err, "Permission denied" in ran.err) == (2, True, True), ran


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("registry backup b.db", "copying pages of "),
        ("registry restore old-story.db --registry sqlite:///new.db", "copying pages of "),
        (f"registry copy {HERE} sqlite:///copy.db", "copying events of "),
        ("db upgrade --registry sqlite:///old.db", "replaying events"),
    ],
)
def test_progress_on_a_terminal_only(run, monkeypatch: pytest.MonkeyPatch, line: str, words: str) -> None:
    shutil.copy(OLD, "old.db")
    assert run("registry", "backup", "old-story.db").code == 0
    monkeypatch.setattr("crisplens.ledger.replay.STREAM_ROWS", 10)
    monkeypatch.setattr("crisplens.cli.progress.is_terminal", lambda _: True)
    ran = run(*shlex.split(line))
    assert (ran.code, words in ran.err) == (0, True), ran
    assert "\r" not in ran.out
