"""Tools to compare with: each is installed with pip into a virtual environment of its own, kept for the next time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ENVIRONMENTS = Path(__file__).resolve().parents[1] / "build" / "peers"
_INSTALLED = "installed.txt"


class NotMeasured(Exception):
    """A tool cannot be installed or used here, or did not do what was asked; the text says why."""


def install(environment: Path, requirements: Sequence[str], *, also: str = "") -> str:
    """Make an environment, unless it is there already, of the same Python, requirements and `also`; its Python."""
    python = str(environment / "bin" / "python")
    marker, wanted = environment / _INSTALLED, "\n".join((sys.version, *requirements, also))
    if not marker.is_file() or marker.read_text(encoding="utf-8") != wanted:
        print(f"Installing {environment.name} into {environment}", file=sys.stderr)
        call([sys.executable, "-m", "venv", "--clear", str(environment)])
        call([python, "-I", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements])
        marker.write_text(wanted, encoding="utf-8")
    return python


def version(python: str, name: str) -> str:
    """The version of an installed distribution."""
    program = f"from importlib.metadata import version; print(version({name!r}))"
    return call([python, "-I", "-c", program]).strip()


def call(command: list[str]) -> str:
    """What a command printed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=1800)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotMeasured(str(error)) from error
    if done.returncode:
        raise NotMeasured(last_line(done.stderr or done.stdout))
    return done.stdout


def last_line(text: str) -> str:
    """The last line that says something."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it printed nothing")
