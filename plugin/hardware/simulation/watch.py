"""Watches the health of simulated GPUs by reading the files of faults and events."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from plugin.hardware.errors import MachineError
from plugin.hardware.facts import GpuLostReported, HealthEvent, WatchFailed
from plugin.hardware.simulation.faults import count_events, read_events, read_faults

_LOOK_SECONDS: Final = 0.2
"""How often the files are read; a look costs two of them, both small."""

_LEAVE_SECONDS: Final = 2.0


class SimulatedWatch:
    """The simulated GPUs that are watched, by one thread for all of them."""

    def __init__(
        self,
        *,
        faults: Path,
        events: Path,
        gpu_uuids: Iterable[str],
        deliver: Callable[[HealthEvent], None],
    ) -> None:
        """Begin to watch; events from now on are told.

        Raises:
            MachineError: The file of events cannot be read.
        """
        self._faults = faults
        self._events = events
        self._deliver = deliver
        self._told = count_events(events)
        self._watched = set(gpu_uuids)
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._work, name="simulated health", daemon=True)
        self._thread.start()

    @property
    def watched(self) -> frozenset[str]:
        """Return the UUIDs of the GPUs that are watched at this moment."""
        with self._lock:
            return frozenset(self._watched)

    def leave(self, gpu_uuid: str) -> None:
        """Stop watching one GPU."""
        # Events are delivered with the lock held: none comes after this.
        with self._lock:
            self._watched.discard(gpu_uuid)

    def close(self) -> None:
        """Stop watching all GPUs."""
        self._ending.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_LEAVE_SECONDS)
        with self._lock:
            self._watched.clear()

    def _work(self) -> None:
        while not self._ending.wait(_LOOK_SECONDS):
            with self._lock:
                try:
                    self._look()
                except MachineError as error:
                    self._give_up(str(error))

    def _look(self) -> None:
        found = read_events(self._events, after=self._told)
        self._told += len(found)
        for event in found:
            if event.gpu_uuid in self._watched:
                self._deliver(event)
        for uuid, ailment in read_faults(self._faults).ailments.items():
            if ailment == "lost" and uuid in self._watched:
                self._watched.discard(uuid)
                self._deliver(GpuLostReported(gpu_uuid=uuid))

    def _give_up(self, reason: str) -> None:
        for uuid in sorted(self._watched):
            self._deliver(WatchFailed(gpu_uuid=uuid, reason=reason))
        self._watched.clear()
        self._ending.set()
