"""What a client may cost."""

import asyncio
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.webhook.conftest import Serve
from tests.webhook.served import (
    JSON_HEADERS,
    PATH,
    PATIENCE_SECONDS,
    Served,
    post_head,
    read_status,
    review,
    status_of,
    until,
)
from webhook.limits import BodyReader, BodyTooLarge, Limits

BODY_BYTES = 7 << 20
BODY = json.dumps(review()).encode()


def drain(connection: socket.socket) -> bytes:
    """Return all that comes until the other side hangs up."""
    parts: list[bytes] = []
    while True:
        try:
            part = connection.recv(65536)
        except (ConnectionResetError, ssl.SSLEOFError):
            part = b""
        if not part:
            return b"".join(parts)
        parts.append(part)


@pytest.fixture(scope="module")
def impatient(pair_folder: Path, trust: ssl.SSLContext) -> Iterator[Served]:
    """Yield a webhook that hangs up after a fifth of a second."""
    served = Served(
        pair_folder,
        trust,
        TEST_DEADLINE_SECONDS="0.2",
        TEST_BUFFERED_BYTES="100000",
        TEST_CONNECTIONS="20",
    )
    yield served
    assert served.stop() == 0


def test_idle_connections_outlive_those_of_an_api_server() -> None:
    assert Limits().keep_alive_seconds > 90


def test_the_longest_body_is_read(webhook: Served) -> None:
    body = BODY + b" " * (BODY_BYTES - len(BODY))
    with webhook.client() as client:
        assert client.post(PATH, content=body, headers=JSON_HEADERS).status_code == 200


def test_a_longer_body_is_refused_before_it_is_sent(webhook: Served) -> None:
    with webhook.connect() as connection:
        connection.sendall(post_head(BODY_BYTES + 1))
        assert read_status(connection) == 413


def test_a_longer_body_in_chunks_is_refused_when_it_gets_too_long(webhook: Served) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with webhook.connect() as connection:
        connection.sendall(post_head(None))
        for _ in range(BODY_BYTES // 0x10000):
            connection.sendall(chunk)
        connection.sendall(b"1\r\n \r\n")
        assert read_status(connection) == 413
        # Whoever does not look at the answer may go on, and its bytes are dropped.
        for _ in range(40):
            connection.sendall(chunk)


def test_a_client_that_waits_for_100_continue_is_told_to_go_on(webhook: Served) -> None:
    head = post_head(len(BODY)).replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    with webhook.connect() as connection:
        connection.sendall(head)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(BODY)
        assert read_status(connection) == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"", None),
        (b"POST " + PATH.encode() + b" HTTP/1.1\r\nHost: x\r\nConte", 408),
        (post_head(100), 408),
        (post_head(100) + b'{"apiVersion"', 408),
        (post_head(None) + b"5\r\n{    \r\n", 408),
    ],
    ids=["silence", "half a header", "no body", "half a body", "half a chunked body"],
)
def test_whoever_does_not_go_on_is_hung_up_on(
    impatient: Served, sent: bytes, status: int | None
) -> None:
    with impatient.connect() as connection:
        connection.sendall(sent)
        answer = drain(connection)
    assert (status_of(answer) if answer else None) == status


def test_a_handshake_that_does_not_come_is_hung_up_on(impatient: Served) -> None:
    address = ("127.0.0.1", impatient.port)
    with socket.create_connection(address, PATIENCE_SECONDS) as connection:
        assert drain(connection) == b""


def test_the_caller_decides_how_long_a_body_may_take(webhook: Served) -> None:
    with webhook.connect() as connection:
        connection.sendall(post_head(100, f"{PATH}?timeout=0s"))
        assert status_of(drain(connection)) == 408


def test_a_connection_goes_on_after_a_request_that_came_in_pieces(impatient: Served) -> None:
    with impatient.connect() as connection:
        for _ in range(3):
            request = post_head(len(BODY)) + BODY
            for piece in (request[:40], request[40:200], request[200:]):
                connection.sendall(piece)
            assert read_status(connection) == 200


def test_two_requests_at_once_are_answered_in_turn(webhook: Served) -> None:
    first, second = (json.dumps(review(uid=uid)).encode() for uid in ("one", "two"))
    with webhook.connect() as connection:
        connection.sendall(b"".join(post_head(len(body)) + body for body in (first, second)))
        answer = b""
        while answer.count(b'"allowed":true') < 2:
            answer += connection.recv(65536)
    assert answer.index(b'"uid":"one"') < answer.index(b'"uid":"two"')


@pytest.mark.parametrize("header", [b"X: " + b"y" * 1000, b"X: y"], ids=["long", "many"])
def test_a_header_without_end_is_refused(impatient: Served, header: bytes) -> None:
    with impatient.connect() as connection:
        connection.sendall(b"GET /livez HTTP/1.1\r\n")
        answer = b""
        try:
            for _ in range(100_000):
                connection.sendall((header + b"\r\n") * 100)
        except OSError:
            pass
        else:
            answer = drain(connection)
    assert not answer or status_of(answer) in {400, 431}


def test_bodies_that_take_too_much_memory_together_are_refused(impatient: Served) -> None:
    with impatient.connect() as connection:
        connection.sendall(post_head(1 << 20) + b" " * 200_000)
        assert read_status(connection) == 503


def test_requests_beyond_the_connections_allowed_are_answered_503(serve: Serve) -> None:
    served = serve(TEST_DEADLINE_SECONDS="20", TEST_CONNECTIONS="3")
    held = [served.connect() for _ in range(3)]
    until(lambda: served.probe("/livez").status_code == 200)
    with served.client() as client:
        reply = client.post(PATH, content=BODY, headers=JSON_HEADERS)
        assert reply.status_code == 503
    for connection in held:
        connection.close()

    def accepted() -> bool:
        with served.client() as client:
            return client.post(PATH, content=BODY, headers=JSON_HEADERS).status_code == 200

    until(accepted)


def test_what_is_not_http_gets_400_and_no_log_line(webhook: Served) -> None:
    before = len(webhook.lines)
    with webhook.connect() as connection:
        connection.sendall(b"\x16\x03\x01 nonsense\r\n\r\n")
        assert status_of(drain(connection)) == 400
    assert webhook.probe("/livez").status_code == 200
    assert not [line for line in webhook.lines[before:] if line["message"] != "reviewed"]


def test_tls_before_1_2_is_refused(webhook: Served) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(("127.0.0.1", webhook.port)) as plain,
        context.wrap_socket(plain) as connection,
    ):
        assert connection.version() == "TLSv1.3"
        assert connection.selected_alpn_protocol() == "http/1.1"
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLSv1_1"):
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", webhook.port)) as plain,
        pytest.raises((ssl.SSLError, ConnectionResetError)),
    ):
        context.wrap_socket(plain)


def test_the_memory_of_a_body_is_free_again_when_it_was_read_or_refused() -> None:
    limits = replace(Limits(), body_bytes=10, buffered_bytes=15)

    def read(reader: BodyReader, *parts: bytes) -> bytes:
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        messages.append({"type": "http.request", "body": b"", "more_body": False})
        coming = iter(messages)

        async def receive() -> dict[str, object]:
            return next(coming)

        return asyncio.run(reader.read(receive))

    reader = BodyReader(limits)
    for _ in range(3):
        assert read(reader, b"12345", b"67890") == b"1234567890"
        with pytest.raises(BodyTooLarge):
            read(reader, b"12345", b"67890", b"1")
