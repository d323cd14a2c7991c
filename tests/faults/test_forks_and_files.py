"""Forks, and files that are moved, replaced or read, while a registry is open: nothing that was reported is lost."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from crisplens.api import Registry, connect, init
from crisplens.core import database
from crisplens.core.errors import InputError, RegistryError
from tests.conftest import ANA, opened
from tests.faults.test_read_only import obey_permissions

pytestmark = pytest.mark.end_to_end
needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
on_sqlite = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)
GIVEN_UP, RECORDED = 7, 0


def names(registry: Registry) -> set[str]:
    """The KPIs that are recorded."""
    return {kpi.name for kpi in registry.kpi.list()}


def in_child(command: Callable[[], object]) -> int:
    """Fork, give the command in the child, and return how that ended: `GIVEN_UP` for our error about forking."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 1
    with suppress(BaseException):
        try:
            command()
            code = RECORDED
        except RegistryError as error:
            code = GIVEN_UP if "forked" in error.message else 2
    os._exit(code)


@contextmanager
def leaving(registry: Registry) -> Iterator[Registry]:
    """A transaction that goes on after its process was forked in it."""
    with registry.transaction() as together:
        together.kpi.set("before", target=1)
        yield together
        together.kpi.set("after", target=1)


@needs_forks
@pytest.mark.stored
def test_a_forked_process_records_beside_its_parent_and_after_it(registry: Registry, tmp_path: Path) -> None:
    registry.kpi.set("before", target=1)
    closed = tmp_path / "closed"

    def record() -> None:
        registry.kpi.set("first", target=1)
        closed.with_suffix(".wait").touch()
        while not closed.exists():
            time.sleep(0.01)
        registry.kpi.set("second", target=1)
        assert "third" in names(registry)

    child = os.fork()
    if not child:
        code = 1
        with suppress(BaseException):
            record()
            code = 0
        os._exit(code)
    while not closed.with_suffix(".wait").exists():
        time.sleep(0.01)
    registry.close()
    url = registry.engine.url.render_as_string(hide_password=False)
    other = "from crisplens.api import connect; import sys\n"
    other += "with connect(sys.argv[1], project='churn', actor='bo') as one: one.kpi.set('third', target=1)"
    subprocess.run([sys.executable, "-c", other, url], check=True)
    closed.touch()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert names(registry) == {"before", "first", "second", "third"}
    assert registry.audit.verify().passed


def record_one(given: tuple[str, str, int]) -> str:
    """Record in a process of its own."""
    url, folder, number = given
    with connect(url, project="churn", actor=ANA, folder=folder) as registry:
        return registry.kpi.set(f"kpi-{number}", target=1).name


@needs_forks
@pytest.mark.stored
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_pool_of_processes_records_while_the_parent_has_a_registry_open(
    registry: Registry, method: str
) -> None:
    url, folder = registry.engine.url.render_as_string(hide_password=False), registry.configuration.folder
    with multiprocessing.get_context(method).Pool(2) as pool:
        done = pool.map_async(record_one, [(url, str(folder), number) for number in range(12)])
        for number in range(12, 20):
            registry.kpi.set(f"kpi-{number}", target=1)
        assert len(done.get(60)) == 12
    assert names(registry) == {f"kpi-{number}" for number in range(20)}
    assert registry.audit.verify().passed


@needs_forks
@pytest.mark.stored
@pytest.mark.parametrize("how", ["goes on", "raises", "records", "reads", "goes on after reading"])
def test_a_process_that_is_forked_within_a_transaction_takes_no_part_in_it(
    registry: Registry, how: str
) -> None:
    def go_on() -> None:
        with registry.transaction() as together:
            together.kpi.set("before", target=1)
            if how.endswith("reading"):
                together.kpi.list()
            if child := os.fork():
                children.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
                together.kpi.set("after", target=1)
            elif how == "raises":
                raise ZeroDivisionError
            elif how == "records":
                together.kpi.set("child", target=1)
            elif how == "reads":
                together.kpi.list()

    parent, children = os.getpid(), list[int]()
    try:
        go_on()
    except BaseException as error:
        if os.getpid() == parent:
            raise
        os._exit(GIVEN_UP if "forked" in str(error) or how == "raises" else 1)
    if os.getpid() != parent:
        os._exit(RECORDED)
    assert children == [GIVEN_UP]
    assert names(registry) == {"before", "after"}
    assert registry.audit.verify().passed
    assert in_child(lambda: registry.kpi.set("later", target=1)) == RECORDED
    assert "later" in names(registry)


@needs_forks
@on_sqlite
def test_a_process_that_is_forked_within_a_transaction_cannot_open_the_file_anew(registry: Registry) -> None:
    with leaving(registry):
        assert in_child(lambda: record_one((str(registry.engine.url), ".", 1))) == GIVEN_UP
    assert names(registry) == {"before", "after"}


def assert_left(registry: Registry, words: str) -> None:
    """Commands and queries are refused, and say why."""
    for command in (lambda: registry.kpi.set("lost", target=1), registry.audit.head):
        with pytest.raises(RegistryError, match=words) as caught:
            command()
        assert "Nothing was changed." in caught.value.hint


@pytest.fixture
def file(registry: Registry) -> Path:
    """The registry's file, in which something was recorded last."""
    registry.kpi.set("kept", target=1)
    return Path(str(registry.engine.url.database))


@on_sqlite
def test_nothing_is_recorded_in_a_file_that_was_moved(registry: Registry, file: Path) -> None:
    moved = file.rename(file.with_name("moved.db"))
    assert_left(registry, "was moved, deleted or replaced while it was open")
    assert not file.exists()
    moved.rename(file)
    registry.kpi.set("again", target=1)
    assert names(registry) == {"kept", "again"}


@on_sqlite
def test_nothing_is_recorded_in_a_file_that_was_deleted(registry: Registry, file: Path) -> None:
    file.unlink()
    assert_left(registry, "was moved, deleted or replaced while it was open")
    registry.close()
    with pytest.raises(RegistryError) as caught:
        registry.kpi.list()
    assert caught.value.slug == "no-registry"
    assert not file.exists()


@on_sqlite
def test_nothing_is_recorded_in_a_file_that_was_replaced(
    registry: Registry, file: Path, tmp_path: Path
) -> None:
    shutil.copyfile(file, tmp_path / "other.db")
    (tmp_path / "other.db").replace(file)
    assert_left(registry, "was moved, deleted or replaced while it was open")


def test_a_registry_does_not_pass_to_another_that_took_its_place(tmp_path: Path) -> None:
    with init(tmp_path / "home") as first:
        first.acting_as(ANA).project.add("churn")
        shutil.rmtree(tmp_path / "home" / ".crisplens")
        with init(tmp_path / "home") as second:
            second.acting_as(ANA).project.add("other")
            with pytest.raises(RegistryError, match="was moved, deleted or replaced"):
                first.acting_as(ANA).project.add("lost")
            assert [one.project for one in second.project.list()] == ["other"]
    with connect(folder=tmp_path / "home") as last:
        assert last.audit.verify().passed


@on_sqlite
def test_a_transaction_whose_file_is_moved_is_not_said_to_be_committed(
    registry: Registry, file: Path
) -> None:
    with (
        pytest.raises(RegistryError, match="was moved"),
        leaving(registry),
    ):
        file.rename(file.with_name("moved.db"))
    file.with_name("moved.db").rename(file)
    assert names(registry) == {"kept"}


OTHER = """
import sys
from crisplens.api import connect
with connect(sys.argv[1], project="churn", actor="bo@example.org", folder=sys.argv[2]) as registry:
    registry.kpi.set(sys.argv[3], target=1) if sys.argv[3] else registry.kpi.list()
"""


@pytest.fixture
def other(walled: Registry) -> Callable[[str], None]:
    """Records a KPI of that name, if any, in another process: it deletes the log if it thinks itself alone."""

    def record(name: str) -> None:
        given = [str(walled.engine.url), str(walled.configuration.folder), name]
        subprocess.run([sys.executable, "-c", OTHER, *given], check=True)

    return record


@pytest.fixture
def walled(registry: Registry) -> Registry:
    """A registry with a write-ahead log."""
    database.keep_write_ahead_log(registry.engine)
    registry.kpi.set("kept", target=1)
    return registry


def read_as_a_file(registry: Registry) -> None:
    """Read the registry's file, which ends all the locks that this process has on it."""
    Path(str(registry.engine.url.database)).read_bytes()


@on_sqlite
def test_a_registry_whose_file_the_same_process_read_loses_nothing(
    walled: Registry, other: Callable[[str], None]
) -> None:
    read_as_a_file(walled)
    other("first")
    walled.kpi.set("second", target=1)
    other("third")
    walled.kpi.set("fourth", target=1)
    everything = {"kept", "first", "second", "third", "fourth"}
    assert names(walled) == everything
    walled.close()
    assert names(walled) == everything
    assert walled.audit.verify().passed


@on_sqlite
def test_a_registry_that_is_evidence_of_itself_loses_nothing(
    walled: Registry, other: Callable[[str], None]
) -> None:
    walled.evidence.add(Path(str(walled.engine.url.database)))
    other("first")
    walled.kpi.set("second", target=1)
    other("third")
    assert names(walled) == {"kept", "first", "second", "third"}
    assert walled.audit.verify().passed


@on_sqlite
def test_a_transaction_whose_log_others_deleted_is_not_said_to_be_committed(
    walled: Registry, other: Callable[[str], None]
) -> None:
    def command() -> None:
        with leaving(walled):
            read_as_a_file(walled)
            other("")

    with pytest.raises(RegistryError, match="was deleted or replaced while"):
        command()
    other("first")
    assert names(walled) == {"kept", "first"}
    assert walled.audit.verify().passed


@on_sqlite
@pytest.mark.skipif(sys.platform != "linux", reason="root is bound by permissions on Linux only")
def test_a_link_in_a_folder_that_may_not_be_written_shows_the_newest_events(
    walled: Registry, tmp_path: Path
) -> None:
    (folder := tmp_path / "links").mkdir()
    (folder / "registry.db").symlink_to(str(walled.engine.url.database))
    folder.chmod(0o555)
    command = [sys.executable, "-m", "crisplens", "audit", "head", "--registry"]
    try:
        done = subprocess.run(
            [*command, f"sqlite:///{folder}/registry.db"],
            capture_output=True,
            text=True,
            preexec_fn=obey_permissions,
        )
    finally:
        folder.chmod(0o755)
    assert done.stdout.startswith(f"{walled.audit.head().size} events\n"), done.stderr


@on_sqlite
def test_a_command_that_waits_for_another_writer_can_be_interrupted(registry: Registry) -> None:
    # Whoever started the tests may have told their processes to ignore Ctrl-C.
    heeding = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); "
    code = f"{heeding}from crisplens.cli.main import main; main()"
    command = [sys.executable, "-c", code, "kpi", "set", "late", "--target", "1", "--project", "churn"]
    environment = {**os.environ, "CRISPLENS_ACTOR": ANA}
    with (
        registry.transaction() as together,
        subprocess.Popen(
            [*command, "--registry", str(registry.engine.url)],
            env=environment,
            stderr=subprocess.PIPE,
            text=True,
        ) as waiting,
    ):
        together.kpi.set("first", target=1)
        time.sleep(3)
        waiting.send_signal(signal.SIGINT)
        said = waiting.communicate(timeout=20)[1]
    assert (waiting.returncode, "Interrupted" in said) in {(130, True), (-signal.SIGINT, True)}
    assert names(registry) == {"first"}


@pytest.mark.stored
def test_a_thread_does_not_wait_for_its_own_transaction_by_another_registry(
    registry: Registry, tmp_path: Path
) -> None:
    url = registry.engine.url.render_as_string(hide_password=False)
    with registry.transaction() as together, opened(url, tmp_path) as second:
        together.kpi.set("first", target=1)
        with pytest.raises(InputError) as caught:
            second.kpi.set("second", target=1)
        assert caught.value.slug == "nested-transaction"
        assert names(second) == set()
    assert names(registry) == {"first"}
