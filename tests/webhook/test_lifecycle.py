"""From start to end: readiness, shutdown, several workers."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.webhook.conftest import Serve
from tests.webhook.served import (
    JSON_HEADERS,
    PATH,
    PATIENCE_SECONDS,
    ROOT,
    Served,
    config,
    post_head,
    read_status,
    review,
    until,
)

BODY = json.dumps(review(config())).encode()


def refuses_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.parametrize("sent", [20, len(post_head(len(BODY))) + 30], ids=["header", "body"])
def test_a_request_on_its_way_is_answered_after_sigterm(serve: Serve, sent: int) -> None:
    request = post_head(len(BODY)) + BODY
    webhook = serve()
    with webhook.connect() as connection, webhook.connect() as idle:
        idle.sendall(request)
        assert read_status(idle) == 200
        connection.sendall(request[:sent])
        until(lambda: sent < len(post_head(0)) or webhook.metrics()["in_flight"] == 1)
        webhook.process.send_signal(signal.SIGTERM)
        until(lambda: refuses_connections(webhook.port))
        assert idle.recv(1) == b""
        connection.sendall(request[sent:])
        assert read_status(connection) == 200
    assert webhook.process.wait(PATIENCE_SECONDS) == 0


def test_readiness_fails_first_and_connections_are_sent_away(serve: Serve) -> None:
    webhook = serve("--shutdown-delay=60")
    webhook.process.send_signal(signal.SIGTERM)
    until(lambda: webhook.probe("/readyz").status_code == 503)
    assert webhook.probe("/readyz").text == "shutting down\n"
    assert webhook.probe("/livez").status_code == 200
    with webhook.client() as client:
        reply = client.post(PATH, content=BODY, headers=JSON_HEADERS)
    assert reply.json()["response"]["allowed"] is True
    assert reply.headers["connection"] == "close"
    # An operator at a terminal does not wait for any delay.
    webhook.process.send_signal(signal.SIGINT)


def test_a_certificate_of_our_own_is_made_kept_and_trusted_by_its_authority(
    serve: Serve, tmp_path: Path
) -> None:
    folder = tmp_path / "made" / "here"
    serials: set[bytes] = set()
    for _ in range(2):
        webhook = serve(f"--self-signed={folder}", folder=tmp_path / "none")
        told = webhook.line(lambda line: "caFile" in line)
        assert told["caFile"] == str(folder / "ca.crt")
        webhook.trust.load_verify_locations(told["caFile"])
        with webhook.client() as client:
            assert client.get("/readyz").status_code == 200
        assert webhook.stop() == 0
        serials.add((folder / "tls.crt").read_bytes())
    assert len(serials) == 1
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.iterdir()]}
    assert modes["here"] == 0o700
    assert modes["tls.key"] == modes["ca.key"] == 0o600


def test_a_port_that_is_taken_is_named(webhook: Served, tmp_path: Path) -> None:
    arguments = [f"--port={webhook.port}", "--bind-address=127.0.0.1", f"--self-signed={tmp_path}"]
    ended = subprocess.run(
        [sys.executable, ROOT / "tests" / "webhook" / "double.py", *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    line = json.loads(ended.stderr.splitlines()[-1])
    assert line["message"] == "cannot start"
    assert "in use" in line["reason"]


def test_workers_share_the_ports_and_their_counts_are_summed(serve: Serve) -> None:
    webhook = serve("--workers=2")
    requests = 60

    def post(_: int) -> int:
        with webhook.client() as client:
            return client.post(PATH, content=BODY, headers=JSON_HEADERS).status_code

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(post, range(requests))) == {200}
    labels = 'allowed="true",operation="CREATE",resource="resourceclaims",version="v1"'
    counted = webhook.metrics()
    assert counted[f"requests_total{{{labels}}}"] == requests
    assert counted["request_duration_seconds_count"] == requests
    assert counted["certificate_reloads_total"] == 2
    assert webhook.stop() == 0


def worker_pids(webhook: Served) -> set[int]:
    pid = webhook.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children")
    return {int(child) for child in children.read_text().split()}


def test_a_worker_that_dies_is_replaced_and_its_counts_stay(serve: Serve) -> None:
    webhook = serve("--workers=2")
    until(lambda: webhook.metrics()["certificate_reloads_total"] == 2)
    before = worker_pids(webhook)
    with webhook.client() as client:
        assert client.post(PATH, content=BODY, headers=JSON_HEADERS).status_code == 200
    count = webhook.metrics()["request_duration_seconds_count"]
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    webhook.line(lambda line: line["message"].startswith("a worker died"), count=2)
    until(lambda: len(worker_pids(webhook)) == 2)
    assert not worker_pids(webhook) & before
    until(lambda: webhook.metrics()["certificate_reloads_total"] == 4)
    assert webhook.metrics()["request_duration_seconds_count"] == count
    assert webhook.stop() == 0


def test_workers_end_when_their_parent_is_killed(serve: Serve) -> None:
    webhook = serve("--workers=2")
    until(lambda: webhook.metrics()["certificate_reloads_total"] == 2)
    webhook.process.kill()
    until(lambda: refuses_connections(webhook.port))
    until(lambda: refuses_connections(webhook.probe_port))
