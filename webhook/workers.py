"""Several worker processes on the same sockets: started, started again, stopped."""

import contextlib
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Final, TypeAlias

from logs.lines import Log, LogLevel

Serve: TypeAlias = Callable[[int, int], None]
"""Serves as the worker of this index until a signal, or until this descriptor becomes readable."""

FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 16.0
STEADY_SECONDS: Final = 10.0
"""A worker that lived for so long did not die of its start."""


class _Place:
    """One worker's place, whoever fills it."""

    def __init__(self) -> None:
        self.pid: int | None = None
        self.started = 0.0
        self.start_at = 0.0
        self.pause_seconds = FIRST_PAUSE_SECONDS


class Supervisor:
    """Keeps workers running; it has one thread and serves nothing, so it can always fork."""

    def __init__(self, workers: int, serve: Serve, log: Log, *, stop_seconds: float) -> None:
        """Run *workers* processes that *serve*, and give them *stop_seconds* to end."""
        self._places = [_Place() for _ in range(workers)]
        self._serve = serve
        self._log = log
        self._stop_seconds = stop_seconds
        self._wake_read, self._wake_write = _pipe()
        # Workers hold the reading end; it becomes readable when this process is gone.
        self._alive_read, self._alive_write = _pipe()

    def run(self, *, on_started: Callable[[], None]) -> None:
        """Start the workers, replace those that die, and stop all on SIGTERM or SIGINT.

        *on_started* is called once, after the first worker of each place was started.
        """
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            # Python wants some handler; the number arrives through the pipe.
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(self._wake_write)
        self._start_missing()
        on_started()
        while (stop_signal := self._stop_signal()) is None:
            self._start_missing()
            self._wait(self._seconds_to_next_start())
            self._reap()
        self._stop(stop_signal)

    def _stop_signal(self) -> signal.Signals | None:
        received = b""
        with contextlib.suppress(BlockingIOError):
            received = os.read(self._wake_read, 4096)
        for number in received:
            if number in {signal.SIGTERM, signal.SIGINT}:
                return signal.Signals(number)
        return None

    def _start_missing(self) -> None:
        now = time.monotonic()
        for index, place in enumerate(self._places):
            if place.pid is None and place.start_at <= now:
                place.started = now
                place.pid = self._fork(index)

    def _fork(self, index: int) -> int:
        pid = os.fork()
        if pid:
            return pid
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            for descriptor in (self._wake_read, self._wake_write, self._alive_write):
                os.close(descriptor)
            self._serve(index, self._alive_read)
            code = 0
        except Exception as error:  # noqa: BLE001 - the outer edge of this process
            trace = "".join(traceback.format_exception(error))
            self._log.event(LogLevel.ERROR, "a worker failed", worker=index, traceback=trace)
        finally:
            os._exit(code)

    def _seconds_to_next_start(self) -> float | None:
        waiting = [place.start_at for place in self._places if place.pid is None]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _wait(self, seconds: float | None) -> None:
        select.select([self._wake_read], [], [], seconds)

    def _reap(self) -> None:
        for index, place in enumerate(self._places):
            if place.pid is None:
                continue
            pid, status = os.waitpid(place.pid, os.WNOHANG)
            if not pid:
                continue
            now = time.monotonic()
            steady = now - place.started >= STEADY_SECONDS
            pause = FIRST_PAUSE_SECONDS if steady else place.pause_seconds
            place.pause_seconds = min(2 * pause, LONGEST_PAUSE_SECONDS)
            place.start_at = now if steady else now + pause
            place.pid = None
            self._log.event(
                LogLevel.ERROR,
                "a worker died and is started again",
                worker=index,
                pid=pid,
                exit=os.waitstatus_to_exitcode(status),
            )

    def _stop(self, number: signal.Signals) -> None:
        deadline = time.monotonic() + self._stop_seconds
        self._signal(number)
        while any(place.pid is not None for place in self._places):
            left = deadline - time.monotonic()
            if left <= 0:
                self._signal(signal.SIGKILL)
            self._wait(max(0.05, left))
            again = self._stop_signal()
            if again is not None:
                self._signal(again)
            for place in self._places:
                if place.pid is not None and os.waitpid(place.pid, os.WNOHANG)[0]:
                    place.pid = None

    def _signal(self, number: signal.Signals) -> None:
        for place in self._places:
            if place.pid is not None:
                os.kill(place.pid, number)


def _ignore(_number: int, _frame: FrameType | None) -> None:
    return


def _pipe() -> tuple[int, int]:
    read_end, write_end = os.pipe()
    os.set_blocking(read_end, False)
    os.set_blocking(write_end, False)
    return read_end, write_end
