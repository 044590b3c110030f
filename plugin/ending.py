"""Why, when and in which order the process ends."""

import logging
import signal
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Final

from plugin.hardware.errors import VersionMismatchError
from plugin.hardware.port import Machine
from plugin.rpc.edge import Edge
from plugin.rpc.log import Log

STOPPED: Final = 0
FAILED: Final = 1
"""It could not start, or has a defect."""
LAST_WORK_SECONDS: Final = 12.0
"""How long a thread may take to notice the end; one question to the driver lasts no longer."""
REPLACED_DRIVER: Final = 3
"""The driver was replaced, and a process keeps the library that it loaded first."""


class Ending:
    """The exit status, once somebody has asked for the end; the first who asks decides."""

    def __init__(self, log: Log) -> None:
        """Wait for nobody yet; *log* is told why the process ends."""
        self.requested = threading.Event()
        self._lock = threading.Lock()
        self._log = log
        self._status: int = STOPPED

    @property
    def status(self) -> int:
        """Return the exit status of the process."""
        return self._status

    def request(self, status: int) -> None:
        """Ask for the end; may be called from any thread, and from a signal handler."""
        # A signal handler must not wait for a lock that the thread below it may hold.
        if not self._lock.acquire(blocking=False):
            return
        try:
            if not self.requested.is_set():
                self._status = status
                self.requested.set()
        finally:
            self._lock.release()

    def obey_signals(self) -> None:
        """End on SIGTERM and SIGINT from now on; called from the main thread."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._told_to_stop)

    def _told_to_stop(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.request(STOPPED)

    def watch_threads(self) -> None:
        """Let the death of any thread end the process from now on."""
        threading.excepthook = self._died

    def thread(self, name: str, work: Callable[[threading.Event], None]) -> threading.Thread:
        """Return a thread that does *work* until the end is requested, which it is given."""
        return threading.Thread(target=work, args=(self.requested,), name=name, daemon=True)

    def _died(self, death: threading.ExceptHookArgs) -> None:
        name = "" if death.thread is None else death.thread.name
        if isinstance(death.exc_value, VersionMismatchError):
            self._log.event(
                logging.ERROR,
                "the driver was replaced; starting anew",
                reason=str(death.exc_value),
            )
            self.request(REPLACED_DRIVER)
            return
        lines = traceback.format_exception(death.exc_type, death.exc_value, death.exc_traceback)
        self._log.event(
            logging.CRITICAL, "a thread died of a defect", thread=name, traceback="".join(lines)
        )
        self.request(FAILED)


def take_down(
    edge: Edge, threads: tuple[threading.Thread, ...], machine: Machine, grace_seconds: float
) -> None:
    """Let the kubelet's calls end and the threads, and let go of the machine if all have."""
    idle = edge.stop(grace_seconds)
    for thread in threads:
        thread.join(LAST_WORK_SECONDS)
    if idle and not any(thread.is_alive() for thread in threads):
        machine.close()
