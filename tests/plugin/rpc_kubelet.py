"""The edge in a test: a client in the kubelet's place, a core that does as it is told."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from prometheus_client import CollectorRegistry

from plugin.preparer import ClaimReference, Deadline, PreparedDevice
from plugin.rpc.edge import Edge
from plugin.rpc.health import HealthBoard
from plugin.rpc.servers import Options
from plugin.rpc.sockets import Places
from plugin.rpc.stubs import kubelet_dra_health_v1alpha1_pb2 as health_v1alpha1
from plugin.rpc.stubs import kubelet_dra_v1_pb2 as v1
from plugin.rpc.stubs import kubelet_dra_v1beta1_pb2 as v1beta1
from plugin.rpc.stubs import kubelet_registration_v1_pb2 as registration_v1
from plugin.rpc.telemetry import EdgeTelemetry
from tests.cluster.waiting import wait_until

DRIVER = "gpu.example.com"
SECONDS = 20.0
"""How long a test waits for what must come; a pass takes a small part of it."""
PREPARE = "NodePrepareResources"
UNPREPARE = "NodeUnprepareResources"

Prepare = Callable[[ClaimReference, Deadline], tuple[PreparedDevice, ...]]
Unprepare = Callable[[ClaimReference, Deadline], None]


def device_of(claim: ClaimReference, _deadline: Deadline) -> tuple[PreparedDevice, ...]:
    """Return one device that is named after the claim."""
    return (PreparedDevice(("gpu",), "node1", claim.name, (f"example.com/gpu={claim.uid}",)),)


def nothing(_claim: ClaimReference, _deadline: Deadline) -> None:
    """Unprepare successfully."""


@dataclass
class ScriptedPreparer:
    """Does what a test says, and remembers for which claims."""

    on_prepare: Prepare = device_of
    on_unprepare: Unprepare = nothing
    prepared: list[str] = field(default_factory=list)
    unprepared: list[str] = field(default_factory=list)

    def prepare(self, claim: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        self.prepared.append(claim.uid)
        return self.on_prepare(claim, deadline)

    def unprepare(self, claim: ClaimReference, deadline: Deadline) -> None:
        self.unprepared.append(claim.uid)
        self.on_unprepare(claim, deadline)


class Lines:
    """A log that keeps its lines, each of which must be JSON."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def event(self, level: int, message: str, **fields: object) -> None:
        line = {"level": level, "message": message, **fields}
        self.lines.append(json.loads(json.dumps(line)))

    def about(self, **fields: object) -> list[dict[str, Any]]:
        """Return the lines that have all these fields."""
        return [line for line in self.lines if fields.items() <= line.items()]

    def wait_about(self, **fields: object) -> dict[str, Any]:
        """Wait for a line with these fields and return the first."""
        wait_until(
            lambda: bool(self.about(**fields)),
            seconds=SECONDS,
            otherwise=lambda: f"no line has {fields}: {self.lines}",
        )
        return self.about(**fields)[0]


class Kubelet:
    """Calls the plugin as the kubelet does, over its sockets."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._channels: list[grpc.Channel] = []

    def _method(self, path: Path, method: str, answer: Any, *, streams: bool = False) -> Any:
        channel = grpc.insecure_channel(f"unix:{path}")
        self._channels.append(channel)
        make = channel.unary_stream if streams else channel.unary_unary
        return make(
            method,
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer.FromString,
        )

    def close(self) -> None:
        for channel in self._channels:
            channel.close()

    def get_info(self) -> registration_v1.PluginInfo:
        method = self._method(
            self._places.registration,
            "/pluginregistration.Registration/GetInfo",
            registration_v1.PluginInfo,
        )
        # The kubelet waits for one second; a machine that runs two test suites may be slower.
        answer = method(registration_v1.InfoRequest(), timeout=SECONDS)
        assert isinstance(answer, registration_v1.PluginInfo)
        return answer

    def notify(self, error: str = "") -> None:
        method = self._method(
            self._places.registration,
            "/pluginregistration.Registration/NotifyRegistrationStatus",
            registration_v1.RegistrationStatusResponse,
        )
        status = registration_v1.RegistrationStatus(plugin_registered=not error, error=error)
        method(status, timeout=SECONDS)

    def call(self, method: str, *claims: v1.Claim, seconds: float = SECONDS) -> Any:
        """Call the service of v1 and return the results by UID."""
        return self.future(method, *claims, seconds=seconds).result().claims

    def future(self, method: str, *claims: v1.Claim, seconds: float | None = SECONDS) -> Any:
        """Begin a call of the service of v1."""
        begin = self._method(
            self._places.dra,
            f"/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin/{method}",
            getattr(v1, f"{method}Response"),
        )
        request = getattr(v1, f"{method}Request")(claims=claims)
        return begin.future(request, timeout=seconds)

    def call_beta(self, method: str, *claims: v1beta1.Claim) -> Any:
        """Call the service of v1beta1 and return the results by UID."""
        call = self._method(
            self._places.dra,
            f"/k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin/{method}",
            getattr(v1beta1, f"{method}Response"),
        )
        return call(getattr(v1beta1, f"{method}Request")(claims=claims), timeout=SECONDS).claims

    def watch_health(self) -> Any:
        """Open a stream of health."""
        watch = self._method(
            self._places.dra,
            "/v1alpha1.DRAResourceHealth/NodeWatchResources",
            health_v1alpha1.NodeWatchResourcesResponse,
            streams=True,
        )
        return watch(health_v1alpha1.NodeWatchResourcesRequest(), timeout=SECONDS)


@dataclass
class Served:
    """A running edge and all that a test wants of it."""

    edge: Edge
    places: Places
    preparer: ScriptedPreparer
    board: HealthBoard
    lines: Lines
    kubelet: Kubelet
    registry: CollectorRegistry

    def sample(self, name: str, **labels: str) -> float | None:
        """Return a metric, without its prefix."""
        return self.registry.get_sample_value(f"dra_config_plugin_{name}", labels)

    def wait_sample(self, number: float, name: str, **labels: str) -> None:
        """Wait until a metric has this number."""
        wait_until(
            lambda: self.sample(name, **labels) == number,
            seconds=SECONDS,
            otherwise=lambda: f"{name}{labels} is {self.sample(name, **labels)}, not {number}",
        )


def places_in(root: Path, *, pod_uid: str = "") -> Places:
    """Return places below *root*, which becomes a kubelet's root directory."""
    registry = root / "plugins_registry"
    registry.mkdir(exist_ok=True)
    return Places(DRIVER, registry, root / "plugins" / DRIVER, pod_uid)


@contextmanager
def serving(
    root: Path,
    preparer: ScriptedPreparer | None = None,
    *,
    pod_uid: str = "",
    options: Options | None = None,
) -> Iterator[Served]:
    """Run an edge below *root*, and stop it at the end; the test may have done so."""
    places = places_in(root, pod_uid=pod_uid)
    preparer = preparer or ScriptedPreparer()
    registry, board, lines = CollectorRegistry(), HealthBoard(), Lines()
    edge = Edge(places, preparer, board, lines, EdgeTelemetry(registry), options)
    kubelet = Kubelet(places)
    edge.start()
    try:
        yield Served(edge, places, preparer, board, lines, kubelet, registry)
    finally:
        kubelet.close()
        edge.stop(0)


def claim(number: int = 1, **changes: str) -> v1.Claim:
    """Return a claim as the kubelet sends it."""
    named = {"namespace": "default", "name": f"claim-{number}", "uid": f"uid-{number}"}
    return v1.Claim(**(named | changes))


def beta(claims: Iterable[v1.Claim]) -> list[v1beta1.Claim]:
    """Return the claims in the messages of v1beta1."""
    return [v1beta1.Claim(namespace=one.namespace, name=one.name, uid=one.uid) for one in claims]


class Gate:
    """Holds threads until it is opened; opened at the end of a test whatever happens."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.arrived = threading.Semaphore(0)

    def open(self) -> None:
        self._open.set()

    def pass_through(self) -> None:
        """Tell that a thread is here, and wait."""
        self.arrived.release()
        assert self._open.wait(SECONDS)

    def wait_arrived(self, count: int = 1) -> None:
        """Wait until so many more threads are here."""
        for _ in range(count):
            assert self.arrived.acquire(timeout=SECONDS)


def serve_until_killed(root: str, pod_uid: str) -> None:
    """Run an edge in a process of its own, for a test that kills it."""
    with serving(Path(root), pod_uid=pod_uid):
        print("serving", flush=True)  # noqa: T201 - the test reads it
        threading.Event().wait()
