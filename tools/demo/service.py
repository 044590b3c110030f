"""A webhook in a process and a folder of its own, both gone when the demo is."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

READY_SECONDS: Final = 30.0
STOP_SECONDS: Final = 10.0


class DemoFailed(Exception):  # noqa: N818 - it says what happened
    """The demo cannot go on; its text is a sentence for the person who started it."""


@dataclass(frozen=True, slots=True)
class RunningWebhook:
    """Where a webhook answers."""

    address: str
    port: int
    """For reviews, over TLS."""
    probe_port: int
    """For probes and metrics, in plain text."""
    ca_file: Path
    """What a client must trust."""
    log: list[dict[str, Any]]
    """Its log lines so far; the list grows."""


@contextmanager
def running_webhook(root: Path, folder: Path, gates: str) -> Generator[RunningWebhook]:
    """Run the webhook of the repository at *root* on free ports of this machine only.

    Its certificate is made in *folder*. On the way out it is asked to stop, and killed when it
    does not.

    Raises:
        DemoFailed: If it ends, or says nothing, before it listens.
    """
    address = "127.0.0.1"
    command = [sys.executable, "-m", "webhook", f"--bind-address={address}", "--port=0"]
    command += ["--probe-port=0", f"--self-signed={folder}", f"--feature-gates={gates}"]
    command += ["--shutdown-delay=0"]
    # In a session of its own, Ctrl-C reaches only the demo, which then stops it in order.
    process = subprocess.Popen(
        command,
        cwd=root,
        env=_environment(),
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    reader = _LogReader(process)
    try:
        listening = reader.line(lambda line: line.get("message") == "listening")
        yield RunningWebhook(
            address,
            listening["port"],
            listening["probePort"],
            folder / "ca.crt",
            reader.lines,
        )
    finally:
        _stop(process)
        reader.join()


class _LogReader:
    """Reads the log of a process while the process runs."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.lines: list[dict[str, Any]] = []
        self._rest: list[str] = []
        self._process = process
        self._ended = False
        self._arrived = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def join(self) -> None:
        """Wait until the last line of a process that has ended is read."""
        self._thread.join(STOP_SECONDS)
        if self._process.stderr is not None and not self._thread.is_alive():
            self._process.stderr.close()

    def _read(self) -> None:
        for text in self._process.stderr or ():
            with self._arrived:
                try:
                    self.lines.append(json.loads(text))
                except ValueError:
                    self._rest.append(text)
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def line(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for the first line that is *wanted*, and return it.

        Raises:
            DemoFailed: If the process ends before, or takes more than 30 seconds.
        """
        with self._arrived:
            self._arrived.wait_for(
                lambda: self._ended or any(map(wanted, self.lines)), READY_SECONDS
            )
            found = next(filter(wanted, self.lines), None)
            if found is None:
                said = [json.dumps(line) for line in self.lines] + self._rest
                raise DemoFailed("\n".join(["the webhook does not start:", *said]))
            return found


def _environment() -> dict[str, str]:
    """Return this process's environment without what would set up the webhook otherwise."""
    ours = ("DRA_CONFIG_WEBHOOK_", "FEATURE_GATES", "FABRIC_TOPOLOGY_SUPPORT")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)}


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
