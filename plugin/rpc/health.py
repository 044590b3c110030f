"""The health of the devices, streamed to the kubelet, which shows it in the pods' status."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final

import grpc

from plugin.rpc.methods import Context, stream
from plugin.rpc.stubs import kubelet_dra_health_v1alpha1_pb2 as v1alpha1
from plugin.rpc.telemetry import EdgeTelemetry

SERVICE: Final = v1alpha1.DESCRIPTOR.services_by_name["DRAResourceHealth"].full_name
"""Under this name it is offered: that of the gRPC service."""
INTERVAL_SECONDS: Final = 10.0
"""How often the list is sent when nothing changes."""
TIMEOUT_SECONDS: Final = 30
"""Without news for so long the kubelet takes the health for unknown."""


class Health(Enum):
    """How a device is."""

    UNKNOWN = v1alpha1.UNKNOWN
    HEALTHY = v1alpha1.HEALTHY
    UNHEALTHY = v1alpha1.UNHEALTHY


@dataclass(frozen=True, slots=True, order=True)
class DeviceHealth:
    """The health of one device of the ResourceSlices."""

    pool: str
    device: str
    health: Health = Health.UNKNOWN
    message: str = ""
    """Why; the kubelet cuts it at 1024 characters."""


class HealthBoard:
    """The present health of all devices; any thread may change it."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin without devices.

        Args:
            clock: Tells the Unix time.
        """
        self.closed = False
        self._clock = clock
        self._lock = threading.Lock()
        self._readers: set[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = set()
        self._list = self._render(())
        self._devices: tuple[DeviceHealth, ...] = ()

    def replace(self, devices: Iterable[DeviceHealth]) -> None:
        """Take *devices* as the complete list, and tell all streams if it differs."""
        complete = tuple(sorted(devices, key=lambda one: (one.pool, one.device)))
        with self._lock:
            if complete == self._devices:
                return
            self._devices, self._list = complete, self._render(complete)
            self._wake()

    def close(self) -> None:
        """End all streams, and every one that is opened later."""
        with self._lock:
            self.closed = True
            self._wake()

    def latest(self) -> v1alpha1.NodeWatchResourcesResponse:
        """Return the complete list as the kubelet gets it."""
        return self._list

    @contextmanager
    def changes(self) -> Generator[asyncio.Event]:
        """Yield an event of the running loop that is set at each change."""
        reader = (asyncio.get_running_loop(), asyncio.Event())
        with self._lock:
            self._readers.add(reader)
        try:
            yield reader[1]
        finally:
            with self._lock:
                self._readers.remove(reader)

    def _wake(self) -> None:
        for loop, changed in self._readers:
            loop.call_soon_threadsafe(changed.set)

    def _render(self, devices: Iterable[DeviceHealth]) -> v1alpha1.NodeWatchResourcesResponse:
        now_seconds = int(self._clock())
        return v1alpha1.NodeWatchResourcesResponse(
            devices=[
                v1alpha1.DeviceHealth(
                    device=v1alpha1.DeviceIdentifier(pool_name=one.pool, device_name=one.device),
                    health=one.health.value,
                    last_updated_time=now_seconds,
                    health_check_timeout_seconds=TIMEOUT_SECONDS,
                    message=one.message,
                )
                for one in devices
            ]
        )


class HealthService:
    """Streams what the board says: at once, at each change, and at intervals."""

    def __init__(
        self,
        board: HealthBoard,
        telemetry: EdgeTelemetry,
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        self._board = board
        self._telemetry = telemetry
        self._interval_seconds = interval_seconds

    def rpcs(self) -> grpc.GenericRpcHandler:
        """Return the method, for a server of `grpc.aio`."""
        method = stream(self._watch, v1alpha1.NodeWatchResourcesRequest)
        return grpc.method_handlers_generic_handler(SERVICE, {"NodeWatchResources": method})

    async def _watch(self, _request: v1alpha1.NodeWatchResourcesRequest, context: Context) -> None:
        with self._telemetry.health_streams.track_inprogress(), self._board.changes() as changed:
            while not self._board.closed:
                # Cleared before the list is read: a change in between is sent once more.
                changed.clear()
                await context.write(self._board.latest())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(changed.wait(), self._interval_seconds)
