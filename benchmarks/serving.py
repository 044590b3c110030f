"""Servers under measurement: started on a core of their own, asked for their port, stopped."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from benchmarks.cores import SERVER_CORE, stay_on
from benchmarks.inputs import ROOT
from webhook.certificates import SelfSigned, ensure_self_signed

ADDRESS: Final = "127.0.0.1"
_START_SECONDS: Final = 60.0
_LOOK_SECONDS: Final = 0.005


class ServerFailed(RuntimeError):  # noqa: N818 - it says what happened
    """A server did not start; the text holds its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that listens."""

    process: int
    port: int
    ready_seconds: float
    """From the start of the process to the line that says that it listens."""


def certificate(folder: Path) -> SelfSigned:
    """Return a pair for this machine, made in *folder*."""
    now = datetime.fromtimestamp(time.time(), UTC)
    return ensure_self_signed(folder, ("localhost", ADDRESS), now)


@contextmanager
def serving(
    module: str, made: SelfSigned, log: Path, arguments: Sequence[str] = ()
) -> Generator[Server]:
    """Run ``python -m MODULE`` on the server's core; its log goes to a file.

    Raises:
        ServerFailed: If it does not listen within a minute.
    """
    command = [sys.executable, "-m", module, "--port=0", "--probe-port=0", "--shutdown-delay=0"]
    command += [f"--bind-address={ADDRESS}", f"--tls-cert-file={made.pair.certificate}"]
    command += [f"--tls-private-key-file={made.pair.key}", *arguments]
    unset = ("DRA_CONFIG_WEBHOOK_", "FEATURE_GATES", "FABRIC_TOPOLOGY_SUPPORT")
    environment = {n: value for n, value in os.environ.items() if not n.startswith(unset)}
    with log.open("wb") as sink, stay_on(SERVER_CORE):
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=sink)
    try:
        port = _port(process, log)
        yield Server(process.pid, port, time.perf_counter() - started)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for line in log.read_bytes().splitlines():
            if b'"listening"' in line and line.endswith(b"}"):
                return int(json.loads(line)["port"])
        time.sleep(_LOOK_SECONDS)
    raise ServerFailed(log.read_text(encoding="utf-8", errors="replace"))
