"""Files of object stores, at any URL that fsspec knows, fetched into a folder that goes away at the end."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from crisplens.core.errors import CrisplensError, InputError, RegistryError
from crisplens.core.remote_store import EXTRAS, NO_CREDENTIALS, REASONS
from crisplens.registry.data.files import ARROW_FORMATS, Table, common_format, openable

MOST_FILES = 10_000


@contextmanager
def fetched_files(location: str, *, partial: bool = False) -> Iterator[Table]:
    """The files of a URL, which may be a pattern, as local files that go away at the end.

    With `partial`, files that are gone or empty are told in the table's `unreadable`, as long as there are others.
    Raises `InputError` for a URL that names no file, or files of different or unknown formats; `RegistryError` when
    the store cannot be reached, or the library for it is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="crisplens-source-") as folder:
        try:
            yield _fetch(location, Path(folder), partial=partial)
        except CrisplensError:
            raise
        except ImportError as error:
            extra = EXTRAS.get(location.partition(":")[0].casefold(), "store")
            raise RegistryError(
                f"{location[:200]} needs a library that is not installed: {error}",
                slug="library-missing",
                hint=f"`pip install 'crisplens[{extra}]'`, or the fsspec library for that kind of store.",
            ) from None


def _fetch(location: str, folder: Path, *, partial: bool) -> Table:
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
        files = tuple(_place(folder, name, number) for number, name in enumerate(names))
        kind = common_format(location[:200], files, also=ARROW_FORMATS)
        for name, file in zip(names, files, strict=True):
            try:
                system.get_file(name, str(file))
            except FileNotFoundError:
                # It went after it was listed; opening it tells.
                if not partial or len(names) == 1:
                    raise
    except (CrisplensError, ImportError):
        raise
    except Exception as error:
        raise _failure(location, error) from None
    good, bad = openable(files, partial=partial)
    return Table(location, good, kind, unreadable=bad)


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
    reason = next((REASONS[one.__name__] for one in type(error).__mro__ if one.__name__ in REASONS), None)
    why, hint = reason or (f"it failed ({kind})", "Check the URL, the network and the credentials.")
    slug = "no-credentials" if reason is NO_CREDENTIALS else "source-unreached"
    return RegistryError(f"{location[:200]} cannot be read: {why}", slug=slug, hint=hint)
