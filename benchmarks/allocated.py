"""Claims that are allocated by hand, and a client that prepares them in the kubelet's place."""

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import grpc

from plugin.rpc.stubs import kubelet_dra_v1_pb2 as dra
from tests.cluster.client import Client, Json, path_of

RESOURCE: Final = "resource.k8s.io/v1"
CLASSES: Final = path_of(RESOURCE, "deviceclasses")
NODES: Final = path_of("v1", "nodes")
SLICES: Final = path_of(RESOURCE, "resourceslices")
_SERVICE: Final = "/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin"
_KUBELET_SECONDS: Final = 45.0


class NotPrepared(RuntimeError):  # noqa: N818 - it says what happened
    """A claim was not prepared or unprepared; the text is the plugin's sentence."""


@contextmanager
def class_of(client: Client, driver: str) -> Generator[None]:
    """Make the class of a driver's devices, which has the driver's name."""
    selector = {"cel": {"expression": f'device.driver == "{driver}"'}}
    client.create(CLASSES, {"metadata": {"name": driver}, "spec": {"selectors": [selector]}})
    try:
        yield
    finally:
        client.delete(f"{CLASSES}/{driver}")


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of one namespace."""

    client: Client
    namespace: str

    @property
    def path(self) -> str:
        """Return the path of the collection."""
        return path_of(RESOURCE, "resourceclaims", namespace=self.namespace)

    def create(self, name: str, driver: str, count: int, *, admin: bool = False) -> Json:
        """Create a claim for so many devices of a driver."""
        exactly: Json = {"deviceClassName": driver, "count": count}
        if admin:
            exactly["adminAccess"] = True
        spec = {"devices": {"requests": [{"name": "gpu", "exactly": exactly}]}}
        return self.client.create(self.path, {"metadata": {"name": name}, "spec": spec})

    def allocate(
        self, name: str, driver: str, pool: str, devices: Sequence[str], *, admin: bool = False
    ) -> dra.Claim:
        """Create a claim that has got *devices*, as the scheduler would have written it."""
        claim = self.create(name, driver, len(devices), admin=admin)
        base = {"request": "gpu", "driver": driver, "pool": pool}
        results: list[Json] = [
            {**base, "device": device, **({"adminAccess": True} if admin else {})}
            for device in devices
        ]
        claim["status"] = {"allocation": {"devices": {"results": results}}}
        self.client.replace(f"{self.path}/{name}/status", claim)
        return dra.Claim(namespace=self.namespace, name=name, uid=claim["metadata"]["uid"])


@contextmanager
def claims_of(client: Client, namespace: str) -> Generator[Claims]:
    """Make a namespace in which admin access is allowed, and remove its claims in the end."""
    label = {"resource.kubernetes.io/admin-access": "true"}
    namespaces = path_of("v1", "namespaces")
    client.create(namespaces, {"metadata": {"name": namespace, "labels": label}})
    found = Claims(client, namespace)
    try:
        yield found
    finally:
        client.delete(found.path)
        client.delete(f"{namespaces}/{namespace}")


class Caller:
    """Calls a plugin as the kubelet does, and says how long that took."""

    def __init__(self, socket: Path) -> None:
        """Connect to the socket of a plugin's DRA service."""
        self._channel = grpc.insecure_channel(f"unix:{socket}")
        self._methods = {
            name: self._channel.unary_unary(
                f"{_SERVICE}/{name}",
                request_serializer=request.SerializeToString,
                response_deserializer=answer.FromString,
            )
            for name, request, answer in (
                (
                    "NodePrepareResources",
                    dra.NodePrepareResourcesRequest,
                    dra.NodePrepareResourcesResponse,
                ),
                (
                    "NodeUnprepareResources",
                    dra.NodeUnprepareResourcesRequest,
                    dra.NodeUnprepareResourcesResponse,
                ),
            )
        }

    def __enter__(self) -> Self:
        """Return the caller."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connection."""
        self._channel.close()

    def prepare(self, claim: dra.Claim) -> float:
        """Prepare a claim and return the seconds.

        Raises:
            NotPrepared: If the plugin refuses.
        """
        request = dra.NodePrepareResourcesRequest(claims=[claim])
        return self._timed("NodePrepareResources", request, claim)

    def unprepare(self, claim: dra.Claim) -> float:
        """Unprepare a claim and return the seconds.

        Raises:
            NotPrepared: If the plugin refuses.
        """
        request = dra.NodeUnprepareResourcesRequest(claims=[claim])
        return self._timed("NodeUnprepareResources", request, claim)

    def _timed(self, method: str, request: Any, claim: dra.Claim) -> float:
        begun = time.perf_counter()
        answer: Any = self._methods[method](request, timeout=_KUBELET_SECONDS)
        taken = time.perf_counter() - begun
        if answer.claims[claim.uid].error:
            raise NotPrepared(answer.claims[claim.uid].error)
        return taken
