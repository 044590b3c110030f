"""Watches the health of GPUs through events of the driver's library.

Each GPU has an event set and a thread of its own: one that hangs or is lost leaves the others
alone, and one can be let go before its mode changes.
"""

import threading
from collections.abc import Callable, Mapping
from typing import Final

from plugin.hardware.errors import GpuLostError, MachineError, TimedOutError
from plugin.hardware.facts import (
    GpuLostReported,
    HealthEvent,
    MemoryErrorReported,
    WatchFailed,
    XidReported,
)
from plugin.hardware.nvml import EventSet, Handle, Nvml
from plugin.hardware.nvml_shapes import Event

_WAIT_MILLISECONDS: Final = 1000
"""How long one wait lasts, and so how long a watch may take to notice that it should end."""

_LEAVE_SECONDS: Final = 2 * _WAIT_MILLISECONDS / 1000


class NvmlHealthWatch:
    """The GPUs whose event sets are open."""

    def __init__(self, library: Nvml, deliver: Callable[[HealthEvent], None]) -> None:
        self._library = library
        self._deliver = deliver
        self._lock = threading.Lock()
        self._posts: dict[str, _Post] = {}

    @property
    def watched(self) -> frozenset[str]:
        """Return the UUIDs of the GPUs that are watched at this moment."""
        with self._lock:
            return frozenset(uuid for uuid, post in self._posts.items() if post.is_alive())

    def begin(self, registered: Mapping[str, tuple[Handle, EventSet]]) -> None:
        """Wait for the events of GPUs, by their UUIDs, each with its own event set."""
        for uuid, (device, events) in registered.items():
            post = _Post(self._library, uuid, device, events, self._deliver)
            with self._lock:
                self._posts[uuid] = post
            post.start()

    def leave(self, gpu_uuid: str) -> None:
        """Stop watching one GPU and close its event set.

        Raises:
            TimedOutError: The driver does not come back from waiting.
        """
        with self._lock:
            post = self._posts.get(gpu_uuid)
        if post is None:
            return
        post.ending.set()
        post.join(_LEAVE_SECONDS)
        if post.is_alive():
            message = f"The driver does not let go of the events of {gpu_uuid}."
            raise TimedOutError(message)
        with self._lock:
            self._posts.pop(gpu_uuid, None)

    def close(self) -> None:
        """Stop watching all GPUs; threads that hang are left behind."""
        with self._lock:
            posts = list(self._posts.values())
        for post in posts:
            post.ending.set()
        for post in posts:
            post.join(_LEAVE_SECONDS)


class _Post(threading.Thread):
    """The thread that waits for the events of one GPU and frees its event set at the end."""

    def __init__(
        self,
        library: Nvml,
        uuid: str,
        device: Handle,
        events: EventSet,
        deliver: Callable[[HealthEvent], None],
    ) -> None:
        super().__init__(name=f"events of {uuid}", daemon=True)
        self.ending = threading.Event()
        self._library = library
        self._uuid = uuid
        self._device = device
        self._events = events
        self._deliver = deliver

    def run(self) -> None:
        """Deliver events until told to end, or until the GPU cannot be watched any more."""
        last: HealthEvent | None = None
        try:
            while not self.ending.is_set():
                event = self._next()
                told = None if event is None else _told(self._uuid, event)
                if told is not None and not self.ending.is_set():
                    self._deliver(told)
        except GpuLostError:
            last = GpuLostReported(gpu_uuid=self._uuid)
        except MachineError as error:
            last = WatchFailed(gpu_uuid=self._uuid, reason=str(error))
        try:
            self._library.free_events(self._events)
        except MachineError as error:
            # The set goes with the process; a lost GPU often refuses this, too.
            last = last or WatchFailed(gpu_uuid=self._uuid, reason=str(error))
        if last is not None and not self.ending.is_set():
            self._deliver(last)

    def _next(self) -> Event | None:
        """Return the next event of this GPU, or None for now.

        Raises:
            GpuLostError: This very GPU fell off the bus.
        """
        try:
            return self._library.next_event(self._events, _WAIT_MILLISECONDS)
        except GpuLostError:
            # The driver may say so to everybody who waits, whichever GPU it is: ask this one.
            self._library.memory_bytes(self._device)
        self.ending.wait(_WAIT_MILLISECONDS / 1000)
        return None


def _told(uuid: str, event: Event) -> HealthEvent | None:
    """Return an event in our words, or None for one that was not asked for."""
    if event.xid is not None:
        return XidReported(
            gpu_uuid=uuid,
            xid=event.xid,
            gpu_instance_id=event.gpu_instance_id,
            compute_instance_id=event.compute_instance_id,
        )
    if event.double_bit_ecc:
        return MemoryErrorReported(
            gpu_uuid=uuid,
            gpu_instance_id=event.gpu_instance_id,
            compute_instance_id=event.compute_instance_id,
        )
    return None
