"""Certificates change while requests are served."""

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from logs.lines import Log, LogLevel
from tests.webhook.conftest import Serve
from tests.webhook.rotating import mount, serial, served_serial
from tests.webhook.served import JSON_HEADERS, PATH, Served, config, review, until, write_pair
from webhook.telemetry import SharedMemory, Telemetry
from webhook.tls import CertificateHolder, PairFiles, UnusablePair, load_pair, not_after_seconds

BODY = json.dumps(review(config())).encode()


def served_key(webhook: Served) -> type:
    """Return the type of the key that a new connection is shown."""
    with webhook.connect() as connection:
        shown = connection.getpeercert(binary_form=True)
    assert shown is not None
    return type(x509.load_der_x509_certificate(shown).public_key())


@contextmanager
def load(webhook: Served, failures: list[str], done: list[int]) -> Iterator[None]:
    """Send reviews over kept and over new connections while the block runs."""
    stop = threading.Event()

    def kept() -> None:
        with webhook.client() as client:
            while not stop.is_set():
                send(client)

    def fresh() -> None:
        while not stop.is_set():
            with webhook.client() as client:
                send(client)

    def send(client: httpx.Client) -> None:
        try:
            reply = client.post(PATH, content=BODY, headers=JSON_HEADERS)
            if reply.status_code == 200 and reply.json()["response"]["allowed"]:
                done.append(1)
            else:
                failures.append(reply.text)
        except httpx.HTTPError as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=target) for target in (kept, fresh, fresh)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def test_no_request_fails_while_certificates_rotate(
    serve: Serve, authority: trustme.CA, tmp_path: Path
) -> None:
    def issue(key: trustme.KeyType = trustme.KeyType.ECDSA) -> trustme.LeafCert:
        return authority.issue_cert("localhost", key_type=key)

    first, second, last = issue(), issue(), issue()
    mount(tmp_path, "1", first)
    webhook = serve(folder=tmp_path)
    failures: list[str] = []
    done: list[int] = []
    with load(webhook, failures, done):
        assert served_serial(webhook) == serial(first)
        mount(tmp_path, "2", second)
        until(lambda: served_serial(webhook) == serial(second))
        mount(tmp_path, "3", None)
        webhook.line(lambda line: line["message"] == "certificate unusable")
        assert served_serial(webhook) == serial(second)
        assert webhook.probe("/readyz").status_code == 200
        assert webhook.probe("/livez").status_code == 200
        mount(tmp_path, "4", issue(trustme.KeyType.RSA))
        until(lambda: is_rsa(webhook))
        mount(tmp_path, "5", last)
        until(lambda: served_serial(webhook) == serial(last))
        count = len(done)
        until(lambda: len(done) > count + 20)
    assert not failures
    metrics = webhook.metrics()
    assert metrics["certificate_reloads_total"] == 4
    assert metrics["certificate_reload_errors_total"] >= 1
    chain = (tmp_path / "tls.crt").read_text()
    assert metrics["certificate_not_after_seconds"] == not_after_seconds(chain)


def is_rsa(webhook: Served) -> bool:
    return issubclass(served_key(webhook), rsa.RSAPublicKey)


def test_a_webhook_without_a_certificate_is_not_ready_until_one_comes(
    serve: Serve, authority: trustme.CA, tmp_path: Path
) -> None:
    webhook = serve(folder=tmp_path)
    assert webhook.probe("/readyz").status_code == 503
    assert webhook.probe("/livez").status_code == 200
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        webhook.connect()
    write_pair(tmp_path, authority.issue_cert("localhost"))
    until(lambda: webhook.probe("/readyz").status_code == 200)
    webhook.connect().close()


class Clock:
    """Unix time that a test sets."""

    def __init__(self) -> None:
        self.seconds = datetime(2030, 1, 1, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.seconds


class Holding:
    """A holder with all that it talks to."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.lines: list[bytes] = []
        self.memory = SharedMemory(1)
        log = Log(self.lines.append, self.clock, LogLevel.INFO)
        self.files = PairFiles(folder / "tls.crt", folder / "tls.key")
        self.holder = CertificateHolder(
            self.files, clock=self.clock, log=log, telemetry=Telemetry(self.memory.row(0))
        )

    def write(self, authority: trustme.CA, lifetime_days: int) -> int:
        expiry = datetime.fromtimestamp(self.clock.seconds, UTC) + timedelta(days=lifetime_days)
        certificate = authority.issue_cert("localhost", not_after=expiry)
        write_pair(self.files.certificate.parent, certificate)
        return int(expiry.timestamp())

    def served(self) -> int:
        return self.memory.row(0).values()["certificate_not_after_seconds"]


def test_an_expired_pair_does_not_replace_a_good_one(
    authority: trustme.CA, tmp_path: Path
) -> None:
    holding = Holding(tmp_path)
    expiry = holding.write(authority, 90)
    holding.holder.refresh()
    holding.write(authority, -1)
    holding.holder.refresh()
    holding.holder.refresh()
    assert holding.served() == expiry
    assert holding.holder.usable
    assert holding.memory.row(0).values()["certificate_reload_errors_total"] == 2
    assert sum(b"certificate unusable" in line for line in holding.lines) == 1


def test_a_served_certificate_that_expires_makes_the_webhook_unhealthy(
    authority: trustme.CA, tmp_path: Path
) -> None:
    holding = Holding(tmp_path)
    holding.clock.seconds = holding.write(authority, 1) - 1.0
    holding.holder.refresh()
    assert holding.holder.usable
    holding.clock.seconds += 1
    assert holding.holder.expired
    assert not holding.holder.usable


def test_a_watch_that_no_longer_looks_is_noticed(tmp_path: Path) -> None:
    holding = Holding(tmp_path)
    holding.holder.refresh()
    holding.clock.seconds += 299
    assert holding.holder.watched
    holding.clock.seconds += 1
    assert not holding.holder.watched


@pytest.mark.parametrize("year", [2049, 2050, 2120])
def test_the_expiry_is_read_as_an_x509_library_reads_it(authority: trustme.CA, year: int) -> None:
    expiry = datetime(year, 2, 3, 4, 5, 6, tzinfo=UTC)
    certificate = authority.issue_cert("localhost", not_after=expiry)
    text = certificate.cert_chain_pems[0].bytes().decode()
    assert not_after_seconds(text) == expiry.timestamp()


def test_pairs_that_cannot_be_served_are_told_apart_from_good_ones(
    authority: trustme.CA, tmp_path: Path
) -> None:
    files = PairFiles(tmp_path / "tls.crt", tmp_path / "tls.key")
    with pytest.raises(FileNotFoundError):
        load_pair(files)
    write_pair(tmp_path, authority.issue_cert("localhost"))
    load_pair(files)
    key = authority.issue_cert("localhost").private_key_pem.bytes()
    files.key.write_bytes(key)
    with pytest.raises(UnusablePair, match="mismatch"):
        load_pair(files)
    for text in (
        b"",
        b"\xff\x00",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ):
        files.certificate.write_bytes(text)
        with pytest.raises(UnusablePair):
            load_pair(files)
