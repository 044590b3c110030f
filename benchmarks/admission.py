"""Admission on a real API server: what it reports, and what a creation costs more."""

import http.client
import itertools
import json
import ssl
import time
from collections.abc import Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.comparison import REPEATS, Row, compare
from benchmarks.inputs import claim
from tests.chart.chart import Helm
from tests.chart.installed import namespace
from tests.cluster import machine
from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import CONTROL_PLANE, provide
from tests.cluster.binaries.settings import read
from tests.cluster.e2e.beside import Beside, beside

TITLE: Final = "Admission"
CLIENTS: Final = (1, 8, 32)
_GATES: Final = "MPSSupport=true"
_JUDGED: Final = "judged"
_UNJUDGED: Final = "unjudged"
_CONFIGS: Final = 2
_METRIC: Final = "apiserver_admission_webhook_admission_duration_seconds"
_OURS: Final = ('name="resourceclaims.dra-config.nvidia.com"', 'operation="CREATE"')
_MILLISECONDS: Final = 1e3
_PATIENCE_SECONDS: Final = 30.0


class NotCreated(RuntimeError):  # noqa: N818 - it says what happened
    """The API server did not store a claim that it should have; the text is its answer."""


def note() -> str:
    """Return what stands above the table."""
    obstacles = " ".join(machine.obstacles())
    if obstacles:
        return f"Not measured here. {obstacles}"
    return (
        "Claims with two configs each, no two alike, created through a real kube-apiserver with "
        "etcd; each client sends its next once the last is stored. Admission is the API server's "
        f"own {_METRIC}. The peer is the same creation in a namespace that the chart's selector "
        "leaves out. Clients, API server, etcd and webhook share the cores of this machine."
    )


@dataclass(frozen=True, slots=True)
class _Histogram:
    """What the API server has counted so far, or between two moments."""

    seconds: float
    buckets: Mapping[float, float]
    """How many took at most so many seconds, from the least to infinity."""

    def since(self, before: "_Histogram") -> "_Histogram":
        """Return what came after *before*."""
        return _Histogram(
            self.seconds - before.seconds,
            {
                bound: count - before.buckets.get(bound, 0.0)
                for bound, count in self.buckets.items()
            },
        )

    @property
    def count(self) -> float:
        """How many there were."""
        return max(self.buckets.values(), default=0.0)

    def share_within(self, seconds: float) -> float:
        """Return the share that took at most *seconds*, one of the bounds."""
        return self.buckets[seconds] / self.count


@dataclass(frozen=True, slots=True)
class _Sample:
    """One stretch of creating claims in one namespace."""

    latencies: list[float]
    """Of the creations as clients saw them, in seconds, sorted."""
    admission: _Histogram = field(repr=False)

    def quantile(self, share: float) -> float:
        """Return the latency that *share* of the creations stayed below."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))]


def measure(seconds: float) -> Iterator[Row]:
    """Yield the rows, spending about *seconds* on each side of each group of rows."""
    if machine.obstacles():
        return
    with _cluster() as webhook:
        for clients in CLIENTS:
            yield from _rows(webhook, clients, seconds / REPEATS)


@contextmanager
def _cluster() -> Generator[Beside]:
    """Run an API server, and a webhook that it asks about the claims of one namespace."""
    settings = read()
    helm = Helm(provide(settings, only=("helm",)).helm)
    server = ApiServer(provide(settings, only=CONTROL_PLANE), cache=settings.cache)
    try:
        with (
            namespace(server.client, _JUDGED),
            namespace(server.client, _UNJUDGED),
            beside(server, helm) as webhook,
        ):
            webhook.restart(_GATES)
            webhook.ask({"webhook": {"excludedNamespaces": [_UNJUDGED]}})
            yield webhook
    finally:
        server.close()


def _rows(webhook: Beside, clients: int, seconds: float) -> Iterator[Row]:
    judged, unjudged = _alternate(webhook, clients, seconds)
    who = f"{clients} client{'s' if clients > 1 else ''}:"
    admissions = [sample.admission for sample in judged]
    means = [one.seconds / one.count * _MILLISECONDS for one in admissions]
    yield Row(f"{who} admission by our webhook, mean", "ms", median(means), None, None)
    for bound in (0.005, 0.025):
        shares = [one.share_within(bound) * 100 for one in admissions]
        what = f"{who} admission within {bound * _MILLISECONDS:g} ms"
        yield Row(what, "%", median(shares), None, None)
    for share in (0.5, 0.99):
        yield compare(
            f"{who} creation of a claim, p{share * 100:.0f}",
            "ms",
            [sample.quantile(share) for sample in judged],
            [sample.quantile(share) for sample in unjudged],
            scale=_MILLISECONDS,
        )
    yield compare(
        f"{who} claims a second",
        "1/s",
        [len(sample.latencies) / sum(sample.latencies) * clients for sample in judged],
        [len(sample.latencies) / sum(sample.latencies) * clients for sample in unjudged],
    )


def _alternate(
    webhook: Beside, clients: int, seconds: float
) -> tuple[list[_Sample], list[_Sample]]:
    """Return the samples of both namespaces, which take turns.

    Raises:
        NotCreated: If a claim is refused, or the webhook was asked about the wrong ones.
    """
    found: tuple[list[_Sample], list[_Sample]] = ([], [])
    numbers = itertools.count()
    # The first stretch opens connections everywhere; nobody counts it.
    _stretch(webhook, _JUDGED, clients, seconds / 2, numbers)
    before = _admission(webhook)
    for _ in range(REPEATS):
        for name, samples in zip((_JUDGED, _UNJUDGED), found, strict=True):
            latencies = _stretch(webhook, name, clients, seconds, numbers)
            after = _admission(webhook)
            samples.append(_Sample(latencies, after.since(before)))
            asked = samples[-1].admission.count
            if asked != (len(latencies) if name == _JUDGED else 0):
                raise NotCreated(f"the webhook was asked {asked:g} times about {name} claims")
            before = after
    return found


def _stretch(
    webhook: Beside, name: str, clients: int, seconds: float, numbers: Iterator[int]
) -> list[float]:
    """Let *clients* create claims for so many seconds, and delete them afterwards.

    Returns:
        How long each creation took, in seconds, the least first.
    """
    deadline = time.perf_counter() + seconds
    authority = webhook.server.control_plane.authority
    leaf = authority.leaf("bench", "bench", organizations=["system:masters"])
    trusted = ssl.create_default_context(cafile=authority.certificate)
    trusted.load_cert_chain(leaf.certificate, leaf.key)

    def one_after_another(_client: int) -> list[float]:
        latencies: list[float] = []
        with _connection(webhook.server.url, trusted) as connection:
            while not latencies or time.perf_counter() < deadline:
                latencies.append(_create(connection, name, next(numbers)))
        return latencies

    with ThreadPoolExecutor(clients) as pool:
        latencies = sorted(itertools.chain(*pool.map(one_after_another, range(clients))))
    webhook.client.delete(_claims(name))
    return latencies


@contextmanager
def _connection(url: str, trusted: ssl.SSLContext) -> Generator[http.client.HTTPSConnection]:
    connection = http.client.HTTPSConnection(
        url.removeprefix("https://"), timeout=_PATIENCE_SECONDS, context=trusted
    )
    try:
        connection.connect()
        yield connection
    finally:
        connection.close()


def _create(connection: http.client.HTTPSConnection, name: str, number: int) -> float:
    """Create a claim and return how long that took, in seconds.

    Raises:
        NotCreated: If the API server does not store it.
    """
    one = claim(number * _CONFIGS, _CONFIGS)
    one["metadata"] = {"name": f"claim-{number}", "namespace": name}
    text = json.dumps(one)
    begun = time.perf_counter()
    connection.request("POST", _claims(name), text, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    taken = time.perf_counter() - begun
    if answer.status != http.client.CREATED:
        raise NotCreated(said.decode())
    return taken


def _claims(name: str) -> str:
    return f"/apis/resource.k8s.io/v1/namespaces/{name}/resourceclaims"


def _admission(webhook: Beside) -> _Histogram:
    """Return what the API server has counted for the entry that judges claims."""
    seconds = 0.0
    buckets: dict[float, float] = {}
    for line in webhook.client.send("GET", "/metrics").text.splitlines():
        if not (line.startswith(_METRIC) and all(label in line for label in _OURS)):
            continue
        series, _, value = line.rpartition(" ")
        if series.startswith(f"{_METRIC}_sum"):
            seconds += float(value)
        elif series.startswith(f"{_METRIC}_bucket"):
            bound = float(series.partition('le="')[2].partition('"')[0])
            buckets[bound] = buckets.get(bound, 0.0) + float(value)
    return _Histogram(seconds, buckets)
