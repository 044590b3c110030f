"""Keeps the mirror true: lists once, then watches, and lists again when the thread is lost."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from kube.errors import ExpiredError, KubeError, UnreachableError
from plugin.publishing.mirror import Mirror
from plugin.publishing.reports import ServerFound, ServerLost, Tell
from plugin.publishing.slices import SliceServer, SliceWatch

_Answer = TypeVar("_Answer")

OUTAGE_SECONDS: Final = 10.0
"""The nodes of a cluster come back spread over so many seconds."""

SHORTEST_WATCH_SECONDS: Final = 1.0
"""A watch that ends sooner is not opened again at once."""

FIRST_REFUSED_SECONDS: Final = 1.0
LONGEST_REFUSED_SECONDS: Final = 30.0
"""How long a server that has too much to do is left alone, if it does not say so itself."""


class Follower:
    """Follows the server's slices in one thread until it is stopped."""

    def __init__(
        self,
        server: SliceServer,
        mirror: Mirror,
        *,
        tell: Tell,
        monotonic: Callable[[], float],
        jitter: Callable[[float], float],
        pause: Callable[[float], object] | None = None,
    ) -> None:
        """Ask nothing yet.

        Args:
            server: The API server.
            mirror: What is told of changes.
            tell: Hears of outages.
            monotonic: Seconds of a clock that never goes back.
            jitter: Returns a random number from 0 to its argument.
            pause: Waits so many seconds, or until `stop`; None waits by the machine's clock.
        """
        self._server = server
        self._mirror = mirror
        self._tell = tell
        self._monotonic = monotonic
        self._jitter = jitter
        self._stopping = threading.Event()
        self._pause = pause or self._stopping.wait
        self._lock = threading.Lock()
        self._watch: SliceWatch | None = None
        self._answers: bool | None = None
        self._refusals = 0

    def run(self) -> None:
        """Follow until `stop`."""
        while not self._stopping.is_set():
            try:
                snapshot = self._asked(self._server.connect)
                if snapshot is None:
                    return
                self._found()
                self._mirror.reset(snapshot)
                self._follow(snapshot.resource_version)
            except ExpiredError:
                self._pause(self._jitter(SHORTEST_WATCH_SECONDS))
            except KubeError as error:
                self._lose(str(error))

    def reconnect(self) -> None:
        """List again, after the pause of an outage: the mirror was told to forget."""
        with self._lock:
            if self._watch is not None:
                self._watch.end()

    def stop(self) -> None:
        """End `run`, from another thread."""
        self._stopping.set()
        with self._lock:
            if self._watch is not None:
                self._watch.end()

    def _follow(self, resource_version: str) -> None:
        """Watch until `stop`, or raise what forces another list."""
        while not self._stopping.is_set():
            begun = self._monotonic()
            watch = self._asked(partial(self._server.watch, resource_version))
            if watch is None:
                return
            with self._lock:
                self._watch = watch
                if self._stopping.is_set() or self._mirror.slices() is None:
                    watch.end()
            try:
                for event in watch:
                    self._mirror.apply(event)
            finally:
                with self._lock:
                    self._watch = None
            if self._mirror.slices() is None:
                if not self._stopping.is_set():
                    self._lose("a write got no answer")
                return
            resource_version = watch.resource_version
            if self._monotonic() - begun < SHORTEST_WATCH_SECONDS:
                self._pause(SHORTEST_WATCH_SECONDS)

    def _asked(self, request: Callable[[], _Answer]) -> _Answer | None:
        """Return the answer to a request, or None once `stop` is called.

        A server that has too much to do refuses some of what comes in at once, such as the first
        questions of all nodes of a cluster. It has done nothing then, and what is known of it is
        still true: so the same question is asked again later, and nothing else.
        """
        while not self._stopping.is_set():
            try:
                answer = request()
            except UnreachableError as error:
                if not error.refused:
                    raise
                self._pause(self._patience(error.retry_after_seconds))
            else:
                self._refusals = 0
                return answer
        return None

    def _patience(self, wished_seconds: float) -> float:
        """Return how long to wait after a refusal: longer each time, and not all nodes alike."""
        shortest = max(FIRST_REFUSED_SECONDS, wished_seconds)
        seconds = min(LONGEST_REFUSED_SECONDS, shortest * 2.0**self._refusals)
        if seconds < LONGEST_REFUSED_SECONDS:
            self._refusals += 1
        return seconds + self._jitter(seconds)

    def _found(self) -> None:
        if not self._answers:
            self._tell(ServerFound())
        self._answers = True

    def _lose(self, reason: str) -> None:
        """Forget what the server has, and wait.

        The first wait of an outage is random, the later ones are all equally long: so each node
        keeps its place among the others, and is back within ten seconds of the server's return.
        """
        self._mirror.forget()
        if self._answers is False:
            self._pause(OUTAGE_SECONDS)
            return
        self._answers = False
        self._tell(ServerLost(reason=reason))
        self._pause(self._jitter(OUTAGE_SECONDS))
