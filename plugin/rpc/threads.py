"""Threads that take up one piece of work after another, since starting one takes long."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Final

Work = Callable[[], None]

KEPT: Final = 4
"""So many threads wait for work; a node seldom prepares more claims at once."""


class Threads:
    """Runs work at once, in a thread that waits for some or in a new one.

    Threads are daemons: one that hangs does not hold up the end of the process.
    """

    def __init__(self, kept: int = KEPT) -> None:
        """Start none yet, and keep at most *kept* that have nothing to do."""
        self._kept = kept
        self._lock = threading.Lock()
        self._waiting: list[SimpleQueue[Work | None]] = []
        self._closed = False

    def run(self, work: Work) -> None:
        """Let *work*, which must not raise, be done; returns at once.

        Raises:
            RuntimeError: No thread can be started.
        """
        with self._lock:
            waiting = self._waiting.pop() if self._waiting else None
        if waiting is not None:
            waiting.put(work)
            return
        threading.Thread(target=self._live, args=(work,), name="claim", daemon=True).start()

    def close(self) -> None:
        """Let threads end that wait for work, and others when theirs is done."""
        with self._lock:
            self._closed = True
            waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.put(None)

    def _live(self, first: Work) -> None:
        mine: SimpleQueue[Work | None] = SimpleQueue()
        work: Work | None = first
        while work is not None:
            work()
            with self._lock:
                if self._closed or len(self._waiting) >= self._kept:
                    return
                self._waiting.append(mine)
            # What was done must not be kept alive by a thread that waits.
            work = None
            work = mine.get()
