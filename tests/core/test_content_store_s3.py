"""Evidence in S3: the store and whole commands against a server that speaks S3's protocol on loopback."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from crisplens.core.canonical import digest_bytes
from crisplens.core.content_store import ContentLost, content_key, open_store
from crisplens.core.errors import RegistryError
from crisplens.core.remote_store import BLOCK, RemoteStore

CONTENT = b"notes"
DIGEST = digest_bytes(CONTENT)
KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI"


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """The address of an S3 server on a free port of this machine."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture
def credentials(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """An environment as a team member has it: endpoint, region and keys. Returns the endpoint."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "FSSPEC_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "AWS_ENDPOINT_URL": s3_endpoint,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    forget_clients()
    return s3_endpoint


def forget_clients() -> None:
    """Let the next store read the environment anew."""
    importlib.import_module("s3fs").S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(credentials: str) -> str:
    """The URL of a prefix in a bucket of its own."""
    name = f"evidence-{uuid4().hex}"
    urllib.request.urlopen(urllib.request.Request(f"{credentials}/{name}", method="PUT")).close()
    return f"s3://{name}/team"


def objects(url: str) -> dict[str, int]:
    """What is really in the bucket, asked without the store: keys and sizes."""
    import boto3

    client = boto3.client("s3")
    found = client.list_objects_v2(Bucket=url.split("/")[2]).get("Contents", [])
    client.close()
    return {one["Key"]: one["Size"] for one in found}


def unfinished_uploads(url: str) -> list[Any]:
    """Multipart uploads that were begun and neither completed nor aborted."""
    import boto3

    client = boto3.client("s3")
    found = client.list_multipart_uploads(Bucket=url.split("/")[2]).get("Uploads", [])
    client.close()
    return list(found)


def test_keeps_reads_and_removes(bucket: str, tmp_path: Path) -> None:
    store = open_store(bucket, tmp_path)
    assert not store.exists(DIGEST)
    store.keep_bytes(CONTENT)
    assert objects(bucket) == {f"team/{content_key(DIGEST)}": len(CONTENT)}
    assert store.read(DIGEST) == CONTENT
    assert open_store(f"{bucket}/", tmp_path).size(DIGEST) == len(CONTENT)
    assert [store.remove(DIGEST), store.remove(DIGEST)] == [True, False]
    assert objects(bucket) == {}
    with pytest.raises(ContentLost, match="is gone from s3://"):
        store.read(DIGEST)


def test_a_large_file_goes_up_in_parts(bucket: str, tmp_path: Path) -> None:
    file = tmp_path / "large.bin"
    file.write_bytes(os.urandom(2 * BLOCK + 12_345))
    store = open_store(bucket, tmp_path)
    kept = store.keep_file(file)
    assert objects(bucket) == {f"team/{content_key(kept.digest)}": kept.size}
    store.check(kept.digest)


def test_an_interrupted_upload_leaves_nothing(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs.core

    written: list[int] = []
    send = s3fs.core.S3File._upload_chunk

    def interrupt(self: Any, final: bool = False) -> Any:
        if written:
            raise KeyboardInterrupt
        written.append(1)
        return send(self, final)

    store = open_store(bucket, tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(s3fs.core.S3File, "_upload_chunk", interrupt)
        with pytest.raises(KeyboardInterrupt):
            store.keep_bytes(b"x" * (3 * BLOCK))
    assert (objects(bucket), unfinished_uploads(bucket)) == ({}, [])


def test_half_an_object_is_repaired_by_keeping_it_again(bucket: str, tmp_path: Path) -> None:
    store = RemoteStore(bucket)
    store._files.pipe_file(store._path(content_key(DIGEST)), CONTENT[:2])
    with pytest.raises(ContentLost, match="not the content"):
        store.check(DIGEST)
    store.keep_bytes(CONTENT)
    assert store.read(DIGEST) == CONTENT


def refusals(url: str) -> Iterator[RegistryError]:
    """What keeping, reading, looking and removing raise."""
    store = open_store(url, Path())
    for ask in (
        lambda: store.keep_bytes(CONTENT),
        lambda: store.read(DIGEST),
        lambda: store.exists(DIGEST),
        lambda: store.remove(DIGEST),
    ):
        with pytest.raises(RegistryError) as caught:
            ask()
        assert caught.value.slug == "evidence-store"
        assert not isinstance(caught.value, ContentLost)
        said = f"{caught.value.message}\n{caught.value.hint}"
        assert (KEY in said, SECRET in said) == (False, False)
        yield caught.value


@pytest.mark.usefixtures("credentials")
def test_a_missing_bucket_is_said_to_be_missing_and_is_not_made(credentials: str) -> None:
    for error in refusals("s3://nobody-made-this/team"):
        assert "no such bucket" in error.message
    assert not any("nobody" in name for name in buckets())


def buckets() -> list[str]:
    """Every bucket of the server."""
    import boto3

    client = boto3.client("s3")
    found = client.list_buckets()["Buckets"]
    client.close()
    return [one["Name"] for one in found]


def test_missing_credentials_are_said_to_be_missing(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    forget_clients()
    for error in refusals(bucket):
        assert "no credentials" in error.message
        assert "AWS_ACCESS_KEY_ID" in error.hint


def test_credentials_that_may_not_are_said_so(bucket: str, credentials: str) -> None:
    def enforce(count: str) -> None:
        asked = urllib.request.Request(
            f"{credentials}/moto-api/reset-auth", data=count.encode(), headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(asked).close()

    enforce("0")
    try:
        for error in refusals(bucket):
            assert "permission denied" in error.message
    finally:
        enforce("inf")


@pytest.mark.slow
def test_a_server_that_is_down_is_said_not_to_be_reached(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    forget_clients()
    error = next(refusals(bucket))
    assert "cannot be reached" in error.message


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(bucket: str, tmp_path: Path) -> Run:
    """Runs the command line as a process, in a folder whose configuration names the bucket."""

    def run(*args: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "crisplens", *args],
            cwd=tmp_path,
            env={**os.environ, "CRISPLENS_ACTOR": "ana@example.org", **environment},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == code, (args, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        assert SECRET not in f"{done.stdout}{done.stderr}"
        return done

    run("init")
    configuration = tmp_path / "crisplens.toml"
    text = configuration.read_text("utf-8").replace(".crisplens/evidence", bucket)
    configuration.write_text(text, "utf-8")
    (tmp_path / "notes.md").write_bytes(CONTENT)
    run("project", "add", "churn")
    return run


@pytest.mark.end_to_end
@pytest.mark.slow
def test_a_team_keeps_its_evidence_in_a_bucket(run: Run, bucket: str, tmp_path: Path) -> None:
    assert DIGEST in run("evidence", "add", "notes.md").stdout
    (tmp_path / "review.md").write_text("Reviewed")
    run("checkpoint", "record", "business-goal", "--summary", "Read.", "--evidence", "review.md")
    assert len(objects(bucket)) == 2
    assert not (tmp_path / ".crisplens" / "evidence").exists()
    assert "2 files against their digests" in run("audit", "verify").stdout
    assert run("evidence", "get", "notes.md").stdout == CONTENT.decode()

    run("evidence", "redact", DIGEST[7:19], "--reason", "it names a customer")
    assert len(objects(bucket)) == 1
    verified = run("audit", "verify").stdout
    assert "2 files against their digests, 1 redacted" in verified
    assert "redacted by ana@example.org on " in verified
    assert run("evidence", "add", "notes.md", code=1).stderr.startswith("Error [redacted]")

    copied = json.loads(run("evidence", "copy", "elsewhere", "--json").stdout)
    assert (copied["copied"], copied["present"], copied["redacted"]) == (1, 0, 1)
    assert "ok  evidence" in run("audit", "verify", CRISPLENS_EVIDENCE="elsewhere").stdout


@pytest.mark.end_to_end
@pytest.mark.slow
def test_nothing_is_recorded_when_the_bucket_cannot_be_used(run: Run, tmp_path: Path) -> None:
    head = run("audit", "head").stdout
    for environment in (
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        {"CRISPLENS_EVIDENCE": "s3://nobody-made-this/team"},
        {"CRISPLENS_EVIDENCE": f"s3://{KEY}:{SECRET}@bucket/team"},
    ):
        done = run("evidence", "add", "notes.md", code=3, **environment)
        assert done.stderr.startswith("Error [evidence-store]")
        assert "Nothing was changed." in done.stderr
    assert run("audit", "head").stdout == head
