"""Content stores: what is kept reads back, once, whole and within bounds; nothing leaves the store."""

from __future__ import annotations

import errno
import hashlib
import importlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crisplens.core import content_store
from crisplens.core.canonical import CHUNK, digest_bytes
from crisplens.core.content_store import ASIDE_FOLDER, ContentLost, ContentStore, LocalStore, open_store
from crisplens.core.errors import CrisplensError, InputError, RegistryError
from crisplens.core.remote_store import BLOCK, RemoteStore, shown_url

CONTENT = b"notes"
DIGEST = digest_bytes(CONTENT)
HOSTILE = [
    "../../etc/passwd",
    "sha256:../../../etc/passwd",
    f"sha256:{'0' * 63}/",
    f"sha256:{'A' * 64}",
    f"sha256:{'0' * 65}",
    f"md5:{'0' * 64}",
    f"{DIGEST}\n",
    DIGEST.removeprefix("sha256:"),
    "",
    "/etc/passwd",
    "sha256:" + "\x00" * 64,
]


def memory_url() -> str:
    """A place in memory that no other test uses."""
    return f"memory://{uuid4().hex}/evidence"


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ContentStore:
    """Each kind of store in turn, empty."""
    return open_store("kept" if request.param == "folder" else memory_url(), tmp_path)


def overwrite(store: ContentStore, content: bytes) -> None:
    """Put `content` in the place of `DIGEST`, past all checks."""
    if isinstance(store, LocalStore):
        store.path(DIGEST).parent.mkdir(parents=True, exist_ok=True)
        store.path(DIGEST).write_bytes(content)
    else:
        assert isinstance(store, RemoteStore)
        store._files.pipe_file(store._path(content_store.content_key(DIGEST)), content)


def left_aside(store: LocalStore) -> list[str]:
    """Files that were left aside."""
    folder = store.folder / ASIDE_FOLDER
    return [path.name for path in folder.iterdir()] if folder.exists() else []


@settings(deadline=None, max_examples=40)
@given(contents=st.lists(st.binary(max_size=300), max_size=5), url=st.booleans())
def test_what_is_kept_reads_back(
    tmp_path_factory: pytest.TempPathFactory, contents: list[bytes], url: bool
) -> None:
    store = open_store(memory_url() if url else "kept", tmp_path_factory.mktemp("store"))
    for content in contents:
        assert store.keep_bytes(content) == content_store.Kept(digest_bytes(content), len(content))
    for content in contents:
        digest = digest_bytes(content)
        assert (store.read(digest), store.size(digest), store.exists(digest)) == (content, len(content), True)
        store.check(digest)
        assert b"".join(store.chunks(digest)) == content


@settings(deadline=None, max_examples=30)
@given(chunks=st.lists(st.binary(max_size=50), max_size=20), url=st.booleans())
def test_the_digest_is_that_of_the_joined_chunks(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], url: bool
) -> None:
    store = open_store(memory_url() if url else "kept", tmp_path_factory.mktemp("store"))
    joined = b"".join(chunks)
    with store.receive(chunks) as incoming:
        assert incoming.digest == f"sha256:{hashlib.sha256(joined).hexdigest()}"
        assert incoming.size == len(joined)
        assert not store.exists(incoming.digest)


@settings(deadline=None, max_examples=40)
@given(
    chunks=st.lists(st.binary(min_size=1, max_size=20), max_size=10),
    most=st.integers(0, 120),
    url=st.booleans(),
)
def test_no_more_is_taken_than_is_kept_at_most(
    tmp_path_factory: pytest.TempPathFactory, chunks: list[bytes], most: int, url: bool
) -> None:
    store = open_store(memory_url() if url else "kept", tmp_path_factory.mktemp("store"))
    joined = b"".join(chunks)
    if len(joined) <= most:
        with store.receive(chunks, most=most) as incoming:
            incoming.keep()
        assert store.read(digest_bytes(joined), most=most) == joined
    else:
        with pytest.raises(InputError) as caught, store.receive(chunks, most=most):
            pass
        assert caught.value.slug == "too-large"
        assert not store.exists(digest_bytes(joined))


@pytest.mark.parametrize("digest", HOSTILE)
def test_hostile_digests_never_leave_the_store(store: ContentStore, digest: str) -> None:
    for ask in (store.read, store.check, store.exists, store.size, store.remove):
        with pytest.raises(InputError) as caught:
            ask(digest)
        assert caught.value.slug == "bad-digest"


def test_a_file_is_kept_in_chunks(
    store: ContentStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = os.urandom(1000) * ((2 * BLOCK + 12_345) // 1000)
    file = tmp_path / "large.bin"
    file.write_bytes(content)
    kept = store.keep_file(file)
    assert (kept.digest, kept.size) == (digest_bytes(content), len(content))
    assert max(len(chunk) for chunk in store.chunks(kept.digest)) <= CHUNK
    store.check(kept.digest)
    assert store.keep_file(file) == kept


def test_memory_stays_bounded_while_a_large_file_is_kept_and_read(tmp_path: Path) -> None:
    import tracemalloc

    file = tmp_path / "large.bin"
    with file.open("wb") as opened:
        for _ in range(32):
            opened.write(os.urandom(CHUNK))
    store = LocalStore(tmp_path / "kept")
    tracemalloc.start()
    try:
        store.check(store.keep_file(file).digest)
        assert tracemalloc.get_traced_memory()[1] < 8 * CHUNK
    finally:
        tracemalloc.stop()


def test_keeping_again_writes_nothing_but_repairs_half_a_file(store: ContentStore) -> None:
    store.keep_bytes(CONTENT)
    overwrite(store, CONTENT[:2])
    with pytest.raises(ContentLost, match="not the content"):
        store.check(DIGEST)
    store.keep_bytes(CONTENT)
    assert store.read(DIGEST) == CONTENT


def test_a_folder_repairs_content_of_the_right_size_too(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.keep_bytes(CONTENT)
    written = store.path(DIGEST).stat().st_mtime_ns
    store.keep_bytes(CONTENT)
    assert store.path(DIGEST).stat().st_mtime_ns == written
    overwrite(store, b"other")
    store.keep_bytes(CONTENT)
    assert store.path(DIGEST) == tmp_path / "sha256" / DIGEST[7:9] / DIGEST[7:]
    assert store.path(DIGEST).read_bytes() == CONTENT


def test_a_remote_store_writes_nothing_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RemoteStore(memory_url())
    store.keep_bytes(CONTENT)
    uploads: list[str] = []
    monkeypatch.setattr(store, "_upload", lambda path, *rest: uploads.append(path))
    store.keep_bytes(CONTENT)
    assert uploads == []


def test_content_that_is_gone_or_changed_is_not_handed_out(store: ContentStore) -> None:
    with pytest.raises(ContentLost, match="is gone from") as caught:
        store.read(DIGEST)
    assert (caught.value.slug, "audit verify" in caught.value.hint) == ("evidence-store", True)
    for wrong in (b"other", b"longer than it was", b""):
        overwrite(store, wrong)
        for ask in (store.read, store.check):
            with pytest.raises(ContentLost, match="not the content"):
                ask(DIGEST)
    overwrite(store, CONTENT)
    with pytest.raises(ContentLost, match="not the content"):
        store.read(DIGEST, most=len(CONTENT) - 1)


def test_what_is_removed_is_gone(store: ContentStore) -> None:
    store.keep_bytes(CONTENT)
    assert [store.remove(DIGEST), store.remove(DIGEST), store.exists(DIGEST)] == [True, False, False]


def test_received_content_is_kept_only_when_that_is_said(store: ContentStore) -> None:
    with store.receive([CONTENT]) as incoming:
        assert (incoming.digest, incoming.size) == (DIGEST, len(CONTENT))
    assert not store.exists(DIGEST)
    if isinstance(store, LocalStore):
        assert left_aside(store) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EROFS])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_folder_that_cannot_be_written_is_our_error_and_keeps_no_half_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    store = LocalStore(tmp_path)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(RegistryError) as caught:
        store.keep_bytes(CONTENT)
    assert caught.value.slug == "evidence-store"
    assert os.strerror(number) in caught.value.message
    assert not store.exists(DIGEST)
    assert left_aside(store) == []


@pytest.mark.skipif(sys.platform == "win32", reason="limits of processes are POSIX's")
@pytest.mark.parametrize("location", ["kept", "memory://full/disk"])
def test_a_full_disk_is_our_error_and_leaves_nothing_aside(tmp_path: Path, location: str) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from crisplens.core.content_store import open_store
from crisplens.core.errors import RegistryError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4 << 20, 4 << 20))
try:
    open_store({location!r}, Path({str(tmp_path)!r})).keep_bytes(b"x" * (6 << 20))
except RegistryError as error:
    print(error.slug, error.message)
"""
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.startswith("evidence-store ")
    assert "File too large" in done.stdout
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert done.stderr == ""


def test_a_store_that_is_a_file_is_our_error(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file")
    store = LocalStore(tmp_path / "kept")
    with pytest.raises(RegistryError, match="cannot be written"):
        store.keep_bytes(CONTENT)
    with pytest.raises(ContentLost, match="cannot be read"):
        store.read(DIGEST)
    assert not store.exists(DIGEST)


def test_what_a_killed_process_left_aside_is_forgotten_after_a_day(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.keep_bytes(b"first")
    old, young = (tmp_path / ASIDE_FOLDER / name for name in ("old", "young"))
    for file in (old, young):
        file.write_bytes(b"half")
    os.utime(old, (time.time() - 90_000,) * 2)
    store.keep_bytes(CONTENT)
    assert left_aside(store) == ["young"]


def test_kept_files_are_as_readable_as_others(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        store = LocalStore(tmp_path)
        store.keep_bytes(CONTENT)
    finally:
        os.umask(before)
    assert store.path(DIGEST).stat().st_mode & 0o777 == 0o640


@pytest.fixture
def special(tmp_path: Path) -> Iterator[list[Path]]:
    """A folder, a pipe that nobody writes to, a device that never ends."""
    os.mkfifo(pipe := tmp_path / "pipe")
    (tmp_path / "link").symlink_to(pipe)
    return [tmp_path, pipe, tmp_path / "link", Path("/dev/zero")]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_only_regular_files_are_kept(store: ContentStore, special: list[Path]) -> None:
    for path in special:
        with pytest.raises(InputError) as caught:
            store.keep_file(path, most=1000)
        assert caught.value.slug == "not-a-file"
    with pytest.raises(InputError) as caught:
        store.keep_file(special[0] / "none")
    assert caught.value.slug == "unreadable-file"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in the file system")
def test_a_pipe_in_the_store_is_no_content_and_is_replaced(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.path(DIGEST).parent.mkdir(parents=True)
    os.mkfifo(store.path(DIGEST))
    with pytest.raises(CrisplensError):
        store.check(DIGEST)
    store.keep_bytes(CONTENT)
    assert store.read(DIGEST) == CONTENT


def test_a_file_that_grows_while_it_is_read_does_not_get_around_the_limit(
    store: ContentStore, tmp_path: Path
) -> None:
    file = tmp_path / "grows"
    file.write_bytes(b"x" * CHUNK)

    def growing() -> Iterator[bytes]:
        for chunk in content_store.file_chunks(file):
            with file.open("ab") as opened:
                opened.write(b"x" * CHUNK)
            yield chunk

    with pytest.raises(InputError) as caught, store.receive(growing(), most=5 * CHUNK, what="grows"):
        pass
    assert (caught.value.slug, "grows" in caught.value.message) == ("too-large", True)


def test_places_that_are_folders(tmp_path: Path) -> None:
    for location, folder in {
        ".crisplens/evidence": tmp_path / ".crisplens/evidence",
        "/srv/evidence": Path("/srv/evidence"),
        "file:///srv/evidence": Path("/srv/evidence"),
    }.items():
        store = open_store(location, tmp_path)
        assert isinstance(store, LocalStore)
        assert store.folder == folder


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("s3://key:SECRET@bucket/prefix", "s3://bucket/prefix"),
        ("s3://key:SEC/RET@bucket/prefix", "s3://bucket/prefix"),
        ("s3://key:SEC?RET@bucket", "s3://…"),
        ("https://host/path?token=SECRET", "https://host/path"),
        ("https://host/path?token=SEC@RET", "https://…"),
        ("https://host/path#SECRET", "https://host/path"),
        ("sftp://SECRET@host/path", "sftp://host/path"),
        ("simplecache::s3://key:SECRET@bucket", "simplecache::s3://bucket"),
        ("SEC RET://x", "…"),
    ],
)
def test_shown_locations_hold_no_secret(url: str, shown: str) -> None:
    assert shown_url(url) == shown
    assert "SEC" not in shown


@settings(max_examples=200)
@given(
    secret=st.text("abcXYZ019/+=?#:%", min_size=12, max_size=40), at=st.sampled_from(["u:{}@b/p", "{}@b/p"])
)
def test_no_secret_before_an_at_sign_is_shown(secret: str, at: str) -> None:
    assert secret not in shown_url(f"s3://{at.format(secret)}")


@pytest.mark.parametrize(
    "url",
    [
        "s3://",
        "s3:///",
        "://bucket",
        "s3://key:SECRET@bucket/prefix",
        "S3://key:SECRET@bucket/prefix",
        "gs://SECRET@bucket",
        "s3://bucket?token=SECRET",
        "s3://bucket#SECRET",
        "s3://bucket/\x1b[31m",
    ],
)
def test_urls_that_no_store_has_are_refused_without_their_secrets(url: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryError) as caught:
        open_store(url, tmp_path)
    assert caught.value.slug == "evidence-store"
    assert "SECRET" not in f"{caught.value.message}{caught.value.hint}"


def test_an_unknown_kind_of_store_is_our_error(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no kind of store is named s4"):
        open_store("s4://bucket", tmp_path).keep_bytes(CONTENT)


@pytest.mark.parametrize(
    ("url", "missing", "extra"),
    [("memory://x", "fsspec.core", "crisplens[store]"), ("s3://bucket", "s3fs", "crisplens[s3]")],
)
def test_a_missing_library_is_named_with_its_extra(
    url: str, missing: str, extra: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = importlib.import_module("fsspec.registry")
    monkeypatch.delitem(known._registry, "s3", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    store = open_store(url, tmp_path)
    with pytest.raises(RegistryError) as caught:
        store.keep_bytes(CONTENT)
    assert (caught.value.slug, extra in caught.value.hint) == ("library-missing", True)


class Failing(Exception):
    """Stands for the errors of libraries that are not imported."""


def failure(name: str, *bases: type[Exception], message: str = "hushed") -> Exception:
    """An error whose class has that name."""
    made: Exception = type(name, bases or (Failing,), {})(message)
    return made


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (failure("NoCredentialsError"), "no credentials"),
        (failure("EndpointConnectionError", type("ConnectionError", (Failing,), {})), "cannot be reached"),
        (PermissionError("hushed"), "permission denied"),
        (TimeoutError("hushed"), "cannot be reached"),
        (NotImplementedError(), "can only be read"),
        (OSError(errno.ENOSPC, "hushed"), "No space left"),
        (ValueError("hushed"), "ValueError"),
    ],
)
def test_whatever_a_file_system_raises_is_our_error_without_its_words(
    error: Exception, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RemoteStore(memory_url())

    def fail(*_: Any, **__: Any) -> None:
        raise error

    for call in ("info", "pipe_file", "open"):
        monkeypatch.setattr(store._files, call, fail)
    for ask in (lambda: store.keep_bytes(CONTENT), lambda: store.read(DIGEST), lambda: store.remove(DIGEST)):
        with pytest.raises(RegistryError) as caught:
            ask()
        assert caught.value.slug == "evidence-store"
        assert not isinstance(caught.value, ContentLost)
        assert reason in caught.value.message
        assert "hushed" not in f"{caught.value.message}{caught.value.hint}"


def test_a_store_that_loses_what_is_written_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    store = RemoteStore(memory_url())
    monkeypatch.setattr(store, "_upload", lambda *_: None)
    with pytest.raises(RegistryError, match="did not keep"):
        store.keep_bytes(CONTENT)


def test_folders_are_made_where_a_file_system_needs_them(tmp_path: Path) -> None:
    store = RemoteStore(f"local://{tmp_path / 'a' / 'b'}")
    store.keep_bytes(CONTENT)
    assert store.read(DIGEST) == CONTENT
    assert (tmp_path / "a" / "b" / content_store.content_key(DIGEST)).is_file()


def test_a_local_store_loads_no_fsspec() -> None:
    code = (
        "import sys; from pathlib import Path; from crisplens.core.content_store import open_store;"
        "open_store('kept', Path()); print('fsspec' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
