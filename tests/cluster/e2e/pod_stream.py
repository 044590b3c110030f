"""Pods with GPUs without a pause, while something else happens to the plugin."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from tests.cluster.client import Refusal
from tests.cluster.e2e.workplace import PREPARE_FAILED, SECONDS, Workplace
from tests.cluster.waiting import RigError, wait_until

MOST_PODS = 200


class PodStream:
    """Starts one pod after the other, each with a GPU, and deletes it once it runs.

    Attributes:
        ran: The names of the pods that ran and are gone.
        wrong: What was not as it must be, in sentences; empty is good.
    """

    WINDOW: ClassVar = 3
    """Pods that start and end at least in what `window` waits for."""

    def __init__(self, work: Workplace) -> None:
        """Start nothing yet."""
        self._work = work
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.ran: list[str] = []
        self.wrong: list[str] = []

    def _run(self) -> None:
        for number in range(MOST_PODS):
            if self._stop.is_set():
                return
            name = f"stream-{number}"
            try:
                self._work.pod_with_gpu(name)
                self._work.wait_running(name)
                self._work.delete_pod(name)
            except (Refusal, RigError) as error:
                self.wrong.append(f"{name}: {error}")
                return
            self.ran.append(name)

    def start(self) -> None:
        """Start the first pod."""
        self._thread.start()

    def window(self) -> None:
        """Wait until some more pods ran, or one went wrong.

        Raises:
            RigError: They do not.
        """
        # The pod that is on its way now does not count.
        wanted = len(self.ran) + 1 + self.WINDOW
        wait_until(
            lambda: bool(self.wrong) or len(self.ran) >= wanted,
            seconds=SECONDS,
            otherwise=lambda: f"{len(self.ran)} pods ran, not {wanted}",
        )

    def end(self) -> None:
        """Let the last pod run and go."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Fail unless all pods ran, and each at the first try."""
        assert not self.wrong, self.wrong
        failed = [
            f"{name}: {event['message']}"
            for name in self.ran
            for event in self._work.events(name, reason=PREPARE_FAILED)
        ]
        assert not failed, failed


@contextmanager
def pods_without_a_pause(work: Workplace) -> Iterator[PodStream]:
    """Run pods while the block runs, and fail if one did not start at once."""
    stream = PodStream(work)
    stream.start()
    try:
        stream.window()
        yield stream
    finally:
        stream.end()
    stream.check()
