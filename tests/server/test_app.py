"""Rows that are pushed over HTTP: every content type, every refusal, and bodies that mean no good."""

from __future__ import annotations

import io
import json
import logging
import socket
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crisplens.api import Registry
from crisplens.core.error_pages import ERROR_PAGES
from crisplens.server import connections, problems
from crisplens.server.app import FORMATS
from crisplens.server.tokens import Token, hash_token, make_token, read_tokens
from tests.conftest import ANA, CI
from tests.monitors.streaming.conftest import make_rows, to_csv
from tests.server.conftest import NDJSON, ROWS, serving

CSV = {"Content-Type": "text/csv"}
ARROW = {"Content-Type": "application/vnd.apache.arrow.stream"}


def lines(rows: list[dict[str, Any]]) -> bytes:
    return b"\n".join(map(msgspec.json.encode, rows))


def stream(rows: list[dict[str, Any]], **options: Any) -> bytes:
    table = pa.Table.from_pylist(rows)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table)
    return sink.getvalue()


def counted(registry: Registry) -> int:
    """How many rows the open window of `live` has."""
    from crisplens.core.database import read_session
    from crisplens.monitors.streaming import store

    with read_session(registry.engine) as session:
        return sum(one.rows for one in store.load(session, "churn", "live") if not one.closed)


def refused(answer: httpx.Response, status: int, slug: str = "") -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert (problem["status"], problem.get("slug", "")) == (status, slug)
    if slug:
        assert problem["type"] == f"/errors/{slug}"
    return problem


@pytest.mark.parametrize("kind", list(FORMATS))
def test_rows_of_every_content_type_are_counted(client: httpx.Client, registry: Registry, kind: str) -> None:
    rows, before = make_rows(50), counted(registry)
    bodies = {
        "jsonl": lines(rows),
        "json": json.dumps(rows).encode(),
        "csv": to_csv(rows).encode(),
        "arrow": stream(rows),
    }
    answer = client.post(ROWS, content=bodies[FORMATS[kind]], headers={"Content-Type": kind})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["rows"], answer.json()["windows"][0]["added"]) == (50, 50)
    assert counted(registry) == before + 50


def test_a_window_that_closes_is_told_with_its_check(client: httpx.Client, registry: Registry) -> None:
    answer = client.post(
        "/projects/churn/monitors/small/rows", content=lines(make_rows(110, shift=9)), headers=NDJSON
    )
    (check,) = answer.json()["checks"]
    (known,) = registry.monitor.history("small")
    assert (check["id"], check["rows"], check["verdict"]) == (known.id, 100, known.result.verdict)


def test_an_idempotency_key_makes_sending_again_safe(client: httpx.Client, registry: Registry) -> None:
    body, headers = lines(make_rows(20)), {**NDJSON, "Idempotency-Key": "night-1"}
    assert not client.post(ROWS, content=body, headers=headers).json()["repeated"]
    before = counted(registry)
    assert client.post(ROWS, content=body, headers=headers).json()["repeated"]
    quoted = {**NDJSON, "Idempotency-Key": '"night-1"'}
    assert client.post(ROWS, content=body, headers=quoted).json()["repeated"]
    refused(client.post(ROWS, content=lines(make_rows(21)), headers=headers), 409, "batch-taken")
    assert counted(registry) == before


def test_the_registry_is_asked_whether_it_answers(client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}


def test_an_errors_type_leads_to_its_page(client: httpx.Client) -> None:
    problem = refused(client.post(ROWS, content=b"{}", headers=NDJSON), 422, "bad-batch")
    assert client.get(problem["type"]).text == ERROR_PAGES["bad-batch"]
    refused(client.get("/errors/none"), 404)


def test_every_status_of_ours_belongs_to_a_known_error() -> None:
    assert set(problems._STATUSES) <= set(ERROR_PAGES)


@pytest.mark.parametrize(
    ("body", "headers", "status", "slug"),
    [
        (b"", NDJSON, 422, "empty-file"),
        (b"{", NDJSON, 422, "bad-batch"),
        (b"[1]", {"Content-Type": "application/json"}, 422, "bad-batch"),
        (b"3", NDJSON, 422, "bad-batch"),
        (b'{"a": ' * 5000 + b"1" + b"}" * 5000, NDJSON, 422, "bad-batch"),
        (b"[" * 500_000, {"Content-Type": "application/json"}, 422, "bad-batch"),
        (b'{"tenure": "\xff"}', NDJSON, 422, ""),
        (b"tenure,logins,plan,active\n1,2\n", CSV, 422, "ragged-csv"),
        (b"\xff\xfe\x00", CSV, 422, "not-utf8"),
        (b"tenure,logins,plan,active\n1,2,\xff,true\n", CSV, 422, "not-utf8"),
        (b"tenure,Tenure\n", CSV, 422, "duplicate-columns"),
        (b"no arrow at all", ARROW, 422, "bad-batch"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "unknown-media-type"),
        (b"{}", {"Content-Type": "text/csv; charset=latin-1"}, 415, "unknown-media-type"),
        (b"{}", {**NDJSON, "Content-Encoding": "gzip"}, 415, "unknown-media-type"),
        (b"{}" * 600_000, NDJSON, 413, "batch-too-large"),
        (b"{}", {**NDJSON, "Idempotency-Key": "x" * 300}, 422, "bad-name"),
    ],
)
def test_a_body_that_cannot_be_taken_in_is_refused_whole(
    client: httpx.Client, registry: Registry, body: bytes, headers: dict[str, str], status: int, slug: str
) -> None:
    before = counted(registry)
    answer = client.post(ROWS, content=body, headers=headers)
    if slug:
        refused(answer, status, slug)
    else:
        assert answer.status_code == status, answer.text
    assert counted(registry) == before
    assert client.get("/health").status_code == 200


def test_a_column_that_a_reference_has_is_asked_for_by_name_and_no_value_is_repeated(
    client: httpx.Client,
) -> None:
    rows = [{**row, "plan": 123454321} for row in make_rows(3)]
    problem = refused(client.post(ROWS, content=lines(rows), headers=NDJSON), 422, "bad-batch")
    assert "plan" in problem["detail"]
    assert "123454321" not in json.dumps(problem)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_arrow_stream_is_refused_or_counted_whole(
    client: httpx.Client, registry: Registry, data: st.DataObject
) -> None:
    body = bytearray(stream(make_rows(30)))
    before = counted(registry)
    if data.draw(st.booleans()):
        body = body[: data.draw(st.integers(0, len(body) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 4))):
            body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    answer = client.post(ROWS, content=bytes(body), headers=ARROW)
    assert answer.status_code in (200, 422), answer.text
    if answer.status_code == 422:
        assert counted(registry) == before
    else:
        assert counted(registry) == before + answer.json()["rows"]


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_compressed_arrow_stream_is_counted(client: httpx.Client, registry: Registry, codec: str) -> None:
    before = counted(registry)
    body = stream(make_rows(500), options=pa.ipc.IpcWriteOptions(compression=codec))
    assert client.post(ROWS, content=body, headers=ARROW).status_code == 200
    assert counted(registry) == before + 500


def test_an_arrow_stream_that_unpacks_to_far_more_is_refused_before_it_is(client: httpx.Client) -> None:
    vast = pa.table({"x": pa.array([bytes(300 << 20)], pa.large_binary())})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, vast.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(vast)
    assert len(sink.getvalue()) < 1 << 20
    refused(client.post(ROWS, content=sink.getvalue(), headers=ARROW), 413, "batch-too-large")


def test_an_arrow_file_is_no_stream(client: httpx.Client) -> None:
    sink = io.BytesIO()
    table = pa.Table.from_pylist(make_rows(3))
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    refused(client.post(ROWS, content=sink.getvalue(), headers=ARROW), 422, "bad-batch")


def speak(client: httpx.Client, *parts: bytes, wait: float = 0.0) -> bytes:
    """Send bytes as they are, and read the answer until the server closes the connection."""
    url = client.base_url
    with socket.create_connection((url.host, url.port or 80), timeout=15) as connection:
        for part in parts:
            connection.sendall(part)
        if not wait:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
            if wait and b"\r\n\r\n" in answer:
                break
        return answer


HEAD = f"POST {ROWS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\n".encode()


def test_a_body_that_comes_too_slowly_is_given_up(client: httpx.Client, registry: Registry) -> None:
    before = counted(registry)
    answer = speak(client, HEAD, b"Content-Length: 1000\r\n\r\n{", wait=3)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert counted(registry) == before


def test_a_body_that_is_shorter_than_its_length_says_is_not_taken_in(
    client: httpx.Client, registry: Registry
) -> None:
    before, row = counted(registry), lines(make_rows(1))
    answer = speak(client, HEAD, f"Content-Length: {len(row) + 5}\r\n\r\n".encode(), row)
    assert b" 200 " not in answer[:20]
    assert counted(registry) == before


@pytest.mark.parametrize("length", [b"-1", b"abc", b"99999999999"])
def test_a_length_that_cannot_be_is_refused_before_the_body_is_read(
    client: httpx.Client, length: bytes
) -> None:
    answer = speak(client, HEAD, b"Content-Length: " + length + b"\r\n\r\n{}")
    assert answer[9:12] in (b"400", b"413")


def test_a_body_without_a_length_is_bounded_as_it_comes(client: httpx.Client, registry: Registry) -> None:
    before = counted(registry)

    def endless() -> Any:
        while True:
            yield b" " * 65536

    # The server hangs up on what it will not read, which the client may see before the answer.
    with suppress(httpx.TransportError):
        refused(client.post(ROWS, content=endless(), headers=NDJSON), 413, "batch-too-large")
    assert counted(registry) == before


def test_pages_in_a_browser_cannot_push_to_a_server_without_tokens(client: httpx.Client) -> None:
    rebound = client.post(ROWS, content=b"{}", headers={**NDJSON, "Host": "evil.example:80"})
    refused(rebound, 403, "token-scope")
    # What a page may send to another site without being asked.
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        refused(client.post(ROWS, content=b"{}", headers={"Content-Type": kind}), 415, "unknown-media-type")


def test_a_token_is_asked_for_before_anything_else_and_says_who_pushes(registry: Registry) -> None:
    tokens = (
        Token(hash_token("for-churn"), CI, frozenset({"churn"})),
        Token(hash_token("for-other"), ANA, frozenset({"other"})),
        Token(hash_token("for-all"), ANA, frozenset({"*"})),
    )
    body = lines(make_rows(5))
    with serving(registry, tokens=tokens) as client:

        def push(given: str, path: str = ROWS) -> httpx.Response:
            return client.post(path, content=body, headers={**NDJSON, "Authorization": given})

        for wrong in ("", "Bearer", "Bearer for-churns", "Basic for-churn", "for-churn"):
            answer = push(wrong, "/projects/nowhere/monitors/none/rows")
            refused(answer, 401, "bad-token")
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        refused(push("Bearer for-other"), 403, "token-scope")
        refused(push("Bearer for-all", "/projects/churn/monitors/lives/rows"), 404, "unknown-name")
        refused(push("Bearer for-all", "/projects/churns/monitors/live/rows"), 404, "unknown-name")
        assert push("Bearer for-all").status_code == 200
        assert push("bearer for-churn").status_code == 200
        closing = client.post(
            "/projects/churn/monitors/small/rows",
            content=lines(make_rows(100)),
            headers={**NDJSON, "Authorization": "Bearer for-churn"},
        )
    (made,) = closing.json()["checks"]
    (check,) = (one for one in registry.monitor.history("small") if one.id == made["id"])
    assert check.recorded_by == CI


def test_a_server_with_all_places_taken_says_when_to_come_again(registry: Registry) -> None:
    with serving(registry, most_requests=1, body_seconds=5.0) as client:
        url = client.base_url
        with socket.create_connection((url.host, url.port or 80)) as slow:
            slow.sendall(HEAD + b"Content-Length: 10\r\n\r\n")
            statuses = []
            for _ in range(50):
                answer = client.post(ROWS, content=lines(make_rows(1)), headers=NDJSON)
                statuses.append(answer.status_code)
                if answer.status_code == 503:
                    break
        refused(answer, 503, "busy")
        assert int(answer.headers["Retry-After"]) > 0
        assert client.get("/health").status_code == 200


def test_pushes_at_the_same_time_are_all_counted(client: httpx.Client, registry: Registry) -> None:
    before, body = counted(registry), lines(make_rows(10))
    statuses: list[int] = []

    def push() -> None:
        statuses.extend(client.post(ROWS, content=body, headers=NDJSON).status_code for _ in range(10))

    threads = [threading.Thread(target=push) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 60
    assert counted(registry) == before + 600


def test_no_data_gets_into_logs(
    client: httpx.Client, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crisplens.nouns import streaming

    def fail(*_: Any, **__: Any) -> None:
        raise KeyError("secret-value")

    monkeypatch.setattr(streaming, "push", fail)
    with caplog.at_level(logging.DEBUG):
        answer = client.post(ROWS, content=b'{"plan": "secret-value"}', headers=NDJSON)
    refused(answer, 500)
    assert "secret-value" not in answer.text
    assert "KeyError" in caplog.text
    assert "secret-value" not in caplog.text


def test_tokens_are_kept_as_hashes_and_read_from_a_file_or_a_variable(tmp_path: Path) -> None:
    token, table = make_token(CI, ["churn", "fraud"])
    assert token not in table
    file = tmp_path / "tokens.toml"
    file.write_text(f"{table}\n")
    file.chmod(0o600)
    (of_file,) = read_tokens(str(file))
    (of_variable,) = read_tokens("env:TOKENS", {"TOKENS": table})
    assert of_file == of_variable == Token(hash_token(token), CI, frozenset({"churn", "fraud"}))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "token = 3",
        "[[token]]\nsha256 = 'ab'\nactor = 'a'\nprojects = ['p']",
        f"[[token]]\nsha256 = '{'a' * 64}'\nactor = ''\nprojects = ['p']",
        f"[[token]]\nsha256 = '{'a' * 64}'\nactor = 'a'\nprojects = []",
        f"[[token]]\nsha256 = '{'a' * 64}'\nactor = 'a'",
        f"[[token]]\ntoken = 'a'\nsha256 = '{'a' * 64}'\nactor = 'a'\nprojects = ['p']",
        "[[token]",
    ],
)
def test_a_file_of_tokens_that_is_wrong_is_refused(tmp_path: Path, text: str) -> None:
    from crisplens.core.errors import InputError

    file = tmp_path / "tokens.toml"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(InputError):
        read_tokens(str(file))


def test_a_file_of_tokens_that_others_can_write_is_refused(tmp_path: Path) -> None:
    from crisplens.core.errors import InputError

    file = tmp_path / "tokens.toml"
    file.write_text(make_token(CI, ["churn"])[1])
    file.chmod(0o622)
    with pytest.raises(InputError, match="others can write"):
        read_tokens(str(file))


@pytest.mark.parametrize(
    "sent", [b"", b"GET /health HTTP/1.1\r\nHost: loc", b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"]
)
def test_a_connection_that_sends_no_whole_request_is_ended(
    registry: Registry, monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.3)
    with (
        serving(registry) as client,
        socket.create_connection((client.base_url.host, client.base_url.port or 0)) as silent,
    ):
        silent.settimeout(10)
        silent.sendall(sent)
        if sent.endswith(b"\r\n\r\n"):
            assert silent.recv(1000).startswith(b"HTTP/1.1 200")
            # The beginning of another one.
            silent.sendall(b"G")
        with suppress(ConnectionError):
            assert silent.recv(1000) == b""


def test_silent_connections_do_not_keep_others_out_for_long(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(connections, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(connections, "MOST_OPEN", 10)
    with serving(registry) as client, ExitStack() as stack:
        address = (client.base_url.host, client.base_url.port or 0)
        opened = [stack.enter_context(socket.create_connection(address)) for _ in range(20)]
        # The last ones are ended at once.
        opened[-1].settimeout(10)
        with suppress(ConnectionError):
            assert opened[-1].recv(1000) == b""
        time.sleep(1)
        assert client.get("/health").status_code == 200


def test_a_head_without_end_is_refused(registry: Registry, client: httpx.Client) -> None:
    with socket.create_connection((client.base_url.host, client.base_url.port or 0)) as endless:
        endless.settimeout(10)
        with suppress(ConnectionError):
            endless.sendall(b"GET /health HTTP/1.1\r\nX: " + b"x" * 10_000_000)
            assert endless.recv(1000).startswith(b"HTTP/1.1 400")
            assert endless.recv(1000) == b""
