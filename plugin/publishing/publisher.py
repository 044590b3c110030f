"""Keeps the slices of this node as the latest offer wants them, in two threads."""

import threading
from collections.abc import Callable
from typing import Final

from plugin.publishing.follower import Follower
from plugin.publishing.layout import Offer
from plugin.publishing.mirror import Mirror
from plugin.publishing.reconciler import Again, Disconnected, Reconciler, Settled, Turn, Unknown
from plugin.publishing.reports import Tell
from plugin.publishing.slices import SliceServer
from plugin.publishing.writer_lock import WriterLock

LOCK_SECONDS: Final = 0.5
"""How often an instance that waits for its turn looks whether the lock is free."""


class Publisher:
    """Publishes from `start` until `release` or `stop`, whatever happens to the server.

    Slices stay when it ends: the kubelet removes them if no other instance comes.
    """

    def __init__(
        self,
        server: SliceServer,
        lock: WriterLock,
        *,
        tell: Tell,
        monotonic: Callable[[], float],
        jitter: Callable[[float], float],
    ) -> None:
        """Start nothing yet.

        Args:
            server: The API server.
            lock: Held while slices are written, and until `release`.
            tell: Hears what happens; called from two threads.
            monotonic: Seconds of a clock that never goes back.
            jitter: Returns a random number from 0 to its argument.
        """
        self._lock = lock
        self._changed = threading.Condition()
        self._mirror = Mirror(self._changed, monotonic=monotonic)
        self._follower = Follower(
            server, self._mirror, tell=tell, monotonic=monotonic, jitter=jitter
        )
        self._reconciler = Reconciler(
            server,
            self._mirror,
            tell=tell,
            monotonic=monotonic,
            jitter=jitter,
            may_write=lambda: not self._released,
        )
        self._offer: Offer | None = None
        self._settled: tuple[Offer, int] | None = None
        self._released = False
        self._threads = (
            threading.Thread(target=self._follower.run, name="slices-follow", daemon=True),
            threading.Thread(target=self._write, name="slices-write", daemon=True),
        )

    def start(self) -> None:
        """Begin to follow the server and to wait for the lock; call it once."""
        for thread in self._threads:
            thread.start()

    def publish(self, offer: Offer) -> None:
        """Let the slices become as *offer* wants them; the latest offer counts.

        Returns at once. An offer that equals the one before costs nothing.
        """
        with self._changed:
            if offer != self._offer:
                self._offer = offer
                self._changed.notify_all()

    def wait_published(self, seconds: float) -> bool:
        """Wait until the slices are as the latest offer wants them; False after *seconds*."""
        with self._changed:
            return self._changed.wait_for(self._is_published, seconds)

    @property
    def published(self) -> bool:
        """Say whether the slices are as the latest offer wants them, as far as is known."""
        with self._changed:
            return self._is_published()

    def release(self) -> None:
        """Let another instance write: finish the present write and give the lock up for good."""
        with self._changed:
            self._released = True
            self._changed.notify_all()
        self._join(self._threads[1])

    def stop(self) -> None:
        """End both threads; the slices stay."""
        self.release()
        self._follower.stop()
        self._join(self._threads[0])

    def _join(self, thread: threading.Thread) -> None:
        if thread.ident is not None:
            thread.join()

    def _is_published(self) -> bool:
        return self._offer is not None and self._settled == (self._offer, self._mirror.version)

    def _write(self) -> None:
        """Make turns until `release`."""
        try:
            while self._await_turn():
                with self._changed:
                    offer, version = self._offer, self._mirror.version
                if offer is not None:
                    self._rest(offer, version, self._reconciler.turn(offer))
        finally:
            self._lock.release()

    def _await_turn(self) -> bool:
        """Wait until there is an offer, the server is known and the lock is held."""
        with self._changed:
            while not self._released:
                if self._offer is None or self._mirror.slices() is None:
                    self._changed.wait()
                elif self._lock.acquire():
                    return True
                else:
                    self._changed.wait(LOCK_SECONDS)
            return False

    def _rest(self, offer: Offer, version: int, turn: Turn) -> None:
        """Wait as long as *turn* says, or until something has changed since *version*."""
        if isinstance(turn, Disconnected):
            self._follower.reconnect()
        if isinstance(turn, Disconnected | Unknown):
            return
        with self._changed:
            if isinstance(turn, Settled):
                self._settled = (offer, version)
                self._changed.notify_all()
            seconds = turn.seconds if isinstance(turn, Again) else None
            self._changed.wait_for(
                lambda: (
                    self._released or offer is not self._offer or version != self._mirror.version
                ),
                seconds,
            )
