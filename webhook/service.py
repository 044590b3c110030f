"""From settings to a running service: certificate, sockets, workers."""

import gc
import os
import socket
import sys
import time
from datetime import UTC, datetime
from functools import partial
from typing import Final

from logs.lines import Log, LogLevel, write_line
from webhook.limits import Limits
from webhook.review import Verdict
from webhook.self_managed.options import SelfManaged
from webhook.self_managed.process import keep, pair_files, wait_for_pair
from webhook.server import GRACE_SECONDS, Service, Worker
from webhook.settings import Settings
from webhook.telemetry import SharedMemory
from webhook.tls import PairFiles
from webhook.workers import Supervisor

BACKLOG: Final = 2048
SELF_SIGNED_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_SLACK_SECONDS: Final = 5.0


def run(settings: Settings, verdict: Verdict, limits: Limits | None = None) -> int:
    """Serve *verdict* until SIGTERM or SIGINT, and return the exit status of the process.

    The status is 1 when a port cannot be bound or a certificate of our own cannot be written.
    """
    log = Log(partial(write_line, sys.stderr.fileno()), time.time, settings.log_level)
    for warning in settings.gate_warnings:
        log.event(LogLevel.WARNING, warning.message, rule=warning.rule)
    try:
        service = Service(
            verdict=verdict,
            pair=_pair(settings, log),
            review_socket=_listening(settings.bind_address, settings.port),
            probe_socket=_listening(settings.bind_address, settings.probe_port),
            log=log,
            shutdown_delay_seconds=settings.shutdown_delay_seconds,
            # The keeper of self-managed TLS counts in a row behind those of the workers.
            memory=SharedMemory(settings.workers + (settings.self_managed is not None)),
            limits=limits or Limits(),
        )
    except OSError as error:
        log.event(LogLevel.ERROR, "cannot start", reason=str(error))
        return 1
    _serve(service, settings.workers, settings.self_managed)
    log.event(LogLevel.INFO, "stopped")
    return 0


def _serve(service: Service, workers: int, managed: SelfManaged | None) -> None:
    # What was imported stays: the collector need not look at it, nor copy pages after a fork.
    gc.collect()
    gc.freeze()
    # The sockets take connections already; they wait in the backlog for the first worker.
    listening = partial(
        service.log.event,
        LogLevel.INFO,
        "listening",
        port=service.review_socket.getsockname()[1],
        probePort=service.probe_socket.getsockname()[1],
        workers=workers,
        pid=os.getpid(),
    )
    if workers == 1 and managed is None:
        Worker(service, 0).run(on_started=listening)
        return

    def serve(index: int, parent_pipe: int) -> None:
        if managed is not None:
            if index == workers:
                row = service.memory.row(index)
                keep(managed, service.pair, service.log, row, parent_pipe)
                return
            wait_for_pair(service.pair, parent_pipe)
        Worker(service, index).run(parent_pipe=parent_pipe)

    stop_seconds = service.shutdown_delay_seconds + GRACE_SECONDS + _SLACK_SECONDS
    processes = workers + (managed is not None)
    supervisor = Supervisor(processes, serve, service.log, stop_seconds=stop_seconds)
    supervisor.run(on_started=listening)


def _pair(settings: Settings, log: Log) -> PairFiles:
    if settings.tls_certificate is not None and settings.tls_key is not None:
        return PairFiles(settings.tls_certificate, settings.tls_key)
    if settings.self_managed is not None:
        return pair_files(settings.self_managed)
    # Imported here because a service with a certificate of its own needs no X.509 library.
    from webhook.certificates import ensure_self_signed  # noqa: PLC0415

    now = datetime.fromtimestamp(time.time(), UTC)
    made = ensure_self_signed(settings.self_signed_directory, SELF_SIGNED_NAMES, now)
    log.event(
        LogLevel.WARNING,
        "serving with a certificate of our own; clients must trust its authority",
        caFile=str(made.ca_certificate),
    )
    return made.pair


def _listening(address: str, port: int) -> socket.socket:
    if address:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        return socket.create_server((address, port), family=family, backlog=BACKLOG)
    if socket.has_dualstack_ipv6():
        return socket.create_server(
            ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG
        )
    return socket.create_server(("", port), backlog=BACKLOG)
