"""One worker: both ports on one event loop, from the first request to the last."""

import asyncio
import logging
import signal
import socket
import ssl
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import uvicorn
import uvloop
from starlette.types import ASGIApp

from dra_config.version import __version__
from logs.bridge import LogBridge
from logs.lines import Log, LogLevel
from webhook.app import ReviewEndpoint, create_app, create_rest
from webhook.decisions import DecisionLog
from webhook.limits import BoundedProtocol, Limits
from webhook.review import Verdict
from webhook.telemetry import SharedMemory, Telemetry, render_metrics
from webhook.tls import CertificateHolder, PairFiles

GRACE_SECONDS: Final = 30
"""How long requests in flight may take to finish once the worker stops listening."""


@dataclass(frozen=True, slots=True)
class Service:
    """What all workers have in common; made before they are forked."""

    verdict: Verdict
    pair: PairFiles
    review_socket: socket.socket
    probe_socket: socket.socket
    log: Log
    shutdown_delay_seconds: float
    memory: SharedMemory
    limits: Limits = field(default_factory=Limits)


class _Listener(uvicorn.Server):
    """uvicorn's server on one socket, with deadlines for handshakes and no signals of its own."""

    def __init__(self, config: uvicorn.Config, limits: Limits) -> None:
        super().__init__(config)
        self._limits = limits

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await self.lifespan.startup()
        loop = asyncio.get_running_loop()
        deadlines: dict[str, Any] = {}
        if self.config.ssl is not None:
            deadlines["ssl_handshake_timeout"] = self._limits.handshake_seconds
            deadlines["ssl_shutdown_timeout"] = self._limits.close_seconds
        self.servers = [
            await loop.create_server(
                self._connection,
                sock=listening,
                ssl=self.config.ssl,
                backlog=self.config.backlog,
                **deadlines,
            )
            for listening in sockets or []
        ]
        self.started = True

    def _connection(self) -> BoundedProtocol:
        return BoundedProtocol(self._limits, self.config, self.server_state, self.lifespan.state)

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


class Worker:
    """Serves until it is told to stop."""

    def __init__(self, service: Service, index: int) -> None:
        """Count in row *index* of the shared memory."""
        self._service = service
        self._telemetry = Telemetry(service.memory.row(index))
        self._certificate = CertificateHolder(
            service.pair, clock=time.time, log=service.log, telemetry=self._telemetry
        )
        self._decisions = DecisionLog(service.log)
        self._draining = False
        self._stop = asyncio.Event()
        self._stop_now = asyncio.Event()

    def run(
        self, *, parent_pipe: int | None = None, on_started: Callable[[], None] | None = None
    ) -> None:
        """Serve until SIGTERM, SIGINT or the end of *parent_pipe*, then finish open requests.

        *on_started* is called once, when a signal no longer cuts anything off.
        """
        _bridge_logging(self._service.log)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(parent_pipe, on_started))

    async def _serve(self, parent_pipe: int | None, on_started: Callable[[], None] | None) -> None:
        loop = asyncio.get_running_loop()
        self._decisions.defer_with(loop.call_soon)
        loop.add_signal_handler(signal.SIGTERM, self._drain)
        loop.add_signal_handler(signal.SIGINT, self._interrupt)
        if parent_pipe is not None:
            # Nothing is ever written to it: it becomes readable when the parent has died.
            loop.add_reader(parent_pipe, self._interrupt)
        self._certificate.refresh()
        review, probe = self._listeners()
        service = self._service
        reviewing = asyncio.create_task(review.serve([service.review_socket]))
        probing = asyncio.create_task(probe.serve([service.probe_socket]))
        watching = asyncio.create_task(self._certificate.watch())
        if on_started is not None:
            on_started()
        await self._stopped(reviewing, probing, watching)
        review.should_exit = True
        await reviewing
        probe.should_exit = True
        await probing
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        self._decisions.flush()

    async def _stopped(self, *tasks: asyncio.Task[None]) -> None:
        """Return when it is time to stop listening.

        Raises:
            Exception: Whatever one of *tasks*, which never end by themselves, ended with.
        """
        stopping = asyncio.create_task(self._stop.wait())
        done, _ = await asyncio.wait({stopping, *tasks}, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._service.shutdown_delay_seconds):
                await self._stop_now.wait()

    def _drain(self) -> None:
        self._draining = True
        self._stop.set()

    def _interrupt(self) -> None:
        # Somebody waits at a terminal, and no load balancer has to hear of it first.
        self._stop_now.set()
        self._drain()

    def _listeners(self) -> tuple[_Listener, _Listener]:
        service = self._service
        endpoint = ReviewEndpoint(
            service.verdict,
            limits=service.limits,
            log=service.log,
            decisions=self._decisions,
            telemetry=self._telemetry,
            draining=lambda: self._draining,
        )
        rest = create_rest(live=self._not_live, ready=self._not_ready, metrics=self._metrics)
        review = self._config(
            create_app(endpoint, rest),
            ssl_context_factory=self._front_context,
        )
        limits = service.limits
        return _Listener(review, limits), _Listener(self._config(rest), limits)

    def _config(self, app: ASGIApp, **transport: Any) -> uvicorn.Config:
        limits = self._service.limits
        return uvicorn.Config(
            app,
            **transport,
            http=BoundedProtocol,
            ws="none",
            lifespan="off",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=limits.keep_alive_seconds,
            limit_concurrency=limits.connections,
            timeout_graceful_shutdown=GRACE_SECONDS,
        )

    def _front_context(self, *_: object) -> ssl.SSLContext:
        return self._certificate.front_context()

    def _not_live(self) -> str:
        if self._certificate.expired:
            return "the serving certificate has expired"
        return "" if self._certificate.watched else "the certificate files are not watched"

    def _not_ready(self) -> str:
        if self._draining:
            return "shutting down"
        return "" if self._certificate.usable else "there is no valid serving certificate"

    def _metrics(self) -> bytes:
        python = ".".join(map(str, sys.version_info[:3]))
        return render_metrics(self._service.memory, {"version": __version__, "python": python})


def _bridge_logging(log: Log) -> None:
    root = logging.getLogger()
    root.handlers = [LogBridge(log)]
    # uvicorn warns about every request that is no HTTP: any port scan would fill the log.
    logging.getLogger("uvicorn").setLevel(LogLevel.ERROR)
    logging.getLogger("uvicorn.error").setLevel(LogLevel.ERROR)
