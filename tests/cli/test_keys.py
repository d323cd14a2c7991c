"""Keys, signed heads, proofs and signed approvals on the command line: wrong inputs first, then the whole way."""

from __future__ import annotations

import base64
import json
import shlex
import shutil
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Ran, Run, ledger_head
from tests.conftest import SshPerson
from tests.core.test_ssh import made, verified

pytestmark = pytest.mark.end_to_end

BO = SshPerson("bo@example.org")
NAME = "example.org/churn"
KEY = Path(".crisplens/signing.key")
with_openssh = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="OpenSSH is not installed here")


@pytest.fixture
def keyed(story: Path, run: Run) -> Path:
    """The story, with a log key and Bo's key, and a new checkpoint that waits for approval."""
    Path("bo.pub").write_text(f"{BO.public}\n", encoding="utf-8")
    for line in (
        f"key generate {NAME}",
        "key trust bo.pub --for bo@example.org",
        "checkpoint record evaluation --summary again",
    ):
        ran = run(*shlex.split(line))
        assert ran.code == 0, ran
    return story


def secret() -> str:
    """The private key's own part of its file: `PRIVATE+KEY+name+hash+` stands before it."""
    return KEY.read_text(encoding="utf-8").strip().split("+", 4)[4]


def public_key(run: Run) -> str:
    """The log's verifier key, as it is listed."""
    listed = json.loads(run("key", "list", "--json").out)
    return str(next(one["public_key"] for one in listed if one["purpose"] == "log"))


def signature_file(run: Run, line: str, *, namespace: str = "crisplens-approval", by: SshPerson = BO) -> str:
    """A file with the signature of what `approval statement` prints."""
    ran = run(*shlex.split(line))
    assert ran.code == 0, ran
    Path("made.sig").write_text(by.sign(ran.out.encode(), namespace=namespace), encoding="utf-8")
    return "made.sig"


def assert_error(ran: Ran, code: int, slug: str, *words: str) -> None:
    """One clear error, without a traceback, after which nothing was changed."""
    assert ran.code == code, ran
    assert ran.err.startswith(f"Error [{slug}]: "), ran
    assert [word for word in words if word not in ran.err] == [], ran
    assert ran.err.endswith("Nothing was changed.\n")
    assert (ran.out, "Traceback" in ran.err) == ("", False)


STATE = "approval statement evaluation --actor bo@example.org"
GRANT = "approval grant evaluation --actor bo@example.org"
WITHOUT_KEY = [
    ("key generate ''", 2, "bad-name", "cannot name a key"),
    ("key generate 'a b'", 2, "bad-name", "example.org/registry"),
    ("key generate a+b", 2, "bad-name", "no plus sign"),
    ("key generate x --key-file train.csv", 2, "exists", "never overwritten"),
    ("key generate x --key-file live", 2, "exists", "live"),
    ("key generate x --key-file train.csv/key", 2, "unwritable", "cannot write"),
    ("key generate x --key-file ''", 2, "empty-text", "--key-file"),
    ("key generate x --actor ''", 2, "empty-text", "--actor"),
    ("key trust nothing --for bo", 2, "bad-key", "no key to trust"),
    ("key trust missing.pub --for bo", 2, "bad-key", "no key to trust"),
    ("key trust notes.md --for bo", 2, "bad-key", "no key to trust"),
    ("key trust bo.pub", 2, "bad-key", "say whose"),
    ("key trust bo.pub --for bo", 2, "no-signing-key", "crisplens key generate NAME"),
    ("key revoke SHA256 --reason x", 2, "unknown-name", "no active key named 'SHA256'"),
    ("audit head --sign", 2, "no-signing-key", "CRISPLENS_SIGNING_KEY"),
    ("audit head --sign --output nowhere/head", 2, "unwritable", "no folder nowhere"),
    ("audit prove 0", 2, "no-signing-key", "crisplens key generate NAME"),
    ("audit prove 0 --head notes.md", 2, "bad-head", "no signed tree head"),
    ("audit prove 0 --head missing", 2, "unreadable-file", "missing"),
    ("audit verify --against notes.md", 2, "bad-head", "notes.md holds no tree head"),
    ("audit verify --against missing", 2, "unreadable-file", "missing"),
    ("audit verify --against live", 2, "not-a-file", "live"),
    ("audit verify --against model.bin --against notes.md", 2, "bad-head", "model.bin"),
    ("audit verify --key nothing", 2, "bad-key", "no verifier key"),
    ("audit check-proof notes.md --key nothing", 2, "bad-key", "no verifier key"),
    ("gate demand nothing required --reason x", 2, "unknown-name", "no phase named 'nothing'"),
    ("gate demand evaluation maybe --reason x", 2, "bad-choice", "required, optional"),
    ("gate demand evaluation optional --reason x", 2, "not-open", "optional already"),
    ("gate demand evaluation required --reason ' '", 2, "empty-text", "reason"),
    ("approval statement evaluation --decision maybe", 2, "bad-choice", "approved, rejected"),
    ("approval statement deployment", 2, "nothing-to-approve", "deployment"),
    ("approval show approval-9", 2, "unknown-name", "approval-1"),
    ("approval show approval-1 --message-to x", 2, "not-signed", "approval list"),
]
KEYED = [
    ("key generate x", 2, "exists", "never overwritten"),
    ("key trust bo.pub --for ana@example.org", 2, "exists", "is bo@example.org's already"),
    ("key trust bo.pub --for 'a\nb'", 2, "bad-actor", "not usable"),
    ("key revoke nothing --reason x", 2, "unknown-name", "SHA256:"),
    ("key revoke '' --reason x", 2, "unknown-name", "''"),
    ("key revoke example.org --reason ''", 2, "empty-text", "--reason"),
    ("audit prove 99", 2, "unknown-name", "has no event 99"),
    ("audit prove checkpoint-9", 2, "unknown-name", "checkpoint-2"),
    (f"{GRANT} --sign bo.pub --signature bo.pub", 2, "bad-choice", "exclude each other"),
    (f"{GRANT} --sign missing", 2, "bad-key", "there is no key file missing"),
    (f"{GRANT} --signature missing", 2, "unreadable-file", "missing"),
    (f"{GRANT} --signature notes.md", 1, "bad-signature", "no SSH signature"),
    (f"{GRANT} --signature live", 2, "not-a-file", "live"),
]


@pytest.mark.usefixtures("story")
@pytest.mark.parametrize(("line", "code", "slug", "words"), WITHOUT_KEY)
def test_wrong_inputs_where_there_is_no_key(run: Run, line: str, code: int, slug: str, words: str) -> None:
    Path("bo.pub").write_text(f"{BO.public}\n", encoding="utf-8")
    before = ledger_head()
    assert_error(run(*shlex.split(line)), code, slug, words)
    assert ledger_head() == before
    assert not KEY.exists()


@pytest.mark.usefixtures("keyed")
@pytest.mark.parametrize(("line", "code", "slug", "words"), KEYED)
def test_wrong_inputs_where_there_are_keys(run: Run, line: str, code: int, slug: str, words: str) -> None:
    before = ledger_head()
    ran = run(*shlex.split(line))
    assert_error(ran, code, slug, words)
    assert ledger_head() == before
    assert secret() not in ran.err


USAGE = [
    ("key", "Usage: crisplens key"),
    ("key trust", "Missing argument 'KEY'"),
    ("key revoke x", "Missing option '--reason'"),
    ("key generate", "Missing argument 'NAME'"),
    ("gate demand evaluation required", "Missing option '--reason'"),
    ("gate demand evaluation", "Missing argument 'SIGNATURES'"),
    ("audit check-proof x", "Missing option '--key'"),
    ("audit prove", "Missing argument 'THING'"),
]


@pytest.mark.usefixtures("story", "unchanged")
@pytest.mark.parametrize(("line", "words"), USAGE)
def test_usage_errors(run: Run, line: str, words: str) -> None:
    ran = run(*shlex.split(line))
    assert (ran.code, ran.out, "Traceback" in ran.err) == (2, "", False)
    assert words in ran.err


@pytest.mark.usefixtures("keyed")
@pytest.mark.parametrize(
    "key",
    [
        "n" * 300,
        "~nobody-here/id.pub",
        "\u00e4",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
    ],
)
def test_no_text_that_is_no_key_is_a_defect(run: Run, key: str) -> None:
    assert_error(run("key", "trust", "--for", "cy", "--", key), 2, "bad-key", "no key to trust")


@pytest.mark.usefixtures("keyed")
def test_a_key_from_the_environment_that_is_no_utf_8_is_not_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = KEY.read_text(encoding="utf-8").strip()
    monkeypatch.setenv("CRISPLENS_SIGNING_KEY", text.replace(NAME, "log") + "\udcff")
    ran = run("audit", "head", "--sign")
    assert_error(ran, 2, "not-utf8")
    assert secret()[:12] not in ran.err


@pytest.mark.usefixtures("keyed")
@pytest.mark.parametrize(
    ("namespace", "by", "words"),
    [
        ("file", BO, "was made for 'file'"),
        ("crisplens-approval", SshPerson("mallory"), "is no trusted key"),
    ],
)
def test_wrong_signatures(run: Run, namespace: str, by: SshPerson, words: str) -> None:
    before = ledger_head()
    file = signature_file(run, STATE, namespace=namespace, by=by)
    assert_error(run(*shlex.split(GRANT), "--signature", file), 1, "bad-signature", words)
    assert_error(run(*shlex.split(GRANT), "--reason", "x", "--signature", file), 1, "bad-signature")
    assert ledger_head() == before


@pytest.mark.usefixtures("keyed")
@pytest.mark.parametrize("mode", [0o644, 0o660])
def test_a_key_that_others_may_read_is_not_used(run: Run, mode: int) -> None:
    KEY.chmod(mode)
    for line in ("audit head --sign", "key generate x --key-file new.key", "key revoke SHA256 --reason x"):
        assert_error(run(*shlex.split(line)), 2, "open-key", "chmod 600")
    assert not Path("new.key").exists()


@pytest.mark.usefixtures("keyed")
@pytest.mark.parametrize("around", ["{}", '"{}"', " {}", "{}x", "export K={}", "private{}"])
@pytest.mark.parametrize(
    "line", ["audit head --sign", "key trust 'ssh-ed25519 AAAA' --for x", "key generate x"]
)
def test_a_key_from_the_environment_is_never_shown(
    run: Run, monkeypatch: pytest.MonkeyPatch, around: str, line: str
) -> None:
    text = KEY.read_text(encoding="utf-8").strip()
    monkeypatch.setenv("CRISPLENS_SIGNING_KEY", around.format(text))
    for debug in ([], ["--debug"]):
        try:
            ran = run(*shlex.split(line), *debug)
            said = ran.out + ran.err
        except Exception as error:
            said = repr(error)
        assert secret()[:12] not in said
        assert secret()[-12:] not in said
    assert not [file for file in Path.cwd().rglob("*") if "PRIVATE" in file.name]


def test_a_key_in_the_configuration_is_refused_and_not_shown(run: Run, keyed: Path) -> None:
    text = KEY.read_text(encoding="utf-8").strip()
    configuration = Path("crisplens.toml")
    written = configuration.read_text(encoding="utf-8")
    configuration.write_text(f"signing_key = {json.dumps(text)}\n{written}", encoding="utf-8")
    ran = run("audit", "head")
    assert_error(ran, 2, "bad-configuration", "holds a private key")
    assert secret()[:12] not in ran.err


def shown_by(run: Run) -> Callable[..., Ran]:
    """Runs a line that must pass, and whose output must not hold the secret."""

    def passing(line: str, code: int = 0) -> Ran:
        ran = run(*shlex.split(line))
        assert ran.code == code, (line, ran)
        if KEY.exists():
            assert secret()[:12] not in ran.out + ran.err
        return ran

    return passing


def test_the_whole_way_of_keys_heads_and_proofs(run: Run, story: Path) -> None:
    do = shown_by(run)
    made_key = do(f"key generate {NAME}")
    assert stat.S_IMODE(KEY.stat().st_mode) == 0o600
    vkey = made_key.out.splitlines()[1]
    # The key itself is base64 and may hold a plus sign, too.
    key_id = "+".join(vkey.split("+")[:2])
    assert vkey == public_key(run)
    assert "Give the line above to auditors" in made_key.out
    assert (
        f"SHA256:{BO.fingerprint[7:]} of bo@example.org is trusted"
        in do(f"key trust {shlex.quote(BO.public)} --for bo@example.org").out
    )
    assert BO.fingerprint in do("key list").out
    do("audit head --sign --output head.note")
    do("audit head --output head.txt")
    do("audit prove approval-1 --head head.note --output approval.tlog-proof")
    proven = do(f"audit check-proof approval.tlog-proof --key {vkey}")
    assert proven.out.startswith("Event ")
    assert "approval.decided" in proven.out
    do("kpi set later --target 1")
    kept = "--against head.note --against head.txt --against approval.tlog-proof"
    verified_by = do(f"audit verify {kept} --key {vkey}")
    assert "ok  consistency 3 kept heads" in verified_by.out
    assert f"signed by {key_id}" in verified_by.out
    note = "taken for genuine because it came first"
    assert note in do("audit verify").out
    assert note not in verified_by.out
    do("key generate x --key-file second.key")
    revoked = do(f"key revoke {key_id} --reason rotated")
    assert "counts no more from event" in revoked.out
    do(f"audit verify {kept} --key {vkey}")
    assert "rotated" in do("key list").out


def test_a_proof_that_proves_nothing_exits_1(run: Run, keyed: Path) -> None:
    do, vkey = shown_by(run), public_key(run)
    do("audit prove 2 --output proof")
    text = Path("proof").read_text(encoding="utf-8")
    envelope = base64.b64decode(text.splitlines()[1].removeprefix("extra "))
    forged = base64.b64encode(envelope.replace(b"ana@", b"eve@")).decode()
    Path("forged").write_text(
        "\n".join([text.splitlines()[0], f"extra {forged}", *text.splitlines()[2:], ""])
    )
    Path("torn").write_text(text[:100], encoding="utf-8")
    other = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    for line, why in (
        (f"audit check-proof forged --key {vkey}", "does not lead to the head's root"),
        (f"audit check-proof torn --key {vkey}", "it is no proof"),
        (f"audit check-proof notes.md --key {vkey}", "it is no proof"),
        (f"audit check-proof proof --key {other}", "signed by none of these keys"),
    ):
        ran = do(line, code=1)
        assert ran.out.startswith("NO  ")
        assert why in ran.out
        assert json.loads(do(f"{line} --json", code=1).out) == {
            "proven": False,
            "why": ran.out[4:].rstrip("\n"),
        }
    do(f"audit check-proof proof --key {other} --key {vkey}")
    assert run("audit", "check-proof", "missing", "--key", vkey).code == 2


def test_printed_and_written_heads_and_proofs_are_the_same(run: Run, keyed: Path) -> None:
    do = shown_by(run)
    for line in ("audit head", "audit head --sign", "audit prove 2"):
        printed = do(line).out
        do(f"{line} --output written")
        assert Path("written").read_text(encoding="utf-8") == printed
        Path("kept").write_text(printed, encoding="utf-8")
        do("audit verify --against kept")
    for line in ("audit head --json", "audit head --sign --json"):
        Path("kept").write_text(do(line).out, encoding="utf-8")
        do("audit verify --against kept")


def test_a_log_that_is_not_the_kept_one_exits_1_and_says_where(run: Run, keyed: Path) -> None:
    do = shown_by(run)
    size = json.loads(do("audit head --json").out)["size"]
    Path("other").write_text(f"{size} events\n{'0' * 64}\n", encoding="utf-8")
    Path("longer").write_text(f"{size + 2} events\n{'0' * 64}\n", encoding="utf-8")
    ran = do("audit verify --against other --against longer", code=1)
    assert f"some of events 0 to {size - 1}: are not those under the head that was kept (other)" in ran.out
    assert f"events {size} to {size + 1}: are gone: longer is of {size + 2} events" in ran.out
    found = json.loads(do("audit verify --against other --json", code=1).out)
    assert [(one["name"], one["passed"]) for one in found["verdicts"]] == [
        ("integrity", True),
        ("consistency", False),
        ("projection", True),
        ("evidence", True),
        ("signatures", True),
    ]


def test_a_log_that_was_rewritten_is_not_signed(run: Run, keyed: Path) -> None:
    do = shown_by(run)
    shutil.copy(".crisplens/registry.db", "before.db")
    do("kpi set later --target 1")
    do("audit head --sign")
    shutil.copy("before.db", ".crisplens/registry.db")
    for line in ("audit head --sign", "audit prove 2"):
        assert_error(run(*shlex.split(line)), 3, "rewritten", "audit verify --against")
    Path(f"{KEY}.last-head").write_text("damaged", encoding="utf-8")
    assert_error(run("audit", "head", "--sign"), 2, "bad-head", "does not hold the head")


SHAPES: list[tuple[str, set[str]]] = [
    (
        "key list",
        {
            "id",
            "purpose",
            "owner",
            "public_key",
            "endorsement",
            "revoked_reason",
            "revoked_by",
            "revoked_at",
            "revoked_seq",
            "revocation_endorsement",
            "recorded_by",
            "recorded_at",
            "seq",
        },
    ),
    ("gate demands", {"phase", "signatures", "reason", "recorded_by", "recorded_at", "seq"}),
]


@pytest.mark.parametrize(("line", "fields"), SHAPES)
def test_shapes_of_lists(run: Run, keyed: Path, line: str, fields: set[str]) -> None:
    do = shown_by(run)
    do("gate demand evaluation required --reason audited")
    rows = json.loads(do(f"{line} --json").out)
    assert rows
    assert all(fields <= row.keys() for row in rows)


def test_shapes_of_commands(run: Run, keyed: Path) -> None:
    do = shown_by(run)

    def value(line: str) -> Any:
        return json.loads(do(f"{line} --json").out)

    assert value("gate demand evaluation required --reason audited")["signatures"] == "required"
    assert value("gate demand evaluation optional --reason over")["signatures"] == "optional"
    assert value("key generate second --key-file second.key")["endorsement"]["key"].startswith(NAME)
    assert (
        value("key trust bo.pub --for bo@example.org".replace("bo.pub", shlex.quote(SshPerson("l").public)))[
            "purpose"
        ]
        == "approver"
    )
    assert value(f"key revoke {SshPerson('l').fingerprint} --reason lost")["revoked_reason"] == "lost"
    assert value("audit head --sign")["note"].startswith(f"{NAME}\n")
    do("audit prove 2 --output proof")
    proven = value(f"audit check-proof proof --key {public_key(run)}")
    assert (proven["proven"], proven["index"]) == (True, 2)
    assert json.loads(proven["event"])["seq"] == 2
    unsigned = value("approval show approval-1")
    assert (unsigned["message"], unsigned["signature"]) == (None, None)


def test_an_approval_is_signed_elsewhere_and_shown(run: Run, keyed: Path, tmp_path: Path) -> None:
    do = shown_by(run)
    do("gate demand evaluation required --reason audited")
    assert_error(run(*shlex.split(GRANT)), 1, "signature-demanded", "--sign ~/.ssh/id_ed25519")
    assert "--sign KEY" in do("gate check evaluation", code=1).out
    file = signature_file(run, STATE)
    assert "and signed it" in do(f"{GRANT} --signature {file}").out
    do("gate check evaluation")
    assert "bo@example.org (signed)" in do("approval list").out
    do("approval show approval-2 --message-to message --signature-to signature")
    message, signature = Path("message").read_bytes(), Path("signature").read_text(encoding="utf-8")
    assert signature == Path(file).read_text(encoding="utf-8")
    shown = json.loads(do("approval show approval-2 --json").out)
    assert (shown["message"].encode(), shown["signature"]) == (message, signature)
    if shutil.which("ssh-keygen"):
        assert verified(tmp_path, BO.public, signature, message)
    do("audit verify")


@with_openssh
def test_an_approval_is_signed_by_ssh_keygen(run: Run, keyed: Path, tmp_path: Path) -> None:
    do = shown_by(run)
    folder = tmp_path / "ssh"
    folder.mkdir()
    key = made(folder)
    do(f"key trust {key}.pub --for cy@example.org")
    do(f"approval grant evaluation --actor cy@example.org --reason 'It pays.' --sign {key}")
    do("approval show approval-2 --message-to message --signature-to signature")
    public = Path(f"{key}.pub").read_text(encoding="utf-8").strip()
    assert verified(
        folder, public, Path("signature").read_text(encoding="utf-8"), Path("message").read_bytes()
    )
    do("audit verify")


@with_openssh
def test_a_statement_is_signed_by_ssh_keygen_as_it_is_printed(run: Run, keyed: Path, tmp_path: Path) -> None:
    do = shown_by(run)
    key = made(tmp_path)
    do(f"key trust {key}.pub --for cy@example.org")
    Path("statement").write_text(
        do("approval statement evaluation --actor cy@example.org").out, encoding="utf-8"
    )
    command = ["ssh-keygen", "-q", "-Y", "sign", "-n", "crisplens-approval", "-f", str(key), "statement"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    do("approval grant evaluation --actor cy@example.org --signature statement.sig")
    do("audit verify")


@with_openssh
@pytest.mark.parametrize("kind", ["ecdsa", "rsa"])
def test_keys_of_other_kinds_are_refused(run: Run, keyed: Path, tmp_path: Path, kind: str) -> None:
    key = made(tmp_path, kind)
    before = ledger_head()
    assert_error(
        run("key", "trust", f"{key}.pub", "--for", "cy"), 2, "bad-key", "only Ed25519 keys are taken"
    )
    refused = run(*shlex.split(GRANT), "--sign", str(key))
    assert_error(refused, 1, "bad-signature", "no Ed25519")
    assert ledger_head() == before


def test_the_secret_is_nowhere_but_in_its_file(run: Run, keyed: Path) -> None:
    do = shown_by(run)
    do("audit head --sign --output head.note")
    do("audit prove 2 --output proof")
    do("report audit --output report.html")
    do("report audit --output report.json")
    do("audit log --json")
    seed = base64.b64decode(secret())[1:]
    parts = [secret()[:16].encode(), secret()[16:32].encode(), seed, seed.hex().encode()]
    for file in Path.cwd().rglob("*"):
        if file.is_file() and file != Path.cwd() / KEY:
            content = file.read_bytes()
            assert [part for part in parts if part in content] == [], file
