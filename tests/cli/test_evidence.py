"""`crisplens evidence`: content handed out, forgotten and moved, in the words of the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from crisplens.core.canonical import digest_bytes

pytestmark = pytest.mark.end_to_end

CONTENT = b"notes.md"
DIGEST = digest_bytes(CONTENT)


@pytest.mark.usefixtures("story", "unchanged")
def test_get_hands_out_every_byte_and_no_more(run, process) -> None:
    assert process("evidence", "get", "notes.md").out == CONTENT.decode()
    ran = run("evidence", "get", DIGEST[7:15], "--output", "got.md")
    assert (ran.code, ran.err) == (0, "")
    assert DIGEST in ran.out
    assert Path("got.md").read_bytes() == CONTENT

    ran = run("evidence", "get", "notes.md", "--output", "got.md")
    assert (ran.code, ran.out, "[exists]" in ran.err) == (2, "", True)
    ran = run("evidence", "get", "notes.md", "--output", "got.md", "--force", "--json")
    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out)["evidence"]["digest"] == DIGEST


@pytest.mark.usefixtures("story", "unchanged")
@pytest.mark.parametrize(
    ("line", "code", "slug"),
    [
        ("evidence get nowhere.md", 2, "unknown-name"),
        ("evidence get ../../../etc/passwd", 2, "unknown-name"),
        ("evidence get notes.md --json", 2, "bad-choice"),
        ("evidence get notes.md --output no/such/folder", 2, "unwritable"),
        ("evidence get notes.md --output live", 2, "unwritable"),
        ("evidence show 00000000", 2, "unknown-name"),
        ("evidence redact nowhere.md --reason why", 2, "unknown-name"),
        ("evidence copy s3://key:hushed@bucket", 3, "evidence-store"),
        ("evidence copy s4://bucket", 3, "evidence-store"),
        ("evidence copy notes.md", 3, "evidence-store"),
    ],
)
def test_refusals(run, line: str, code: int, slug: str) -> None:
    ran = run(*line.split())
    assert (ran.code, ran.out) == (code, ""), ran
    assert f"[{slug}]" in ran.err
    assert "hushed" not in ran.err
    assert "Nothing was changed." in ran.err


@pytest.mark.usefixtures("story")
def test_redaction_is_told_everywhere(run) -> None:
    assert run("evidence", "redact", "notes.md").code == 2
    ran = run(
        "evidence", "redact", "notes.md", "--reason", "it names a customer", "--actor", "bo@example.org"
    )
    assert (ran.code, ran.err) == (0, "")
    assert f"notes.md was redacted in 1 project, and its content is removed: {DIGEST}" in ran.out

    verified = run("audit", "verify")
    assert verified.code == 0
    assert ", 1 redacted" in verified.out
    assert "redacted by bo@example.org on" in verified.out
    assert "it names a customer" in verified.out
    assert "redacted" in run("evidence", "list").out
    assert "redacted by bo@example.org" in run("evidence", "show", "notes.md").out
    assert json.loads(run("evidence", "show", "notes.md", "--json").out)["redacted_by"] == "bo@example.org"

    for line in ("evidence get notes.md", "evidence add notes.md", "evidence redact notes.md --reason again"):
        ran = run(*line.split())
        assert (ran.code, ran.out, "[redacted]" in ran.err) == (1, "", True), ran
        assert "it names a customer" in ran.err


@pytest.mark.usefixtures("story")
@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="folders' permissions are POSIX's")
def test_a_redaction_whose_content_stays_does_not_say_that_nothing_was_changed(run) -> None:
    folder = Path(".crisplens/evidence/sha256") / DIGEST[7:9]
    file = folder / DIGEST[7:]
    file.unlink()
    file.mkdir()
    ran = run("evidence", "redact", "notes.md", "--reason", "why")
    assert (ran.code, "the redaction is recorded" in ran.err) == (3, True), ran
    assert "Nothing was changed." not in ran.err
    assert run("audit", "verify").code == 1
    file.rmdir()
    assert run("audit", "verify").code == 0


@pytest.mark.usefixtures("story")
def test_a_registry_moves_to_another_folder(run, monkeypatch: pytest.MonkeyPatch) -> None:
    ran = run("evidence", "copy", "team")
    assert (ran.code, ran.err) == (0, "")
    assert "0 there before" in ran.out
    done = json.loads(run("evidence", "copy", "team", "--json").out)
    assert (done["copied"], done["present"] > 1) == (0, True)
    monkeypatch.setenv("CRISPLENS_EVIDENCE", "team")
    assert run("audit", "verify").code == 0


@pytest.mark.usefixtures("story")
def test_local_evidence_loads_no_fsspec(process) -> None:
    ran = process("evidence", "add", "model.bin", PYTHONPROFILEIMPORTTIME="1")
    assert ran.code == 0
    assert "content_store" in ran.err
    assert "fsspec" not in ran.err
