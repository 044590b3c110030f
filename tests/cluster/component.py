"""One process of a rig: started without a shell, awaited by a condition, stopped by its pid."""

import signal
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.cluster.namespaces import Namespaces
from tests.cluster.waiting import RigError, wait_until

TAIL_LINES = 20
TAIL_CHARACTERS = 6000
READY_SECONDS = 60.0
STOP_SECONDS = 15.0
KILL_SECONDS = 15.0


class Component:
    """A process in a rig's namespaces.

    Attributes:
        name: What it is called in errors; its log file is named after it.
        arguments: The program's path and what it is told; change it before a restart.
        environment: All of its environment.
        log: Its output, of all its starts.
        pid: Its pid inside the rig.
    """

    def __init__(
        self,
        namespaces: Namespaces,
        name: str,
        arguments: Sequence[str],
        *,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        """Start the process; it need not be ready yet.

        Raises:
            RigError: The program cannot be started.
        """
        self.name = name
        self.arguments = list(arguments)
        self.environment = dict(environment)
        self.log = log
        self._namespaces = namespaces
        self.pid = 0
        self.start()

    def start(self) -> None:
        """Start the process, once more after a stop.

        Raises:
            RigError: The program cannot be started.
        """
        self.pid = self._namespaces.start(
            self.arguments, environment=self.environment, output=self.log, errors=self.log
        )

    def exit_code(self) -> int | None:
        """Return how the process ended, negative for a signal; None while it runs."""
        return self._namespaces.exit_code(self.pid)

    def tail(self) -> str:
        """Return the last lines of the log."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-TAIL_LINES:])[-TAIL_CHARACTERS:]

    def wait_ready(self, ready: Callable[[], bool], *, seconds: float = READY_SECONDS) -> None:
        """Wait until *ready* holds.

        Raises:
            RigError: The process has ended, or is not ready in time; the error carries the last
                lines of its log.
        """

        def ready_or_ended() -> bool:
            if ready():
                return True
            code = self.exit_code()
            if code is not None:
                raise RigError(f"{self.name} has ended with code {code}:\n{self.tail()}")
            return False

        wait_until(
            ready_or_ended,
            seconds=seconds,
            otherwise=lambda: f"{self.name} is not ready; its log ends with:\n{self.tail()}\n",
        )

    def wait(self, *, seconds: float) -> int:
        """Wait for the end of the process and return its exit code.

        Raises:
            RigError: It runs on.
        """
        wait_until(
            lambda: self.exit_code() is not None,
            seconds=seconds,
            otherwise=lambda: f"{self.name} runs on; its log ends with:\n{self.tail()}\n",
        )
        code = self.exit_code()
        assert code is not None
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the process; nothing happens when it has ended."""
        self._namespaces.signal(self.pid, number)

    def kill(self) -> None:
        """End the process at once, as the kernel does when memory runs out."""
        self.signal(signal.SIGKILL)
        self.wait(seconds=KILL_SECONDS)

    def stop(self, *, seconds: float = STOP_SECONDS) -> None:
        """Ask the process to end, and kill it when it does not within *seconds*."""
        self.signal(signal.SIGTERM)
        try:
            self.wait(seconds=seconds)
        except RigError:
            self.kill()
