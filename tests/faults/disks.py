"""A small disk of its own for a test, to fill up and to make read-only, without being root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ANA, sqlite_rows

REGISTRY = ".crisplens/registry.db"


class Disk:
    """A file system in memory that only processes of its mount namespace see at `folder`."""

    def __init__(self, holder: int, folder: Path) -> None:
        self.folder = folder
        # The same place as this process can reach it. SQLite cannot: it resolves the link.
        self.outside = Path(f"/proc/{holder}/root{folder}")
        self._enter = ["nsenter", "-t", str(holder), "-U", "-m", "--preserve-credentials"]

    def call(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the disk's folder."""
        entered = [*self._enter, "sh", "-c", 'cd "$0" && exec "$@"', str(self.folder), *command]
        environment = {**os.environ, "CRISPLENS_ACTOR": ANA, **variables}
        return subprocess.run(entered, capture_output=True, text=True, timeout=60, env=environment)

    def crisplens(self, *args: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the command line in the disk's folder."""
        return self.call(sys.executable, "-m", "crisplens", *args, **variables)

    def fill(self, *, but: int = 0) -> None:
        """Leave no space on it but so many bytes."""
        state = os.statvfs(self.outside)
        size = state.f_bavail * state.f_frsize - but
        (self.outside / "ballast").write_bytes(bytes(size))

    def clear(self) -> None:
        """Give the space back."""
        (self.outside / "ballast").unlink()

    def make_read_only(self) -> None:
        """Mount it again, read-only."""
        done = self.call("mount", "-o", "remount,ro", str(self.folder))
        assert done.returncode == 0, done.stderr

    def head(self) -> list[object]:
        """The size and root of the log on it, which no process has open."""
        with tempfile.NamedTemporaryFile() as copy:
            shutil.copyfile(self.outside / REGISTRY, copy.name)
            return read_head(Path(copy.name))

    def files(self) -> set[str]:
        """The files on it, but for the ballast and kept evidence."""
        found = (file.relative_to(self.outside) for file in self.outside.rglob("*") if file.is_file())
        return {str(file) for file in found if file.name != "ballast" and "sha256" not in file.parts}


def read_head(registry: Path) -> list[object]:
    """The size and root of a log, read past crisplens."""
    return sqlite_rows(registry, "SELECT size, root FROM ledger_head")


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[Disk]:
    """A disk of `size` bytes at `folder`; skips the test where no mount namespace can be made."""
    if not (shutil.which("unshare") and shutil.which("nsenter")):
        pytest.skip("unshare and nsenter are not installed")
    folder.mkdir()
    mount = f"mount -t tmpfs -o size={size} tmpfs {folder} && echo mounted && exec cat"
    holder = subprocess.Popen(
        ["unshare", "-r", "-m", "sh", "-c", mount],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        if holder.stdout.readline() != "mounted\n":
            pytest.skip(f"no disk of its own for this test: {holder.communicate()[1].strip()}")
        yield Disk(holder.pid, folder)
    finally:
        holder.kill()
        holder.communicate()
