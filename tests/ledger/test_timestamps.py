"""Time stamps: asked of a real authority (OpenSSL's, behind HTTP on the loopback), kept beside a head, and checked."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from crisplens.core.errors import CrisplensError, InputError, RegistryError
from crisplens.ledger.timestamps import (
    ask_authority,
    check_timestamp,
    make_query,
    read_certificates,
    read_timestamp,
    verify_timestamps,
)

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="there is no openssl to be the authority"
)

HEAD = b"example.org/registry\n7\nYbPOlRBLmwYa6oQjj3QXPPhHPRUNsaZ40thP+D/8uKg=\n"
EXTENSIONS = (
    "extendedKeyUsage=critical,timeStamping\nkeyUsage=critical,digitalSignature\n"
    "basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
)
CONFIGURATION = (
    "[tsa]\ndefault_tsa=one\n[one]\nserial=./serial\ndefault_policy=1.2.3.4.1\ndigests=sha256,sha384,sha512\n"
    "signer_digest=sha256\nordering=no\ntsa_name=yes\ness_cert_id_chain=no\n"
)


@dataclass
class Authority:
    """A time-stamp authority in a folder; `mood` says how its HTTP server behaves."""

    folder: Path
    url: str = ""
    mood: str = "well"
    asked: list[str] = field(default_factory=list)

    @property
    def roots(self) -> Path:
        """Its root certificate."""
        return self.folder / "ca.pem"

    def answer(self, query: bytes) -> bytes:
        """Its answer to a request, by another way than HTTP."""
        (self.folder / "q.tsq").write_bytes(query)
        self.run("ts -reply -queryfile q.tsq -out r.tsr -config tsa.cnf -signer tsa.pem -inkey tsa.key")
        return (self.folder / "r.tsr").read_bytes()

    def run(self, line: str) -> None:
        """Run openssl in the folder."""
        subprocess.run(["openssl", *line.split()], cwd=self.folder, check=True, capture_output=True)


def make_authority(folder: Path) -> Authority:
    """A root, and a certificate for time stamps below it."""
    authority = Authority(folder)
    folder.mkdir()
    (folder / "extensions").write_text(EXTENSIONS)
    (folder / "tsa.cnf").write_text(CONFIGURATION)
    (folder / "serial").write_text("01\n")
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    authority.run(f"req -x509 {curve} -keyout ca.key -out ca.pem -subj /CN=Root -days 30")
    authority.run(f"req {curve} -keyout tsa.key -out tsa.csr -subj /CN=Authority")
    signed = "-CA ca.pem -CAkey ca.key -CAcreateserial -days 20 -extfile extensions"
    authority.run(f"x509 -req -in tsa.csr -out tsa.pem {signed}")
    return authority


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Authority]:
    """An authority with an HTTP server on the loopback."""
    authority = make_authority(tmp_path_factory.mktemp("tsa") / "one")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            authority.asked.append(self.headers["Content-Type"])
            query = self.rfile.read(int(self.headers["Content-Length"]))
            body = {
                "well": lambda: authority.answer(query),
                "of something else": lambda: authority.answer(make_query(b"something else")),
                "talkative": lambda: b"<html>hello</html>",
                "endless": lambda: bytes(3 << 20),
                "failing": lambda: b"",
            }[authority.mood]()
            self.send_response(500 if authority.mood == "failing" else 200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    authority.url = f"http://127.0.0.1:{server.server_port}/tsr"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield authority
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def authority(serving: Authority) -> Authority:
    """The authority, in good health."""
    serving.mood = "well"
    return serving


def test_an_authority_is_asked_over_http_and_its_answer_checks(authority: Authority) -> None:
    response = ask_authority(authority.url, HEAD)
    stamp = check_timestamp(response, HEAD, read_certificates(authority.roots))
    assert stamp == read_timestamp(response, HEAD)
    assert authority.asked[-1] == "application/timestamp-query"


def test_openssl_accepts_what_is_kept(authority: Authority) -> None:
    (authority.folder / "head.txt").write_bytes(HEAD)
    (authority.folder / "head.txt.tsr").write_bytes(ask_authority(authority.url, HEAD))
    authority.run("ts -verify -data head.txt -in head.txt.tsr -CAfile ca.pem")


def test_a_request_answered_another_way_checks(authority: Authority) -> None:
    response = authority.answer(make_query(HEAD))
    assert check_timestamp(response, HEAD, read_certificates(authority.roots)).serial_number > 0


def test_a_time_stamp_is_of_one_content_only(authority: Authority) -> None:
    response = ask_authority(authority.url, HEAD)
    with pytest.raises(InputError, match="of another content"):
        read_timestamp(response, HEAD + b"\n")


def test_an_authority_that_is_not_known_is_not_believed(authority: Authority, tmp_path: Path) -> None:
    other = make_authority(tmp_path / "other")
    response = ask_authority(authority.url, HEAD)
    with pytest.raises(InputError, match="not signed by an authority below"):
        check_timestamp(response, HEAD, read_certificates(other.roots))


def test_a_changed_answer_is_not_believed(authority: Authority) -> None:
    response = ask_authority(authority.url, HEAD)
    roots = read_certificates(authority.roots)
    for at in range(0, len(response), 37):
        changed = response[:at] + bytes([response[at] ^ 1]) + response[at + 1 :]
        try:
            check_timestamp(changed, HEAD, roots)
        except InputError:
            continue
        # Certificates that nobody needs, and what is not signed, may change.
        assert read_timestamp(changed, HEAD).time == read_timestamp(response, HEAD).time


@pytest.mark.parametrize(
    ("mood", "kind"),
    [
        ("of something else", InputError),
        ("talkative", InputError),
        ("endless", InputError),
        ("failing", RegistryError),
    ],
)
def test_an_authority_that_misbehaves_is_a_clear_error(
    authority: Authority, mood: str, kind: type[CrisplensError]
) -> None:
    authority.mood = mood
    with pytest.raises(kind) as caught:
        ask_authority(authority.url, HEAD)
    assert caught.value.slug == "no-timestamp"


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "ftp://127.0.0.1/", "tsa.example.org"])
def test_only_http_is_asked(url: str) -> None:
    with pytest.raises(InputError) as caught:
        ask_authority(url, HEAD)
    assert caught.value.slug == "bad-authority"


def test_an_authority_that_is_not_there_is_a_clear_error() -> None:
    with pytest.raises(RegistryError) as caught:
        ask_authority("http://127.0.0.1:1/", HEAD)
    assert caught.value.slug == "no-timestamp"
    assert "--query-to" in caught.value.hint


def test_the_verdict_names_the_heads_without_a_good_time_stamp(authority: Authority, tmp_path: Path) -> None:
    for name in ("good", "none", "moved"):
        (tmp_path / name).write_bytes(HEAD + name.encode())
    (tmp_path / "good.tsr").write_bytes(ask_authority(authority.url, HEAD + b"good"))
    (tmp_path / "moved.tsr").write_bytes((tmp_path / "good.tsr").read_bytes())
    heads = [tmp_path / name for name in ("good", "none", "moved")]
    verdict = verify_timestamps(heads, read_certificates(authority.roots))
    assert not verdict.passed
    assert [finding.where for finding in verdict.findings] == ["none.tsr", "moved.tsr"]
    assert [note.where for note in verdict.notes] == ["good"]


@pytest.mark.parametrize(
    "content", ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_root_certificates_that_are_none_are_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "roots.pem"
    file.write_text(content)
    with pytest.raises(InputError) as caught:
        read_certificates(file)
    assert caught.value.slug == "bad-authority"
