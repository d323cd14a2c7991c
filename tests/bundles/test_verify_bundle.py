"""The independent verifier: run where crisplens is not, and attacked through the zip file."""

from __future__ import annotations

import ast
import hashlib
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.bundles import verify_bundle
from tests.bundles.verifying import assert_same_verdicts, passed, verdicts_on
from tests.conftest import Files

pytestmark = pytest.mark.stored
VERIFIER = Path(verify_bundle.__file__)
Members = dict[str, bytes]

# Runs the verifier as if `cryptography` were not installed.
WITHOUT = """
import runpy, sys
sys.modules["cryptography"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.fixture(scope="module")
def bundle(told: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundle of the whole story."""
    from tests.conftest import opened

    file = tmp_path_factory.mktemp("bundle") / "bundle.zip"
    with opened(told.url, told.folder) as registry:
        registry.audit.export(file)
    return file


def members(file: Path) -> Members:
    """A bundle's members."""
    with zipfile.ZipFile(file) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def write(file: Path, inside: Members, *, relisted: bool = False) -> Path:
    """A bundle of these members; `relisted` with a manifest that fits them."""
    if relisted:
        manifest = json.loads(inside["manifest.json"])
        manifest["files"] = {
            name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
            for name, content in inside.items()
            if not name.startswith("manifest.")
        }
        inside = {**inside, "manifest.json": json.dumps(manifest).encode()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in inside.items():
            opened.writestr(name, content)
    return file


def failing(file: Path, **options: Any) -> set[str]:
    """The verdicts that fail."""
    return {one.name for one in verdicts_on(file, **options).values() if one.passed is False}


def run(folder: Path, *arguments: str, without: bool = False) -> subprocess.CompletedProcess[str]:
    """The verifier as a process in an empty folder, by a Python that ignores its surroundings."""
    shutil.copy(VERIFIER, folder / "verify_bundle.py")
    program = ["-c", WITHOUT] if without else []
    command = [sys.executable, "-I", *program, "verify_bundle.py", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_it_imports_the_standard_library_and_cryptography_only() -> None:
    tree = ast.parse(VERIFIER.read_text(encoding="utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    roots = {name.partition(".")[0] for name in imported}
    assert roots - set(sys.stdlib_module_names) == {"cryptography"}


@pytest.mark.end_to_end
def test_it_verifies_where_crisplens_is_not(bundle: Path, tmp_path: Path) -> None:
    done = run(tmp_path, str(bundle))
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[:2] for line in done.stdout.splitlines() if line[0] != " "] == [
        "ok",
        "ok",
        "--",
        "ok",
        "ok",
        "Tr",
    ]


@pytest.mark.end_to_end
def test_without_cryptography_signatures_are_said_to_be_unchecked(bundle: Path, tmp_path: Path) -> None:
    done = run(tmp_path, str(bundle), without=True)
    assert done.returncode == 0
    assert "--  signatures  not checked: install the library `cryptography`" in done.stdout
    assert run(tmp_path, str(bundle), "--require-signatures", without=True).returncode == 1


@pytest.mark.end_to_end
def test_json_says_the_same(bundle: Path, tmp_path: Path) -> None:
    said = json.loads(run(tmp_path, str(bundle), "--json").stdout)
    assert said["passed"] is True
    assert [one["name"] for one in said["verdicts"]] == [
        "files", "integrity", "projection", "evidence", "signatures",
    ]  # fmt: skip


@pytest.mark.end_to_end
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"PK\3\4" + bytes(200), b"c2sp.org/tlog-proof@v1\n", b"\xff" * 99]
)
def test_what_is_no_bundle_exits_2_without_a_traceback(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    done = run(tmp_path, "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("This cannot be checked")
    assert "Traceback" not in done.stderr


def test_it_says_of_the_story_what_the_registry_says(story: Registry, tmp_path: Path) -> None:
    head = tmp_path / "head.txt"
    head.write_text(story.audit.sign_head())
    story.kpi.set("later", target=1)
    key = next(one.public_key for one in story.key.list() if one.purpose == "log")
    verification = story.audit.verify(against=[head], keys=[key])
    assert verification.passed
    assert_same_verdicts(story, verification, tmp_path / "b.zip", keys=[key], against=[str(head)])


def test_a_proof_is_checked_too(story: Registry, tmp_path: Path) -> None:
    proof, key = story.audit.prove("approval-2"), story.signer.key
    file = tmp_path / "one.tlog-proof"
    file.write_text(str(proof))
    assert passed(file, keys=[str(key)], required=True)
    file.write_text(str(proof).replace(f"index {proof.index}", f"index {proof.index + 1}"))
    assert failing(file, keys=[str(key)]) == {"integrity"}


def test_each_changed_removed_or_added_member_is_found(bundle: Path, tmp_path: Path) -> None:
    inside = members(bundle)
    for name in inside:
        changed = {**inside, name: inside[name][:-2] + b"xx"}
        assert not passed(write(tmp_path / "x.zip", changed)), name
        less = {other: content for other, content in inside.items() if other != name}
        if name != "manifest.note":
            assert not passed(write(tmp_path / "x.zip", less)), name
    assert failing(write(tmp_path / "x.zip", {**inside, "more.txt": b"x"})) == {"files"}
    unsigned = {name: content for name, content in inside.items() if name != "manifest.note"}
    assert not passed(write(tmp_path / "x.zip", unsigned), required=True)


def lines_changed(change: Callable[[list[bytes]], None]) -> Callable[[Members], None]:
    """A change to the lines of events.jsonl."""

    def apply(inside: Members) -> None:
        lines = inside["events.jsonl"].splitlines()
        change(lines)
        inside["events.jsonl"] = b"".join(line + b"\n" for line in lines)

    return apply


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (lines_changed(lambda lines: lines.__delitem__(5)), "integrity"),
        (lines_changed(lambda lines: lines.__delitem__(-1)), "integrity"),
        (lines_changed(lambda lines: lines.insert(5, lines[5])), "integrity"),
        (lines_changed(lambda lines: lines.reverse()), "integrity"),
        (lines_changed(lambda lines: lines.__setitem__(3, lines[3].replace(b"ana@", b"eva@"))), "integrity"),
        (lines_changed(lambda lines: lines.__setitem__(3, lines[3].replace(b'"seq":', b'"seq": '))), "integrity"),
        (lines_changed(lambda lines: lines.__setitem__(3, b"{}")), "integrity"),
        (lines_changed(lambda lines: lines.__setitem__(3, b"not json")), "integrity"),
        (lines_changed(lambda lines: lines.__setitem__(3, b"[" * 100_000)), "integrity"),
        (lambda inside: inside.update({"tree.jsonl": b'{"level":0,"index":0,"hash":"00"}\n'}), "integrity"),
        (lambda inside: inside.update({"evidence/sha256/aa/" + "a" * 64: b"x"}), "evidence"),
        (lambda inside: inside.update({"head.txt": inside["head.txt"].replace(b"\n\n", b"\n") + b"\n"}), "signatures"),
    ],
)  # fmt: skip
def test_a_change_that_the_manifest_hides_is_found(
    bundle: Path, tmp_path: Path, change: Callable[[Members], None], verdict: str
) -> None:
    inside = members(bundle)
    change(inside)
    file = write(tmp_path / "x.zip", inside, relisted=True)
    assert not passed(file, required=True)
    if verdict != "signatures":
        assert verdict in failing(file)


def test_evidence_that_was_changed_or_left_out_is_found(bundle: Path, tmp_path: Path) -> None:
    inside = members(bundle)
    name = next(name for name in inside if name.startswith("evidence/"))
    assert "evidence" in failing(write(tmp_path / "x.zip", {**inside, name: b"other"}, relisted=True))
    del inside[name]
    assert "evidence" in failing(write(tmp_path / "x.zip", inside, relisted=True))


def test_a_rewritten_log_is_found_by_what_was_kept(registry: Registry, files: Files, tmp_path: Path) -> None:
    registry.key.generate("example.org/log")
    for number in range(9):
        registry.kpi.set("auc", target=number)
    kept = tmp_path / "kept.zip"
    registry.audit.export(kept)
    assert passed(kept, against=[str(kept)])
    inside = members(kept)
    lines = inside["events.jsonl"].splitlines()
    lines[6] = lines[6].replace(b'"target":"', b'"target":"9')
    pieces = [
        verify_bundle.Piece(number, 0, verify_bundle.leaf_hash(line)) for number, line in enumerate(lines)
    ]
    import base64

    root = base64.b64encode(verify_bundle.root_of(pieces, len(lines))).decode()
    inside["events.jsonl"] = b"".join(line + b"\n" for line in lines)
    inside["head.txt"] = f"crisplens\n{len(lines)}\n{root}\n".encode()
    forged = write(tmp_path / "forged.zip", inside, relisted=True)
    assert failing(forged) == {"files"}, "the manifest's note is of another manifest"
    del inside["manifest.note"]
    forged = write(tmp_path / "forged.zip", inside, relisted=True)
    assert failing(forged) == set(), "nobody signed it, and nothing was kept to compare it with"
    verdict = verdicts_on(forged, against=[str(kept)])["consistency"]
    assert [one["where"] for one in verdict.findings] == ["event 6"]
    assert failing(forged, required=True) == {"signatures"}


def test_a_zip_bomb_is_left_alone(bundle: Path, tmp_path: Path) -> None:
    inside = members(bundle)
    for name in ("manifest.json", "head.txt", "events.jsonl", "report.html"):
        bomb = {**inside, name: bytes(80 << 20)}
        assert not passed(write(tmp_path / "x.zip", bomb)), name


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_flipped_byte_passes(bundle: Path, tmp_path: Path, data: st.DataObject) -> None:
    inside = members(bundle)
    name = data.draw(st.sampled_from(sorted(one for one in inside if inside[one])))
    at = data.draw(st.integers(0, len(inside[name]) - 1))
    flip = data.draw(st.integers(1, 255))
    content = inside[name]
    inside[name] = content[:at] + bytes([content[at] ^ flip]) + content[at + 1 :]
    file = write(tmp_path / "x.zip", inside)
    assert not passed(file), (name, at, flip)
