"""What the plugin counts besides the calls of the kubelet, for Prometheus."""

from collections import Counter as Tally
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from plugin.checkpoint import Checkpoint, CheckpointError
from plugin.publishing.reports import (
    NotPublishable,
    Published,
    Report,
    ServerFound,
    ServerLost,
    WriteFailed,
)

PREFIX: Final = "dra_config_plugin_"
GPU: Final = "gpu"
MIG: Final = "mig"


class PublishingTelemetry:
    """The publisher's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register all metrics at 0."""

        def counter(name: str, text: str) -> Counter:
            return Counter(f"{PREFIX}{name}", text, registry=registry)

        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"{PREFIX}{name}", text, registry=registry)

        self._publishes = counter("publishes", "Times that the ResourceSlices became right.")
        self._writes = counter("slice_writes", "ResourceSlices created, changed and deleted.")
        self._repairs = counter("slice_repairs", "Publishes after somebody else's change.")
        self._failures = counter("publish_failures", "Writes that the API server refused.")
        self._devices = gauge("published_devices", "Devices in the ResourceSlices.")
        self._left_out = gauge("left_out_devices", "Devices that cannot be published.")
        self._reachable = gauge("api_server_reachable", "1 while the API server answers.")
        self.present_devices = gauge("present_devices", "Devices that the machine shows.")
        self.withheld_devices = gauge(
            "withheld_devices",
            "Devices that are there and not offered, since their use is unknown.",
        )

    def __call__(self, report: Report) -> None:
        """Count what the publisher tells."""
        match report:
            case Published():
                self._publishes.inc()
                self._writes.inc(report.writes)
                self._repairs.inc(report.repaired)
                self._devices.set(report.devices)
            case NotPublishable():
                self._left_out.set(len(report.left_out))
            case WriteFailed():
                self._failures.inc()
            case ServerLost() | ServerFound():
                self._reachable.set(isinstance(report, ServerFound))
            case _:
                return


class PreparedDevices(Collector):
    """Counts what is prepared at the moment, when somebody asks."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        """Count the records of *checkpoint*."""
        self._checkpoint = checkpoint

    def collect(self) -> Iterable[Metric]:
        """Yield the gauges; none while the records cannot be read."""
        try:
            records = self._checkpoint.completed()
        except CheckpointError:
            return
        claims = GaugeMetricFamily(f"{PREFIX}prepared_claims", "Claims that are prepared.")
        claims.add_metric([], len(records))
        yield claims
        devices = GaugeMetricFamily(
            f"{PREFIX}prepared_devices",
            "Devices of prepared claims; one that several claims share counts for each.",
            labels=["type"],
        )
        tally = Tally(
            GPU if one.device_uuid == one.gpu_uuid else MIG
            for record in records
            for one in record.intent.holdings
        )
        for kind in (GPU, MIG):
            devices.add_metric([kind], tally[kind])
        yield devices
