"""A webhook in a process of its own, and the reviews to send it."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.client import HTTPResponse
from pathlib import Path
from typing import Any, ClassVar

import httpx
import trustme
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).resolve().parents[2]
PATH = "/validate-resource-claim-parameters"
PATIENCE_SECONDS = 30.0
JSON_HEADERS = {"content-type": "application/json"}


def until(condition: Callable[[], bool]) -> None:
    """Wait for *condition*, and fail when it does not come true."""
    pause = threading.Event()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true"
        pause.wait(0.02)


def write_pair(folder: Path, certificate: trustme.LeafCert) -> None:
    """Write *certificate* and its key into *folder* under the names that a Secret uses."""
    folder.mkdir(parents=True, exist_ok=True)
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    (folder / "tls.crt").write_bytes(chain)
    (folder / "tls.key").write_bytes(certificate.private_key_pem.bytes())


def config(word: str = "fine", driver: str = "gpu.nvidia.com") -> dict[str, Any]:
    """Return an entry of a config list whose parameters contain *word*."""
    return {"opaque": {"driver": driver, "parameters": {"strategy": word}}}


def review(
    *configs: dict[str, Any], uid: str = "uid-1", name: str = "x", operation: str = "CREATE"
) -> dict[str, Any]:
    """Return the review of a claim with *configs*."""
    version = {"group": "resource.k8s.io", "version": "v1"}
    claim = {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaim",
        "metadata": {"name": name, "namespace": "team", "uid": "object-uid"},
        "spec": {"devices": {"requests": [{"name": "gpu"}], "config": list(configs)}},
    }
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": uid,
            "kind": {**version, "kind": "ResourceClaim"},
            "resource": {**version, "resource": "resourceclaims"},
            "name": name,
            "namespace": "team",
            "operation": operation,
            "object": claim,
            "oldObject": claim if operation == "UPDATE" else None,
            "dryRun": False,
        },
    }


class Served:
    """A running webhook whose verdict is that of ``double.py``."""

    program: ClassVar[tuple[str, ...]] = (str(Path(__file__).with_name("double.py")),)
    """What Python runs."""

    def __init__(
        self, folder: Path, trust: ssl.SSLContext, *arguments: str, **environment: str
    ) -> None:
        """Start it with the pair in *folder*; `trust` is what clients believe in."""
        self.trust = trust
        self.lines: list[dict[str, Any]] = []
        self._arrived = threading.Condition()
        command = [sys.executable, *self.program]
        command += ["--port=0", "--probe-port=0", "--bind-address=127.0.0.1"]
        if folder.is_dir():
            command += [f"--tls-cert-file={folder / 'tls.crt'}"]
            command += [f"--tls-private-key-file={folder / 'tls.key'}"]
        if not any(argument.startswith("--shutdown-delay") for argument in arguments):
            command += ["--shutdown-delay=0"]
        self.process = subprocess.Popen(
            [*command, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        listening = self.line(lambda line: line["message"] == "listening")
        self.port: int = listening["port"]
        self.probe_port: int = listening["probePort"]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            with self._arrived:
                self.lines.append(json.loads(text))
                self._arrived.notify_all()
        with self._arrived:
            self._arrived.notify_all()

    def line(self, wanted: Callable[[Mapping[str, Any]], bool], count: int = 1) -> dict[str, Any]:
        """Wait for the *count*-th log line that is *wanted*, and return it."""
        with self._arrived:
            assert self._arrived.wait_for(
                lambda: len([line for line in self.lines if wanted(line)]) >= count,
                PATIENCE_SECONDS,
            ), self.lines
            return [line for line in self.lines if wanted(line)][count - 1]

    def client(self) -> httpx.Client:
        """Return a client of the review port."""
        return httpx.Client(
            base_url=f"https://localhost:{self.port}", verify=self.trust, trust_env=False
        )

    def probe(self, path: str) -> httpx.Response:
        """Ask the probe port."""
        return httpx.get(f"http://127.0.0.1:{self.probe_port}{path}", trust_env=False)

    def metrics(self) -> dict[str, float]:
        """Return every series by its name without our prefix, its labels in alphabetic order."""
        return {
            _series(sample.name, sample.labels): float(sample.value)
            for family in text_string_to_metric_families(self.probe("/metrics").text)
            for sample in family.samples
        }

    def connect(self) -> ssl.SSLSocket:
        """Open a TLS connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)
        return self.trust.wrap_socket(plain, server_hostname="localhost")

    def stop(self) -> int:
        """Send SIGTERM, wait for the end, and return the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(PATIENCE_SECONDS)
        self._reader.join(PATIENCE_SECONDS)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return status


def _series(name: str, labels: Mapping[str, str]) -> str:
    listed = ",".join(f'{label}="{value}"' for label, value in sorted(labels.items()))
    return name.removeprefix("dra_config_webhook_") + (f"{{{listed}}}" if listed else "")


def post_head(length: int | None, path: str = PATH) -> bytes:
    """Return the header of a review of *length* bytes, or of a chunked one."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Content-Type: application/json", size]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def status_of(answer: bytes) -> int:
    """Return the status of a raw HTTP *answer*."""
    assert answer.startswith(b"HTTP/1.1 "), answer
    return int(answer[9:12])


def read_status(connection: ssl.SSLSocket) -> int:
    """Read one whole answer, and return its status."""
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status
