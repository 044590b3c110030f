"""What the webhook counts: numbers in memory that all workers share, rendered for Prometheus.

Every worker adds up in a row of its own, so nothing is locked and no request waits; any worker
can answer a scrape with the sum of all rows. A row outlives its worker: the successor goes on
counting in it, and a counter never falls.
"""

import mmap
import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

SERIES_PER_WORKER: Final = 512
_RESERVED: Final = 128
"""Cells that refused configs never take: their labels are many, all others fit in here."""
_NAME_BYTES: Final = 184
_CELL_BYTES: Final = 8
_ROW_BYTES: Final = SERIES_PER_WORKER * (_NAME_BYTES + _CELL_BYTES)
PREFIX: Final = "dra_config_webhook_"
BUCKETS_SECONDS: Final = (
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
FAMILIES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "requests_total": ("counter", "Admission requests answered with a verdict."),
        "rejected_configs_total": ("counter", "Reasons to refuse, by driver, kind and rule."),
        "unusable_requests_total": ("counter", "Requests without a verdict, by HTTP status."),
        "request_duration_seconds": ("histogram", "From the last byte read to the answer."),
        "in_flight": ("gauge", "Admission requests being read or judged."),
        "certificate_not_after_seconds": ("gauge", "Unix time at which the certificate expires."),
        "certificate_reloads_total": ("counter", "Certificates taken into service, per worker."),
        "certificate_reload_errors_total": ("counter", "Looks at a pair that cannot be served."),
        "panics_total": ("counter", "Requests that failed because of a defect of the webhook."),
        "self_managed_changes_total": ("counter", "Objects written by the keeper of the pair."),
        "self_managed_failures_total": ("counter", "Looks of the keeper that failed."),
        "self_managed_last_success_seconds": ("gauge", "Unix time of the last that did not."),
        "build_info": ("gauge", "Always 1; the labels say what runs."),
    }
)
_GAUGES: Final = ("in_flight", "certificate_not_after_seconds")
_OTHER_CONFIG: Final = 'rejected_configs_total{driver="other",kind="other",rule="other"}'
_FROM_CONFIG: Final = "rejected_configs_total{"
_LABEL: Final = re.compile(r'(\w+)="([^"]*)"')
"""A label in a series; its value is one of our own words, so nothing in it is escaped."""


class SharedMemory:
    """The rows of all workers; made before they are forked."""

    def __init__(self, workers: int) -> None:
        """Reserve a row for each of *workers*."""
        self.workers = workers
        self._memory = mmap.mmap(-1, workers * _ROW_BYTES)

    def row(self, worker: int) -> "Counters":
        """Return the row of *worker*, counted from 0, with all it has counted so far."""
        start = worker * _ROW_BYTES
        return Counters(memoryview(self._memory)[start : start + _ROW_BYTES])

    def rows(self) -> Iterator[Mapping[str, int]]:
        """Yield what each worker has counted, by the name and labels of the series."""
        for worker in range(self.workers):
            yield self.row(worker).values()


class Counters:
    """One worker's row: whole numbers from 0 to 2^64-1, by the name and labels of their series."""

    def __init__(self, row: memoryview) -> None:
        """Find the series that *row* already holds."""
        cells_end = SERIES_PER_WORKER * _CELL_BYTES
        self.cells = row[:cells_end].cast("Q")
        """The numbers; a caller that counts often keeps the index and adds here."""
        self._names = row[cells_end:]
        self._index_by_series = dict(self._stored())

    def _stored(self) -> Iterator[tuple[str, int]]:
        for index in range(SERIES_PER_WORKER):
            start = index * _NAME_BYTES
            if not self._names[start]:
                return
            name = bytes(self._names[start : start + _NAME_BYTES])
            yield name.rstrip(b"\0").decode(), index

    def values(self) -> dict[str, int]:
        """Return every series and its number."""
        return {series: self.cells[index] for series, index in self._index_by_series.items()}

    def index(self, series: str) -> int:
        """Return the index in `cells` of *series*, a name with its labels in braces.

        A series of refused configs for which there is no room is counted as ``other``.

        Raises:
            MemoryError: If there is no room for another series.
        """
        found = self._index_by_series.get(series)
        if found is not None:
            return found
        name = series.encode()
        index = len(self._index_by_series)
        refused_config = series.startswith(_FROM_CONFIG) and series != _OTHER_CONFIG
        limit = SERIES_PER_WORKER - (_RESERVED if refused_config else 0)
        if len(name) > _NAME_BYTES or index >= limit:
            if refused_config:
                return self.index(_OTHER_CONFIG)
            raise MemoryError(f"no room to count {series}")
        start = index * _NAME_BYTES
        # The first byte makes the name visible to other processes, so it is written last.
        self._names[start + 1 : start + len(name)] = name[1:]
        self._names[start] = name[0]
        self._index_by_series[series] = index
        return index


class Telemetry:
    """What one worker counts."""

    def __init__(self, counters: Counters) -> None:
        """Go on counting in *counters*; what describes a worker that has ended is forgotten."""
        self._counters = counters
        self._cells = counters.cells
        self._request_index: dict[tuple[str, str, str, bool], int] = {}
        self._config_index: dict[tuple[str, str, str], int] = {}
        bounds = (*BUCKETS_SECONDS, "+Inf")
        self._buckets = [
            counters.index(f'request_duration_seconds_bucket{{le="{bound}"}}') for bound in bounds
        ]
        self._sum = counters.index("request_duration_nanoseconds")
        self._in_flight = counters.index("in_flight")
        for series in (
            _OTHER_CONFIG,
            "certificate_reload_errors_total",
            "certificate_reloads_total",
            "panics_total",
        ):
            # An alert on a counter needs to see it at 0.
            counters.index(series)
        for gauge in _GAUGES:
            self._cells[counters.index(gauge)] = 0

    def enter(self) -> None:
        """Count a request as in flight."""
        self._cells[self._in_flight] += 1

    def leave(self) -> None:
        """Count a request as no longer in flight."""
        self._cells[self._in_flight] -= 1

    def decided(
        self, resource: str, version: str, operation: str, *, allowed: bool, nanoseconds: int
    ) -> None:
        """Count a verdict; names that are not ours must have been replaced by ``other``."""
        key = (resource, version, operation, allowed)
        index = self._request_index.get(key)
        if index is None:
            labels = f'resource="{resource}",version="{version}",operation="{operation}"'
            series = f'requests_total{{{labels},allowed="{str(allowed).lower()}"}}'
            index = self._request_index[key] = self._counters.index(series)
        cells = self._cells
        cells[index] += 1
        cells[self._sum] += nanoseconds
        seconds = nanoseconds / 1e9
        for position, bound in enumerate(BUCKETS_SECONDS):
            if seconds <= bound:
                cells[self._buckets[position]] += 1
                return
        cells[self._buckets[-1]] += 1

    def rejected(self, driver: str, kind: str, rule: str) -> None:
        """Count one reason to refuse a config."""
        key = (driver, kind, rule)
        index = self._config_index.get(key)
        if index is None:
            series = f'{_FROM_CONFIG}driver="{driver}",kind="{kind}",rule="{rule}"}}'
            index = self._config_index[key] = self._counters.index(series)
        self._cells[index] += 1

    def unusable(self, code: int) -> None:
        """Count a request that got HTTP status *code*, or a denial with it, and no verdict."""
        self._cells[self._counters.index(f'unusable_requests_total{{code="{code}"}}')] += 1

    def panicked(self) -> None:
        """Count a defect of our own."""
        self._cells[self._counters.index("panics_total")] += 1

    def certificate_loaded(self, not_after_seconds: int) -> None:
        """Count a certificate taken into service that expires at this Unix time."""
        self._cells[self._counters.index("certificate_reloads_total")] += 1
        self._cells[self._counters.index("certificate_not_after_seconds")] = not_after_seconds

    def certificate_failed(self) -> None:
        """Count a look at a pair that cannot be served."""
        self._cells[self._counters.index("certificate_reload_errors_total")] += 1


def render_metrics(memory: SharedMemory, build: Mapping[str, str]) -> bytes:
    """Return the sums over all workers in the text format of Prometheus."""
    # Imported here because the first scrape can wait for it, and the start of a worker cannot.
    from prometheus_client.exposition import generate_latest  # noqa: PLC0415

    return generate_latest(_Exposition(_sums(memory), build))


def _sums(memory: SharedMemory) -> dict[str, int]:
    """Return what all workers have counted together, by series."""
    sums: dict[str, int] = {}
    expiries: list[int] = []
    for row in memory.rows():
        for series, number in row.items():
            sums[series] = sums.get(series, 0) + number
            if series == "certificate_not_after_seconds" and number:
                expiries.append(number)
    # The worker that is worst off decides: it is the one whose clients will see the expiry.
    sums["certificate_not_after_seconds"] = min(expiries, default=0)
    return sums


class _Exposition:
    """One scrape, as the client library of Prometheus wants it."""

    def __init__(self, sums: Mapping[str, int], build: Mapping[str, str]) -> None:
        self._sums = sums
        self._build = build

    def collect(self) -> "Iterator[Metric]":
        """Yield every family with its samples, those without any included."""
        from prometheus_client.metrics_core import (  # noqa: PLC0415
            CounterMetricFamily,
            GaugeMetricFamily,
            HistogramMetricFamily,
        )

        for name, (kind, meaning) in FAMILIES.items():
            if kind == "histogram":
                yield HistogramMetricFamily(PREFIX + name, meaning, *self._histogram(name))
                continue
            make = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
            family = make(PREFIX + name, meaning)
            for labels, number in self._samples(name):
                family.add_sample(PREFIX + name, dict(labels), number)
            yield family

    def _samples(self, family: str) -> Iterator[tuple[Mapping[str, str], int]]:
        if family == "build_info":
            yield self._build, 1
        for series in sorted(self._sums):
            name, _, labels = series.partition("{")
            if name == family:
                yield dict(_LABEL.findall(labels)), self._sums[series]

    def _histogram(self, family: str) -> tuple[Sequence[tuple[str, float]], float]:
        buckets: list[tuple[str, float]] = []
        count = 0
        for bound in map(str, (*BUCKETS_SECONDS, "+Inf")):
            count += self._sums.get(f'{family}_bucket{{le="{bound}"}}', 0)
            buckets.append((bound, count))
        return buckets, self._sums.get("request_duration_nanoseconds", 0) / 1e9
