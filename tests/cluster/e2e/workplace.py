"""A namespace in which tests run pods with claims, and look into their containers."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.cluster.client import Client, Json, path_of
from tests.cluster.e2e.bodies import GPU
from tests.cluster.images import ENV_IMAGE
from tests.cluster.node import Node
from tests.cluster.waiting import wait_until

SECONDS = 90.0
"""How long a test waits for what must come, however busy the computer is."""

PROGRAM = Path(__file__).with_name("look_inside.py")
RESOURCE = "resource.k8s.io/v1"
PREPARE_FAILED = "FailedPrepareDynamicResources"


def request(name: str = "gpu", device_class: str = GPU, **more: object) -> Json:
    """Return a request for devices of one class."""
    return {"name": name, "exactly": {"deviceClassName": device_class, **more}}


def container(name: str = "main", *requests: Json, **resources: object) -> Json:
    """Return a container of the image that waits, with these claims of its pod."""
    return {
        "name": name,
        "image": ENV_IMAGE,
        "imagePullPolicy": "Never",
        "resources": {"claims": list(requests), **resources},
    }


WHOLE: Json = {"name": "gpu"}
"""All requests of a pod's claim `gpu`, for a container."""


@dataclass(frozen=True, slots=True)
class Inside:
    """What a running container has.

    Attributes:
        environment: The variables of its process.
        nodes: Major and minor number, such as `195:0`, of each device by its path.
        mounts: Where something is mounted.
        openable: Whether it may open a device, by the numbers that were asked for.
        root: The folder by which the node sees its files.
    """

    environment: Mapping[str, str]
    nodes: Mapping[str, str]
    mounts: Sequence[str]
    openable: Mapping[str, bool]
    root: Path

    @property
    def driver_nodes(self) -> Mapping[str, str]:
        """Return those of its device nodes that belong to the driver or a graphics card."""
        return {
            path: number
            for path, number in self.nodes.items()
            if path.startswith(("/dev/nvidia", "/dev/dri"))
        }


class Workplace:
    """Makes claims and pods in one namespace.

    Attributes:
        node: The node of the cluster.
        namespace: The namespace.
    """

    def __init__(self, node: Node, namespace: str) -> None:
        """Make nothing yet."""
        self.node = node
        self.namespace = namespace
        self.claims = path_of(RESOURCE, "resourceclaims", namespace=namespace)
        self.pods = path_of("v1", "pods", namespace=namespace)

    @property
    def client(self) -> Client:
        """A client that may do everything."""
        return self.node.client

    def claim(self, name: str, *requests: Json, configs: Sequence[Json] = ()) -> None:
        """Create a claim, for one GPU unless *requests* say otherwise."""
        devices = {"requests": list(requests or (request(),)), "config": list(configs)}
        body = {
            "apiVersion": RESOURCE,
            "kind": "ResourceClaim",
            "metadata": {"name": name},
            "spec": {"devices": devices},
        }
        self.client.create(self.claims, body, fieldValidation="Strict")

    def pod(self, name: str, *containers: Json, claim: str = "", **spec: object) -> None:
        """Create a pod that has a claim and calls it `gpu`.

        Args:
            name: The pod's.
            containers: One with all requests of the claim by default.
            claim: The claim's name; the pod's own by default.
            spec: More of the pod's spec.
        """
        pod_spec: Json = {
            "restartPolicy": "Never",
            "resourceClaims": [{"name": "gpu", "resourceClaimName": claim or name}],
            "containers": list(containers or (container("main", WHOLE),)),
        }
        self.create_pod(name, pod_spec | spec)

    def create_pod(self, name: str, spec: Json) -> None:
        """Create a pod with a spec."""
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self.client.create(self.pods, body, fieldValidation="Strict")

    def pod_with_gpu(self, name: str, *requests: Json, configs: Sequence[Json] = ()) -> None:
        """Create a claim, as `claim` does, and a pod of the same name."""
        self.claim(name, *requests, configs=configs)
        self.pod(name)

    def wait_pod(
        self, name: str, condition: Callable[[Json], bool], *, seconds: float = SECONDS
    ) -> Json:
        """Wait until the pod is as wanted.

        Raises:
            RigError: It is not in time.
        """
        found = self.client.wait(
            f"{self.pods}/{name}",
            lambda one: one is not None and condition(one),
            seconds=seconds,
        )
        assert found is not None
        return found

    def wait_running(self, name: str, *, seconds: float = SECONDS) -> Json:
        """Wait until all containers of the pod run."""
        return self.wait_pod(name, is_running, seconds=seconds)

    def wait_unschedulable(self, name: str) -> None:
        """Wait until the scheduler says that it finds no place for the pod."""
        self.wait_pod(name, partial(_is_unschedulable))

    def delete_pod(self, name: str) -> None:
        """Delete the pod and wait until it is gone."""
        self.client.delete(f"{self.pods}/{name}", gracePeriodSeconds="1")
        self.client.wait_gone(f"{self.pods}/{name}", seconds=SECONDS)

    def devices(self, claim: str) -> list[str]:
        """Return the devices that a claim got, in the order of its requests."""
        return [one["device"] for one in self.results(claim)]

    def results(self, claim: str) -> list[Json]:
        """Return what a claim got, in the order of its requests."""
        found = self.client.get(f"{self.claims}/{claim}")
        results: list[Json] = found["status"]["allocation"]["devices"]["results"]
        return results

    def claim_uid(self, claim: str) -> str:
        """Return the UID of a claim."""
        uid: str = self.client.get(f"{self.claims}/{claim}")["metadata"]["uid"]
        return uid

    def inside(self, pod: str, name: str = "main", *, numbers: Sequence[str] = ()) -> Inside:
        """Look into a running container.

        Args:
            pod: The pod.
            name: The container's name.
            numbers: Numbers of devices that it is asked to open.
        """
        found = self.client.get(f"{self.pods}/{pod}")
        (long_id,) = (
            status["containerID"]
            for status in found["status"]["containerStatuses"]
            if status["name"] == name
        )
        task = long_id.removeprefix("containerd://")
        (pid,) = (
            line.split()[1]
            for line in self.node.run("ctr", "task", "ls").output.splitlines()
            if line.startswith(task)
        )
        run = self.node.run(sys.executable, "-I", PROGRAM, pid, *numbers)
        return Inside(**json.loads(run.output), root=Path("/proc", pid, "root"))

    def logged(self, pod: str) -> list[str]:
        """Return what the pod's only container wrote: its environment."""
        output = self.node.run("kubectl", "logs", pod, f"--namespace={self.namespace}").output
        return output.splitlines()

    def events(self, name: str, *, reason: str) -> list[Json]:
        """Return the events about a pod or claim with a reason, in the older form."""
        events = path_of("v1", "events", namespace=self.namespace)
        return [
            event
            for event in self.client.list(events)
            if event["involvedObject"]["name"] == name and event["reason"] == reason
        ]

    def wait_events(self, name: str, *, reason: str, count: int = 1) -> list[Json]:
        """Wait until there are so many events about a pod or claim.

        Raises:
            RigError: There are not.
        """
        wait_until(
            lambda: len(self.events(name, reason=reason)) >= count,
            seconds=SECONDS,
            otherwise=lambda: f"these are the events: {self.events(name, reason=reason)}",
            pause_seconds=0.2,
        )
        return self.events(name, reason=reason)

    def clear(self) -> None:
        """Delete all pods and claims, and wait until they are gone.

        Raises:
            RigError: Some stay.
        """
        # While a pod is there its claims stay.
        for collection in (self.pods, self.claims):
            self.client.delete(collection, gracePeriodSeconds="1")
            wait_until(
                partial(self._is_empty, collection),
                seconds=SECONDS,
                otherwise=partial(self._told, collection),
                pause_seconds=0.1,
            )

    def _is_empty(self, collection: str) -> bool:
        return not self.client.list(collection)

    def _told(self, collection: str) -> str:
        return f"there still are {self.client.list(collection)}"


def is_running(pod: Json) -> bool:
    """Say whether all containers of a pod run."""
    statuses = pod["status"].get("containerStatuses", [])
    return len(statuses) == len(pod["spec"]["containers"]) and all(
        "running" in status["state"] for status in statuses
    )


def _is_unschedulable(pod: Json) -> bool:
    return any(
        (one["type"], one["status"], one.get("reason"))
        == ("PodScheduled", "False", "Unschedulable")
        for one in pod["status"].get("conditions", [])
    )
