"""The test process's end of the keeper: namespaces, and the processes in them."""

import json
import os
import select
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.cluster.cleanup import started_at
from tests.cluster.waiting import RigError

KEEPER = Path(__file__).with_name("keeper.py")
CHUNK_BYTES = 65536
ANSWER_SECONDS = 20.0


class Namespaces:
    """A pid and a mount namespace, perhaps a network namespace, and who keeps them.

    Attributes:
        pid: Process 1 of the pid namespace, as the host numbers it.
    """

    def __init__(self, *, log: Path, own_network: bool) -> None:
        """Make the namespaces.

        Args:
            log: Where the keeper's own complaints go.
            own_network: Whether the processes get a network of their own, with nothing in it.

        Raises:
            RigError: The machine does not allow it.
        """
        self.pid = 0
        self._log = log
        self._lock = threading.Lock()
        self._pending = b""
        self._ended: dict[int, int] = {}
        self._orders = 0
        network = ["--net"] if own_network else []
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [
                    "unshare",
                    *("--pid", "--fork", "--kill-child", "--mount", "--mount-proc"),
                    *network,
                    *("--", sys.executable, "-I", str(KEEPER)),
                ],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                # Ctrl-C is for the test process, which then stops everything in order.
                start_new_session=True,
            )
        try:
            self._hello()
        except BaseException:
            self.close()
            raise

    def _hello(self) -> None:
        """Wait until the keeper serves, and learn its pid.

        `unshare` forks before it starts the keeper; its only child is process 1.
        """
        parent = self._process.pid
        self.ask({"signal": [0, 0]})
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="utf-8")
        self.pid = int(children.split()[0])

    @property
    def started(self) -> str:
        """When process 1 started, as the kernel writes it."""
        return started_at(self.pid) or ""

    def _receive(self, *, seconds: float) -> list[dict[str, Any]]:
        """Return the messages that came; wait at most *seconds* for the first."""
        output = self._process.stdout
        assert output is not None
        poll = select.poll()
        poll.register(output, select.POLLIN)
        lines: list[bytes] = []
        while not lines:
            if not poll.poll(seconds * 1000):
                return []
            received = os.read(output.fileno(), CHUNK_BYTES)
            if received:
                *lines, self._pending = (self._pending + received).split(b"\n")
                continue
            complaint = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise RigError(f"the keeper of the rig's namespaces has ended: {complaint}")
        messages: list[dict[str, Any]] = [json.loads(line) for line in lines]
        for message in messages:
            if "ended" in message:
                pid, code = message["ended"]
                self._ended[pid] = code
        return messages

    def ask(self, order: Mapping[str, Any]) -> dict[str, Any]:
        """Send an order and return its answer.

        Raises:
            RigError: The keeper is gone, or does not answer within 20 seconds.
        """
        entry = self._process.stdin
        assert entry is not None
        with self._lock:
            self._orders += 1
            number = self._orders
            line = json.dumps(dict(order) | {"order": number}).encode() + b"\n"
            try:
                os.write(entry.fileno(), line)
            except BrokenPipeError:
                # The keeper is gone, and the next line says why.
                self._receive(seconds=ANSWER_SECONDS)
            while True:
                messages = self._receive(seconds=ANSWER_SECONDS)
                if not messages:
                    raise RigError("the keeper of the rig's namespaces does not answer")
                for message in messages:
                    # An answer of another number was left by an order that Ctrl-C cut short.
                    if message.get("order") == number:
                        return message

    def start(
        self,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        output: Path,
        errors: Path,
        entry: Path = Path(os.devnull),
    ) -> int:
        """Start a program inside, without a shell; return its pid there.

        Args:
            arguments: The program's path and what it is told.
            environment: All of its environment.
            output: The file that its standard output is added to.
            errors: The file that its standard error is added to; may be the same.
            entry: The file that is its standard input.

        Raises:
            RigError: The program cannot be started.
        """
        order = {
            "start": {
                "arguments": list(arguments),
                "environment": dict(environment),
                "files": [str(entry), str(output), str(errors)],
            }
        }
        answer = self.ask(order)
        if "failed" in answer:
            raise RigError(answer["failed"])
        pid: int = answer["started"]
        return pid

    def signal(self, pid: int, number: int) -> None:
        """Send a signal to a process that was started here; nothing happens when it has ended."""
        self.ask({"signal": [pid, number]})

    def exit_code(self, pid: int) -> int | None:
        """Return how a process ended, negative for a signal; None while it runs."""
        with self._lock:
            while pid not in self._ended:
                if not self._receive(seconds=0):
                    return None
            return self._ended[pid]

    def close(self) -> None:
        """End everything inside and wait until the kernel has buried it all."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(ANSWER_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()
