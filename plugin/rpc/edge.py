"""The kubelet's edge as the plugin sees it: made, started, stopped."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from plugin.preparer import Preparer
from plugin.rpc import dra, health
from plugin.rpc.dra import DraService
from plugin.rpc.health import HealthBoard, HealthService
from plugin.rpc.log import Log
from plugin.rpc.registration import RegistrationService
from plugin.rpc.runner import ClaimRunner
from plugin.rpc.servers import Options, Servers
from plugin.rpc.sockets import Places
from plugin.rpc.telemetry import EdgeTelemetry

_T = TypeVar("_T")


class Edge:
    """Serves the kubelet from an event loop in a thread of its own.

    It can be started once.
    """

    def __init__(
        self,
        places: Places,
        preparer: Preparer,
        board: HealthBoard,
        log: Log,
        telemetry: EdgeTelemetry,
        options: Options | None = None,
    ) -> None:
        """Put the services together; nothing is touched before `start`.

        Args:
            places: Where the sockets go.
            preparer: Who prepares and unprepares.
            board: The health of the devices; closed when the edge stops.
            log: Where lines go.
            telemetry: Where things are counted.
            options: What may be chosen; its defaults if left out.
        """
        options = options or Options()
        services = (*dra.SERVICES, health.SERVICE)
        self._registration = RegistrationService(
            places.driver, str(places.dra), services, log, telemetry
        )
        runner = ClaimRunner(log, telemetry)
        self._rpcs = (
            *DraService(preparer, runner, log, telemetry).rpcs(),
            HealthService(board, telemetry, options.health_seconds).rpcs(),
        )
        self._servers = Servers(places, self._registration, runner, board, log, options)
        self._stopping = threading.Lock()
        self._idle: bool | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="kubelet-edge", daemon=True
        )

    @property
    def registered(self) -> bool:
        """Whether the kubelet's last word is that the driver is registered."""
        return self._registration.registered

    @property
    def probe_port(self) -> int:
        """The port of the gRPC health service; 0 if there is none."""
        return self._servers.probe_port

    def start(self) -> None:
        """Serve the DRA socket and then, last of all, the registration socket.

        Raises:
            EdgeError: Something stands in the way; nothing is left behind.
        """
        self._thread.start()
        try:
            self._wait(self._servers.start(self._rpcs))
        except BaseException:
            self.stop(0)
            raise

    def stop(self, grace_seconds: float) -> bool:
        """Close the registration, let calls in flight end, and remove the sockets.

        Only when this has returned True may the machine be let go of. Stopping again waits for
        the first stop and returns the same.

        Args:
            grace_seconds: How long calls in flight may take; then they are called off.

        Returns:
            Whether no thread works on a claim any more.
        """
        with self._stopping:
            if self._idle is None:
                self._idle = self._wait(self._servers.stop(grace_seconds))
                self._loop.call_soon_threadsafe(self._loop.stop)
                self._thread.join()
                self._loop.close()
            return self._idle

    def _wait(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
