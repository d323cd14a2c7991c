"""Files of object stores, at any URL that fsspec knows, fetched into a folder that goes away at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from crisplens.core.errors import CrisplensError, InputError, RegistryError
from crisplens.core.remote_store import EXTRAS, REASONS
from crisplens.registry.data.files import Table, format_of

MOST_FILES = 10_000


@contextmanager
def fetched_files(location: str) -> Iterator[Table]:
    """The files of a URL, which may be a pattern, as local files that go away at the end.

    Raises `InputError` for a URL that names no file, or files of different or unknown formats; `RegistryError` when
    the store cannot be reached, or the library for it is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="crisplens-source-") as folder:
        try:
            yield _fetch(location, Path(folder))
        except CrisplensError:
            raise
        except ImportError as error:
            extra = EXTRAS.get(location.partition(":")[0].casefold(), "store")
            raise RegistryError(
                f"{location[:200]} needs a library that is not installed: {error}",
                slug="library-missing",
                hint=f"`pip install 'crisplens[{extra}]'`, or the fsspec library for that kind of store.",
            ) from None


def _fetch(location: str, folder: Path) -> Table:
    import fsspec

    try:
        system, path = fsspec.core.url_to_fs(location)
        names = sorted(map(str, system.glob(path))) if any(sign in path for sign in "*?[") else [path]
        if not names:
            raise InputError(f"no file matches {location[:200]}", slug="no-such-file")
        if len(names) > MOST_FILES:
            raise InputError(
                f"{location[:200]} matches {len(names):,} files, more than {MOST_FILES:,}", slug="bad-source"
            )
        formats = {format_of(Path(PurePosixPath(name).name)) for name in names}
        if len(formats) > 1:
            raise InputError(
                f"{location[:200]} names files of different formats: {', '.join(sorted(formats))}",
                slug="mixed-formats",
            )
        files = tuple(_place(folder, name, number) for number, name in enumerate(names))
        for name, file in zip(names, files, strict=True):
            system.get_file(name, str(file))
    except CrisplensError:
        raise
    except ImportError:
        raise
    except Exception as error:
        raise _failure(location, error) from None
    return Table(location, files, formats.pop())


def _place(folder: Path, name: str, number: int) -> Path:
    """Where a file goes: under its own name, which may stand in several folders of the store."""
    inside = folder / str(number)
    inside.mkdir()
    return inside / PurePosixPath(name).name


def _failure(location: str, error: Exception) -> CrisplensError:
    kind = type(error).__name__
    if isinstance(error, FileNotFoundError):
        return InputError(f"there is no file {location[:200]}", slug="no-such-file")
    # A library's own message may hold a URL with a key.
    why, hint = next(
        (REASONS[one.__name__] for one in type(error).__mro__ if one.__name__ in REASONS),
        (f"it failed ({kind})", "Check the URL, the network and the credentials."),
    )
    return RegistryError(f"{location[:200]} cannot be read: {why}", slug="source-unreached", hint=hint)
