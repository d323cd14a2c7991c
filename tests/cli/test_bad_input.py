"""What bad input gets: one clear error, its exit code, no traceback, and an unchanged ledger."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import sys
from pathlib import Path

import pytest

from crisplens.migrations import HEAD

pytestmark = [pytest.mark.end_to_end, pytest.mark.usefixtures("story", "unchanged")]

EVALUATE = "evaluation record churn-gbm@1 --dataset holdout@1"
WATCH = "monitor add second --model churn-gbm --reference train.csv --current 'live/*.csv'"
DEPLOY = "deployment record churn-gbm@1 --environment staging"
GOAL = "goal set --problem p --value v"

USAGE = [
    ("projct list", "No such command 'projct'. Did you mean project"),
    ("project ad", "Did you mean 'add'"),
    ("project", "Usage: crisplens project"),
    ("", "Usage: crisplens"),
    ("project add", "Missing argument 'NAME'"),
    ("project list extra", "unexpected extra argument"),
    ("kpi list --jsno", "'--json'"),
    ("kpi set k", "Missing option '--target'"),
    ("--project churn kpi list", "--project comes after the command"),
    ("audit log --last 0", "0 is not in the range"),
    ("data add d train.csv --version x", "'x' is not a valid integer"),
    ("monitor run nightly --fail-on x", "'drift'"),
    ("report audit --format pdf", "'html', 'json'"),
]
NAMES = [
    ("gate check evalution", "no phase named 'evalution'", "evaluation"),
    ("phase show deploy", "no phase named 'deploy'", "deployment"),
    ("data show customer@1", "customer@1", "Did you mean customers@1?"),
    ("data show customers", "'customers' does not name a dataset version", "customers@1"),
    ("data show customers@99999999999999999999999", "does not name a dataset version", "@"),
    ("model show churn-gmb@1", "churn-gmb@1", "Did you mean churn-gbm@1"),
    ("project show chrun", "no project named 'chrun'", "churn"),
    ("kpi list --project chrun", "no project named 'chrun'", "churn"),
    ("audit log --project chrun", "no project named 'chrun'", "churn"),
    ("audit log --type aproval.decided", "aproval.decided", "approval.decided"),
    ("monitor run nightl", "no monitor named 'nightl'", "nightly"),
    ("lineage show churn-gbm@9", "churn-gbm@9", "churn-gbm@1"),
    ("trigger resolve trigger-9 --model churn-gbm@1", "trigger-9", "trigger-1"),
    ("incident acknowledge incident-9", "incident-9", "incident-1"),
    ("monitor run nightly --engine duck", "no engine named 'duck'", "duckdb"),
    (f"{WATCH} --column agee", "agee", "age"),
    (f"{WATCH} --threshold agee=1", "agee", "age"),
    ("checkpoint record evaluation --control EV-9=met:x", "EV-9", "EV-"),
    (
        "checkpoint record evaluation --control DC-1=met:x",
        "DC-1 is a control of phase data-collection",
        "EV-1",
    ),
    ("checkpoint record evaluation --summary x --link customer@1", "customer@1", "customers@1"),
    ("data add d train.csv --derived-from custmers@1", "custmers@1", "customers@1"),
    ("data add d train.csv --run nope", "no run named 'nope'", "run record"),
    ("project add p --risk hgih", "hgih", "low, medium, high"),
    ("kpi set k --target 1 --direction up", "'up'", "higher, lower"),
    (f"{DEPLOY} --kind stream", "'stream'", "batch, real-time"),
    ("checkpoint record evaluation --control EV-1=yes:x", "'yes'", "met, partial, not-met, not-applicable"),
]
PAIRS = [
    (f"{EVALUATE} --metric roc_auc", "--metric 'roc_auc' is not NAME=NUMBER", "--metric roc_auc=0.82"),
    (f"{EVALUATE} --metric =1", "is not NAME=NUMBER", "Such as"),
    (f"{EVALUATE} --metric a=1 --metric a=2", "gives 'a' twice", "once"),
    (f"{EVALUATE} --metric a=1 --slice x=1", "is not PART:METRIC=NUMBER", "Such as --slice"),
    (f"{EVALUATE} --metric a=1 --class p:x=1 --class p:x=2", "gives 'p:x' twice", "once"),
    ("model register m model.bin --param x", "--param 'x' is not NAME=VALUE", "depth=3"),
    ("checkpoint record evaluation --control EV-1", "is not ID=ANSWER:REASON", "EV-1=met"),
    (
        "deployment record churn-gbm@1 --environment e --kind batch --variant a=churn-gbm@1",
        "PERCENT",
        "Such as",
    ),
    (f"{GOAL} --cost data", "is not KIND=AMOUNT", "training=1200"),
    (f"{WATCH} --threshold age", "is not COLUMN=NUMBER", "age=0.2"),
]
NOT_NUMBERS = ("nan", "inf", "-inf", "1e999", "0,8", "", "x", "0x1")
NUMBERS = [
    *(
        (f"{EVALUATE} --metric a={value}", "a is", "finite number")
        for value in ("nan", "inf", "-inf", "1e999")
    ),
    *((f"{EVALUATE} --metric a='{value}'", "a is", "finite number") for value in ("0,8", "", "x", "0x1")),
    *((f"kpi set k --target {value}", "the target is", "finite") for value in ("nan", "inf", "0,8", "x")),
    (f"{EVALUATE} --metric a=1 --slice p:x=nan", "x is 'nan'", "finite number"),
    (f"{WATCH} --threshold age=x", "the threshold of age is 'x'", "finite number"),
    (f"{WATCH} --drift-share nan", "drift share", "finite number"),
    (f"{WATCH} --drift-share 2", "drift share 2", "at most 1"),
    (f"{WATCH} --minimum-rows 0", "minimum of rows is 0", "1 to 1,000,000,000"),
    (f"{GOAL} --cost data=abc", "data cost is 'abc'", "number"),
    ("data add customers train.csv --version 0", "0 is not a version", "1"),
    ("data add customers train.csv --version 1", "customers@1 exists already", "customers@2"),
    ("model register churn-gbm model.bin --version 1", "churn-gbm@1 exists already", "churn-gbm@2"),
    ("audit log --since yesterday", "'yesterday' is not a time", "ISO 8601"),
    ("run record r --started-at 2026-01-02 --ended-at 2026-01-01", "ended before it started", "2026-01-01"),
]
TEXTS = [
    ("project add churn", "'churn' exists already", ""),
    ("project add ''", "cannot name a project", "letters"),
    ("project add 'a b'", "cannot name a project", "letters"),
    ("project add -- -x", "cannot name a project", "letters"),
    ("goal set --problem '' --value v", "--problem is empty", ""),
    (f"goal set --problem {'x' * 30_000} --value v", "30000 characters", "at most"),
    ("monitor run nightly --current ''", "--current is empty", "leave it out"),
    ("monitor run nightly --engine '  '", "--engine is empty", "leave it out"),
    ("audit log --since ''", "--since is empty", "leave it out"),
    ("kpi list --project ''", "--project is empty", "leave it out"),
    ("goal show --directory nowhere", "'nowhere' is not a folder", "crisplens.toml"),
    ("goal set --problem p --value v --actor ''", "--actor is empty", ""),
    ("goal set --problem p --value v --actor 'a\nb'", "not usable", "printable"),
    ("checkpoint record evaluation", "says nothing", "--control"),
    (EVALUATE, "at least one metric", "--metric NAME=NUMBER"),
    ("cycle open", "reason", ""),
    ("report audit --output nowhere/x.html", "no folder nowhere", ""),
    ("report audit --output live", "live", "folder"),
    ("report audit --output x.pdf", "x.pdf", ".html or .json"),
    ("report audit --output crisplens.toml", "crisplens.toml", ".html or .json"),
    (f"report audit --output {'x' * 300}.html", "cannot write", ""),
]


@pytest.mark.parametrize(("line", "words"), USAGE)
def test_usage_errors(run, line: str, words: str) -> None:
    ran = run(*shlex.split(line))
    assert ran.code == 2
    assert words in ran.err
    assert (ran.out, "Traceback" in ran.err) == ("", False)


@pytest.mark.parametrize(("line", "wrong", "accepted"), [*NAMES, *PAIRS, *NUMBERS, *TEXTS])
def test_input_errors(run, line: str, wrong: str, accepted: str) -> None:
    ran = run(*shlex.split(line))
    assert ran.code == 2, ran
    assert ran.err.startswith("Error [")
    assert wrong in ran.err
    assert accepted in ran.err
    assert ran.err.endswith("Nothing was changed.\n")
    assert (ran.out, "Traceback" in ran.err) == ("", False)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("approval grant evaluation", "ana@example.org wrote checkpoint-1"),
        ("trigger resolve trigger-1 --model churn-gbm@1", "before trigger-1 was raised"),
        ("incident resolve incident-1 --note x", "waits for trigger-1"),
    ],
)
def test_refusals_are_negative_findings(run, line: str, words: str) -> None:
    ran = run(*shlex.split(line))
    assert ran.code == 1, ran
    assert words in ran.err
    assert ran.err.endswith("Nothing was changed.\n")


FILES: dict[str, tuple[bytes | None, str]] = {
    "missing.csv": (None, "missing.csv"),
    "nothing-*.csv": (None, "nothing-*.csv"),
    "empty.csv": (b"", "empty"),
    "blank.csv": (b"\n\n", "no header"),
    "ragged.csv": (b"a,b\n1,2\n3,4,5\n", "ragged.csv, line 3"),
    "short.csv": (b"a,b\n1,2\n3\n", "short.csv, line 3"),
    "quote.csv": (b'a,b\n"x,2\n', "quote.csv, line 2"),
    "twice.csv": (b"a,a\n1,2\n", "column 'a' twice"),
    "latin.csv": ("a,b\né,2\n".encode("latin1"), "not UTF-8"),
    "corrupt.parquet": (b"PAR1 garbage PAR1", "corrupt.parquet"),
    "text.parquet": (b"hello", "text.parquet"),
    "zip.csv.gz": (b"hello", "zip.csv.gz"),
    "folder.csv/": (None, "folder"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize(
    "line", ["data add new {}", "monitor run nightly --current {}", f"{WATCH} --reference {{}}"]
)
def test_unusable_tables(run, line: str, name: str) -> None:
    content, words = FILES[name]
    if name.endswith("/"):
        Path(name).mkdir()
    elif content is not None:
        Path(name).write_bytes(content)
    ran = run(*shlex.split(line.format(shlex.quote(name.rstrip("/")))))
    assert ran.code == 2, ran
    assert words in ran.err
    assert ran.err.endswith("Nothing was changed.\n")
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "line", ["evidence add {}", "model register m {}", "checkpoint record evaluation --evidence {}"]
)
@pytest.mark.parametrize("name", ["missing.bin", "live"])
def test_unreadable_files(run, line: str, name: str) -> None:
    ran = run(*shlex.split(line.format(name)))
    assert (ran.code, name in ran.err) == (2, True), ran


@pytest.mark.parametrize("argument", [b"bad\xff", b"bad\xed\xb3\xbf"])
def test_arguments_that_are_not_utf8(process, argument: bytes) -> None:
    ran = process("project", "add", argument)
    assert ran.code == 2, ran
    assert "is not UTF-8 text" in ran.err


def test_variable_that_is_not_utf8(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRISPLENS_PROJECT", os.fsdecode(b"bad\xff"))
    ran = run("kpi", "list")
    assert (ran.code, "CRISPLENS_PROJECT" in ran.err) == (2, True), ran


def test_errors_drive_no_terminal(run) -> None:
    ran = run("evidence", "add", "\x1b[31mred\x07")
    assert ran.code == 2
    assert "\x1b" not in ran.err
    assert "\x07" not in ran.err


def test_nobody_named(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CRISPLENS_ACTOR")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/nonexistent")
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    ran = run("goal", "set", "--problem", "p", "--value", "v")
    assert (ran.code, "nobody is named" in ran.err, "CRISPLENS_ACTOR" in ran.err) == (2, True, True), ran


def test_no_project_named(run) -> None:
    file = Path("crisplens.toml")
    file.write_text(file.read_text().replace('project = "churn"\n', ""))
    for line in (
        "kpi list",
        "kpi set k --target 1",
        "report audit",
        "gate check evaluation",
        "lineage show x",
    ):
        ran = run(*line.split())
        assert (ran.code, "no project is named" in ran.err, "--project" in ran.err) == (2, True, True), ran


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"project = 3", "project must be text"),
        (b'nope = "x"', "unknown key 'nope'"),
        (b'project = "', "cannot be read"),
        (b"\xff", "cannot be read"),
    ],
)
def test_broken_configuration(run, content: bytes, words: str) -> None:
    Path("crisplens.toml").write_bytes(content)
    ran = run("kpi", "list")
    assert (ran.code, words in ran.err, "crisplens.toml" in ran.err) == (2, True, True), ran


REGISTRIES = [
    ("sqlite:///gone.db", "no registry at", "crisplens init"),
    ("sqlite:///text.db", "not a registry", ""),
    ("sqlite:///empty.db", "not a registry", ""),
    ("sqlite:///other.db", "no crisplens schema", "db upgrade"),
    ("sqlite:///", "in memory", "Name a file"),
    ("text.db", "URL cannot be read", "sqlite:///"),
    ("mysql://h/n", "mysql cannot be opened", "PostgreSQL"),
]


@pytest.mark.parametrize("line", ["kpi list", "audit verify", "audit log", "kpi set k --target 1"])
@pytest.mark.parametrize(("url", "words", "hint"), REGISTRIES)
def test_registries_that_are_none(run, line: str, url: str, words: str, hint: str) -> None:
    Path("text.db").write_text("hello")
    Path("empty.db").touch()
    connection = sqlite3.connect("other.db")
    connection.execute("CREATE TABLE thing (x)")
    connection.close()
    ran = run(*line.split(), "--registry", url)
    assert ran.code == 3, ran
    assert words in ran.err
    assert hint in ran.err
    assert (ran.out, "Traceback" in ran.err) == ("", False)


@pytest.mark.parametrize("line", ["kpi list", "kpi set k --target 1", "audit verify", "db upgrade", "init"])
def test_registry_of_a_newer_release(run, line: str) -> None:
    _set_revision("9999")
    ran = run(*line.split())
    assert (ran.code, "newer" in ran.err, "pip install --upgrade" in ran.err) == (3, True, True), ran


def test_status_of_a_newer_schema_recommends_no_upgrade_of_it(run) -> None:
    _set_revision("9999")
    ran = run("db", "status")
    assert (ran.code, "pip install --upgrade" in ran.out, "db upgrade" in ran.out) == (1, True, False), ran
    _set_revision(HEAD)
    assert run("db", "status").code == 0


def test_postgresql_without_its_driver(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    ran = run("kpi", "list", "--registry", "postgresql://u@127.0.0.1:1/x")
    assert (ran.code, "crisplens[postgres]" in ran.err) == (3, True), ran


def test_postgresql_without_a_server(run) -> None:
    pytest.importorskip("psycopg")
    ran = run("kpi", "list", "--registry", "postgresql://u:secret@127.0.0.1:1/x")
    assert (ran.code, "refused" in ran.err, "secret" in ran.err) == (3, True, False), ran


def test_no_registry_in_this_folder(run, monkeypatch: pytest.MonkeyPatch, tmp_path_factory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    with monkeypatch.context() as there:
        there.chdir(elsewhere)
        for line in ("kpi list", "db status", "db upgrade", "report audit --output x.html"):
            ran = run(*line.split())
            assert (ran.code, "crisplens init" in ran.err) == (3, True), ran
    assert list(elsewhere.iterdir()) == []


def test_defects_are_told_from_bad_input(run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LookupError("surprise")

    monkeypatch.setattr("crisplens.api.connect", fail)
    ran = run("kpi", "list")
    assert (ran.code, "LookupError: surprise" in ran.err, "--debug" in ran.err) == (3, True, True), ran
    from crisplens.cli.main import main

    with pytest.raises(LookupError):
        main(["kpi", "list", "--debug"])


def _set_revision(revision: str) -> None:
    connection = sqlite3.connect(".crisplens/registry.db")
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()


class TestBadDataIsRecorded:
    """A window that cannot be judged belongs in the record: the one error that changes the ledger."""

    @pytest.fixture
    def unchanged(self) -> None:
        """Not here."""

    @pytest.mark.parametrize(
        "content", ["age,tenure,plan\n" + "40,1,a\n" * 20 + "38,2,b\n" * 20, "age,tenure,plan,churned\n"]
    )
    def test_check_with_verdict_bad_data(self, run, head, content: str) -> None:
        Path("window.csv").write_text(content)
        assert run("monitor", "add", "calm", "--model", "churn-gbm", "--reference", "train.csv", "--current",
                   "window.csv", "--column", "churned").code == 0  # fmt: skip
        before = head()
        ran = run("monitor", "run", "calm", "--json")
        assert ran.code == 2, ran
        check = json.loads(ran.out)["check"]
        assert check["result"]["verdict"] == "bad-data"
        assert f"{check['id']} is recorded with the verdict bad-data" in ran.err
        assert "Nothing was changed" not in ran.err
        assert head()[0] > before[0]
