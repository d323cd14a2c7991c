"""A command that is told something on its standard input, within a time."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from threading import Thread

from crisplens.monitors.notifications.model import CommandSettings, SendError
from crisplens.monitors.notifications.text import one_line

# What programs need to start and to speak the right language; everything else is named by the channel.
PASSED = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "TEMP", "SYSTEMROOT")
MOST_SHOWN = 300
_CHUNK = 1 << 16
_GRACE_SECONDS = 1


def run(settings: CommandSettings, given: bytes, environment: Mapping[str, str]) -> None:
    """Run the command, without a shell, with `given` on its standard input.

    Of what it prints, the last words are in the error. When its time is over, it is killed with the processes that it
    started. Raises `SendError` for any exit code but 0.
    """
    passed = {name: environment[name] for name in (*PASSED, *settings.environment) if name in environment}
    name = one_line(os.path.basename(settings.command[0]), most=60)
    printed = bytearray()
    # From a file: a command that does not read its input can neither block nor break this.
    with tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        try:
            process = subprocess.Popen(
                settings.command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                env=passed,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise SendError(f"the command {name} cannot be started: {why}") from None
    reader = Thread(target=_keep_last, args=(process, printed), daemon=True)
    reader.start()
    try:
        code = process.wait(settings.timeout)
    except subprocess.TimeoutExpired:
        message = f"the command {name} did not end within {settings.timeout:g} seconds and was killed"
        # The next notice would take as long, and others wait behind it.
        raise SendError(message, unreachable=True) from None
    finally:
        if process.returncode is None:
            _kill(process)
    if code:
        reader.join(_GRACE_SECONDS)
        raise SendError(f"the command {name} {_ending(code)}{_last_words(bytes(printed))}")


def _keep_last(process: subprocess.Popen[bytes], printed: bytearray) -> None:
    """Read all that is printed, so that nothing blocks, and keep the end of it."""
    assert process.stdout is not None
    with process.stdout as output:
        while chunk := output.read1(_CHUNK):  # type: ignore[attr-defined]
            printed += chunk
            del printed[:-_CHUNK]


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(OSError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
    process.wait()


def _ending(code: int) -> str:
    return f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"


def _last_words(printed: bytes) -> str:
    words = one_line(printed.decode("utf-8", errors="replace"))
    if not words:
        return ""
    return f": {words}" if len(words) <= MOST_SHOWN else f": …{words[-MOST_SHOWN:]}"
