"""Where probes and metrics are served."""

from contextlib import ExitStack
from typing import Final

from prometheus_client import CollectorRegistry, start_http_server

from plugin.settings import Settings

_EVERYWHERE: Final = "0.0.0.0"  # noqa: S104 - every address of the pod's own network


def probe_address(settings: Settings) -> str:
    """Return host and port of the gRPC health service; empty if there is none."""
    if settings.probe_port is None:
        return ""
    host = settings.bind_address or _EVERYWHERE
    return f"[{host}]:{settings.probe_port}" if ":" in host else f"{host}:{settings.probe_port}"


def serve_metrics(settings: Settings, registry: CollectorRegistry, cleanup: ExitStack) -> int:
    """Serve the metrics over HTTP until *cleanup*, and return the port; 0 if there is none.

    Raises:
        OSError: The port is taken.
    """
    if settings.metrics_port is None:
        return 0
    host = settings.bind_address or _EVERYWHERE
    server, _ = start_http_server(settings.metrics_port, host, registry)
    cleanup.callback(server.server_close)
    cleanup.callback(server.shutdown)
    return int(server.server_port)
