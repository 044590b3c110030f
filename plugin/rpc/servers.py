"""The gRPC servers: the order in which they come up, what is watched, how they go down."""

import asyncio
import contextlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import grpc
import grpc.aio
from grpc_health.v1 import health as grpc_health
from grpc_health.v1 import health_pb2, health_pb2_grpc

from plugin.rpc.health import INTERVAL_SECONDS, HealthBoard
from plugin.rpc.log import Log
from plugin.rpc.registration import RegistrationService
from plugin.rpc.runner import ClaimRunner
from plugin.rpc.sockets import BoundSocket, EdgeError, Places

REGISTERED: Final = "registration"
"""The name in the gRPC health service that tells whether the kubelet registered the driver."""
_LAST_WORD_SECONDS: Final = 1.0
"""How long work that was called off may take to notice, and a last answer to be sent."""


@dataclass(frozen=True, slots=True)
class Options:
    """What may be chosen about the edge."""

    probe_address: str = ""
    """Host and port of the gRPC health service; empty for none."""
    health_seconds: float = INTERVAL_SECONDS
    """Device health is sent so often when nothing changes."""
    look_seconds: float = 5.0
    """The edge looks so often whether its sockets are still there."""


class Servers:
    """Servers of one event loop, to which all methods belong."""

    def __init__(
        self,
        places: Places,
        registration: RegistrationService,
        runner: ClaimRunner,
        board: HealthBoard,
        log: Log,
        options: Options,
    ) -> None:
        self._places = places
        self._registration = registration
        self._runner = runner
        self._board = board
        self._log = log
        self._options = options
        self._running: list[tuple[grpc.aio.Server, BoundSocket]] = []
        self._health = grpc_health.aio.HealthServicer()
        self._probe: grpc.aio.Server | None = None
        self._looking: asyncio.Task[None] | None = None
        self.probe_port = 0
        """The port of the gRPC health service; 0 if there is none."""

    async def start(self, dra: Iterable[grpc.GenericRpcHandler]) -> None:
        """Bring up the probe, the DRA socket and, last of all, the registration socket.

        The kubelet connects to the DRA socket while it registers the driver.

        Args:
            dra: The methods of the DRA socket.

        Raises:
            EdgeError: Something stands in the way.
        """
        self._places.check()
        for path in self._places.remove_stale():
            self._log.event(
                logging.WARNING, "removed the socket of a dead instance", path=str(path)
            )
        await self._start_probe()
        await self._serve(BoundSocket(self._places.dra), dra)
        await self._serve(BoundSocket(self._places.registration), [self._registration.rpcs()])
        self._looking = asyncio.create_task(self._look())
        self._log.event(
            logging.INFO,
            "waiting for the kubelet to register the driver",
            driver=self._places.driver,
            registration=str(self._places.registration),
            endpoint=str(self._places.dra),
        )

    async def stop(self, grace_seconds: float) -> bool:
        """Close the registration, let calls in flight end, and remove the sockets.

        Args:
            grace_seconds: How long calls in flight may take; then they are called off.

        Returns:
            Whether no thread works on a claim any more.
        """
        await self._health.enter_graceful_shutdown()
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        self._board.close()
        # From the last to the first: nobody is sent to a DRA socket that refuses calls.
        for server, socket in reversed(self._running):
            socket.remove()
            last = server is self._running[0][0]
            await server.stop(grace_seconds if last else _LAST_WORD_SECONDS)
        self._running.clear()
        idle = await self._runner.idle(_LAST_WORD_SECONDS)
        self._runner.close()
        if self._probe is not None:
            await self._probe.stop(0)
            self._probe = None
        self._log.event(
            logging.INFO if idle else logging.WARNING, "the edge has stopped", idle=idle
        )
        return idle

    async def _serve(self, socket: BoundSocket, rpcs: Iterable[grpc.GenericRpcHandler]) -> None:
        server = grpc.aio.server(handlers=[*rpcs])
        try:
            server.add_insecure_port(f"unix:{socket.hidden}")
            self._running.append((server, socket))
            await server.start()
            socket.show()
        except (OSError, RuntimeError) as error:
            raise EdgeError(f"The socket {socket.path} cannot be made: {error}") from error

    async def _start_probe(self) -> None:
        await self._tell_health()
        if not self._options.probe_address:
            return
        # Otherwise a second instance would share the port, and answer the first one's probes.
        self._probe = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._probe)
        try:
            self.probe_port = self._probe.add_insecure_port(self._options.probe_address)
        except RuntimeError as error:
            raise EdgeError(
                f"The health service cannot listen at {self._options.probe_address}: {error}"
            ) from error
        await self._probe.start()

    async def _look(self) -> None:
        # Sockets are not made anew: the kubelet would keep its back-off for the path, and whoever
        # removed the folder may have removed more. The liveness probe has the plugin restarted.
        lost_before: set[str] = set()
        while True:
            lost = {str(one.path) for _, one in self._running if not one.reachable}
            for path in sorted(lost - lost_before):
                self._log.event(
                    logging.ERROR,
                    "the kubelet cannot reach the plugin any more: its socket has been removed;"
                    " the plugin must start again",
                    path=path,
                )
            lost_before = lost
            await self._tell_health(alive=not lost)
            await asyncio.sleep(self._options.look_seconds)

    async def _tell_health(self, *, alive: bool = True) -> None:
        for service, good in (
            ("", alive),
            (REGISTERED, alive and self._registration.registered),
        ):
            status = "SERVING" if good else "NOT_SERVING"
            await self._health.set(
                service, health_pb2.HealthCheckResponse.ServingStatus.Value(status)
            )
