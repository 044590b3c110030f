"""What the edge counts, for Prometheus."""

import asyncio
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

PREFIX: Final = "dra_config_plugin_"
BUCKETS_SECONDS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 40.0,
)  # fmt: skip
OPERATIONS: Final = ("prepare", "unprepare")
OUTCOMES: Final = ("success", "refused", "failed", "timeout", "cancelled", "defect")
"""How one claim may end: refused is permanent, failed is not, defect is our fault."""


class EdgeTelemetry:
    """The edge's metrics in one registry."""

    def __init__(
        self, registry: CollectorRegistry, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Register all metrics, those of the known operations at 0.

        Args:
            registry: Where they are rendered from; one edge for each.
            clock: Tells seconds that never go back.
        """
        self.clock = clock
        self._requests = Counter(
            f"{PREFIX}requests", "Calls of the kubelet.", ["method", "code"], registry=registry
        )
        self._duration = Histogram(
            f"{PREFIX}request_duration_seconds",
            "From a call of the kubelet to the answer.",
            ["method"],
            buckets=BUCKETS_SECONDS,
            registry=registry,
        )
        self._in_flight = Gauge(
            f"{PREFIX}requests_in_flight",
            "Calls of the kubelet that wait for an answer.",
            ["method"],
            registry=registry,
        )
        self._claims = Counter(
            f"{PREFIX}claims",
            "Claims answered, by what became of them.",
            ["operation", "outcome"],
            registry=registry,
        )
        self._claim_duration = Histogram(
            f"{PREFIX}claim_duration_seconds",
            "From a call of the kubelet to the result for one claim.",
            ["operation"],
            buckets=BUCKETS_SECONDS,
            registry=registry,
        )
        self._retries = Counter(
            f"{PREFIX}claim_retries",
            "Attempts repeated because of a failure that may pass.",
            ["operation"],
            registry=registry,
        )
        self._claims_running = Gauge(
            f"{PREFIX}claims_running",
            "Claims that a thread works on, answered ones included.",
            ["operation"],
            registry=registry,
        )
        self.registered = Gauge(
            f"{PREFIX}registered",
            "1 while the kubelet's last word is that the driver is registered.",
            registry=registry,
        )
        self.health_streams = Gauge(
            f"{PREFIX}health_streams", "Open streams of device health.", registry=registry
        )
        for operation in OPERATIONS:
            self._retries.labels(operation)
            self._claim_duration.labels(operation)
            self._claims_running.labels(operation)
            for outcome in OUTCOMES:
                # An alert on a counter needs to see it at 0.
                self._claims.labels(operation, outcome)

    @contextmanager
    def request(self, method: str) -> Generator[None]:
        """Count one call: in flight, then its duration and how it ended."""
        started = self.clock()
        code = "Unknown"
        with self._in_flight.labels(method).track_inprogress():
            try:
                yield
                code = "OK"
            except asyncio.CancelledError:
                code = "Canceled"
                raise
            finally:
                self._requests.labels(method, code).inc()
                self._duration.labels(method).observe(self.clock() - started)

    def claim_began(self, operation: str) -> None:
        """Count a claim that a thread works on."""
        self._claims_running.labels(operation).inc()

    def claim_ended(self, operation: str) -> None:
        """Count a claim that no thread works on any more."""
        self._claims_running.labels(operation).dec()

    def claim(self, operation: str, outcome: str, seconds: float) -> None:
        """Count the result for one claim."""
        self._claims.labels(operation, outcome).inc()
        self._claim_duration.labels(operation).observe(seconds)

    def retried(self, operation: str) -> None:
        """Count an attempt after a failure that may pass."""
        self._retries.labels(operation).inc()
