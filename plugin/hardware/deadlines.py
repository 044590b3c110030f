"""Calls that may never return get a thread of their own, and their callers a deadline."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, TypeVar

from plugin.hardware.errors import MachineError, TimedOutError

_T = TypeVar("_T")
_Job = Callable[[], None]


class Lane:
    """A thread that makes the calls about one thing, such as one GPU, in order.

    A call that hangs blocks this lane alone: whoever asks next is told at once. When the call
    returns after all, its result is dropped and the lane is open again.
    """

    def __init__(
        self,
        name: str,
        *,
        deadline_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._name = name
        self._deadline_seconds = deadline_seconds
        self._clock = clock
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._overdue: Future[object] | None = None
        self._closed = False

    def run(self, call: Callable[[], _T]) -> _T:
        """Make one call and return its result.

        Raises:
            TimedOutError: The call, or one before it, did not return in time.
            MachineError: What the call raised, or the lane is closed.
        """
        return self.begin(call).result()

    def begin(self, call: Callable[[], _T]) -> "Answer[_T]":
        """Hand in a call without waiting for it, so that several lanes work at once.

        Raises:
            MachineError: The lane is closed.
        """
        future: Future[_T] = Future()

        def job() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = call()
            except BaseException as error:  # noqa: BLE001 - raised again where the caller waits
                future.set_exception(error)
            else:
                future.set_result(result)

        with self._lock:
            if self._closed:
                message = f"The driver is closed; {self._name} is not asked any more."
                raise MachineError(message)
            if self._overdue is not None and self._overdue.done():
                self._overdue = None
            if self._overdue is None:
                self._jobs.put(job)
                self._start()
            else:
                future.set_exception(
                    TimedOutError(f"{self._name} still hangs in an earlier call.")
                )
        return Answer(self, future, self._clock() + self._deadline_seconds)

    def wait(self, future: "Future[_T]", until: float) -> _T:
        """Return the result of a call that was handed in.

        Args:
            future: The call.
            until: When its time is over, by the lane's clock.

        Raises:
            TimedOutError: It did not come in time.
            MachineError: What the call raised.
        """
        try:
            return future.result(max(0.0, until - self._clock()))
        except TimeoutError as error:
            # A call that has not begun never will; one that has is what everybody waits for.
            if not future.cancel():
                with self._lock:
                    self._overdue = future  # type: ignore[assignment]
            message = f"{self._name} did not answer within {self._deadline_seconds:g} seconds."
            raise TimedOutError(message) from error

    def close(self) -> None:
        """Make no more calls; a call that hangs is left behind in its thread."""
        with self._lock:
            if not self._closed:
                self._closed = True
                self._jobs.put(None)

    def _start(self) -> None:
        if self._thread is None:
            # A daemon, so that a call which never returns cannot hold up the end of the process.
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


class Answer(Generic[_T]):
    """What a lane owes to one caller."""

    def __init__(self, lane: Lane, future: "Future[_T]", until: float) -> None:
        self._lane = lane
        self._future = future
        self._until = until

    def result(self) -> _T:
        """Wait for the result, as `Lane.wait` does; the deadline began when it was handed in."""
        return self._lane.wait(self._future, self._until)
