"""Objects that several want at about the same moment, asked for once."""

import threading
from collections.abc import Callable
from typing import Final, Protocol

FRESH_SECONDS: Final = 2.0


class Reader(Protocol):
    """The part of `client.Client` that is needed."""

    def get_bytes(self, path: str) -> bytes:
        """Return the object at *path* as the server writes it."""
        ...


class RecentReads:
    """Reads through a client, and answers again what was read a moment ago.

    Safe to use from several threads; of two that want the same object one asks and both get it.
    """

    def __init__(
        self,
        client: Reader,
        *,
        monotonic: Callable[[], float],
        fresh_seconds: float = FRESH_SECONDS,
    ) -> None:
        """Ask nothing yet.

        Args:
            client: The API server; whatever it raises is raised here, and not remembered.
            monotonic: Seconds of a clock that never goes back.
            fresh_seconds: How old an answer may be.
        """
        self._client = client
        self._monotonic = monotonic
        self._fresh_seconds = fresh_seconds
        self._lock = threading.Lock()
        self._read: dict[str, tuple[float, bytes]] = {}

    def get_bytes(self, path: str) -> bytes:
        """Return the object at *path* as the server writes it, or wrote it a moment ago."""
        with self._lock:
            now = self._monotonic()
            self._read = {
                one: (at, text)
                for one, (at, text) in self._read.items()
                if now - at <= self._fresh_seconds
            }
            if path in self._read:
                return self._read[path][1]
            text = self._client.get_bytes(path)
            self._read[path] = (self._monotonic(), text)
            return text
