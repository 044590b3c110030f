"""A whole cluster of one node: control plane, containerd and kubelet in their own namespaces."""

from collections.abc import Mapping
from pathlib import Path

from tests.cluster.binaries import FLAGS, Binaries
from tests.cluster.client import Json, path_of
from tests.cluster.component import Component
from tests.cluster.control_plane import SERVICE_ADDRESS, ControlPlane, Endpoint
from tests.cluster.controllers import start_controller_manager, start_scheduler
from tests.cluster.host import make_cgroup, seclude
from tests.cluster.images import archives
from tests.cluster.network import Addresses, addresses, connect, usable
from tests.cluster.node_files import (
    Folders,
    containerd_toml,
    kubelet_configuration,
    pod_network,
)
from tests.cluster.rig import RUN_SECONDS, Finished, Rig
from tests.cluster.waiting import RigError, wait_until

NODE = "node1"
READY_SECONDS = 90.0
PODS_SECONDS = 20.0
NOT_READY = "node.kubernetes.io/not-ready"


def is_ready(node: Json | None) -> bool:
    """Say whether a Node object is ready, and has lost the taint that keeps pods away."""
    if node is None:
        return False
    conditions = node.get("status", {}).get("conditions", [])
    taints = node["spec"].get("taints", [])
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions) and all(
        one["key"] != NOT_READY for one in taints
    )


def line_of(number: int) -> Addresses:
    """Return the addresses of rig *number*.

    Raises:
        RigError: The host routes all of them elsewhere.
    """
    line = addresses(number)
    if line is None:
        raise RigError(f"this machine routes every network that rig {number} could have")
    return line


class Node:
    """A running cluster with the node `node1`.

    Images: `rig.local/env:1` prints its environment and waits. Pods need
    `imagePullPolicy: Never`.

    Attributes:
        rig: The folder and the processes.
        binaries: The programs.
        folders: Where the kubelet, containerd and CDI files lie.
        control_plane: The API server and etcd.
        client: A client that may do everything.
        url: Where the API server answers, from the test process and from the node.
        address: The node's address.
        host_address: Where the node reaches what the test process serves.
        controller_manager: The process of kube-controller-manager.
        scheduler: The process of kube-scheduler.
        containerd: The process of containerd.
        kubelet: The process of the kubelet.
    """

    def __init__(self, binaries: Binaries, *, cache: Path) -> None:
        """Start everything and wait until the node is ready, which takes a quarter of a minute.

        Args:
            binaries: The programs.
            cache: The folder for what outlives a test run: records of rigs, logs of failures.

        Raises:
            RigError: A part does not become ready; the error carries the end of its log.
            LeftoverError: Something of a killed run cannot be removed.
        """
        images = archives(cache)
        self.binaries = binaries
        self.rig = Rig(
            cache,
            own_network=True,
            programs=[binaries.directory],
            usable=usable,
        )
        try:
            self._start(images)
        except BaseException as error:
            self.rig.abandon(error)
            raise

    def _start(self, images: list[Path]) -> None:
        """Start in the order in which each part finds what it needs."""
        line = line_of(self.rig.number)
        self.address, self.host_address = line.node, line.host
        seclude(self.rig)
        connect(self.rig, line)
        self.folders = Folders(self.rig.root)
        self.folders.make()
        self.control_plane = ControlPlane(
            self.rig,
            self.binaries,
            Endpoint(
                bind_address="0.0.0.0",  # noqa: S104 - of the rig's own namespace
                advertise_address=line.node,
                port=443,
                addresses=(line.node, SERVICE_ADDRESS, "127.0.0.1"),
            ),
        )
        self.client, self.url = self.control_plane.client, self.control_plane.url
        self.controller_manager = start_controller_manager(
            self.rig, self.binaries, self.control_plane
        )
        self.scheduler = start_scheduler(self.rig, self.binaries, self.control_plane)
        self.containerd = self._containerd()
        for image in images:
            self.import_image(image)
        self.kubelet = self._kubelet()
        self.wait_ready()

    def _containerd(self) -> Component:
        folders = self.folders
        toml = containerd_toml(folders, runc=self.binaries.runc, cni=self.binaries.cni)
        config = folders.containerd / "config.toml"
        config.write_text(toml, encoding="utf-8")
        network = folders.network / "10-rig.conflist"
        network.write_text(pod_network(folders), encoding="utf-8")
        containerd = self.rig.start("containerd", [self.binaries.containerd, "-c", config])
        containerd.wait_ready(
            lambda: folders.socket.exists() and self.run("ctr", "version", check=False).code == 0
        )
        return containerd

    def _kubelet(self) -> Component:
        authority = self.control_plane.authority
        leaf = authority.leaf(
            "kubelet",
            f"system:node:{NODE}",
            organizations=["system:nodes"],
            addresses=[self.address],
            dns_names=[NODE],
        )
        kubeconfig = authority.kubeconfig("kubelet", server=self.url, leaf=leaf)
        config = self.rig.root / "kubelet.yaml"
        config.write_text(
            kubelet_configuration(
                self.folders,
                address=self.address,
                authority=authority.certificate,
                certificate=leaf.certificate,
                key=leaf.key,
                cgroup=make_cgroup(self.rig),
            ),
            encoding="utf-8",
        )
        return self.rig.start(
            "kubelet",
            [
                self.binaries.kubelet,
                f"--config={config}",
                f"--kubeconfig={kubeconfig}",
                f"--root-dir={self.folders.kubelet}",
                f"--cert-dir={self.folders.kubelet / 'pki'}",
                f"--hostname-override={NODE}",
                f"--node-ip={self.address}",
                *FLAGS[self.binaries.kubernetes].other_flags,
            ],
        )

    def wait_ready(self) -> None:
        """Wait until the node takes pods and its kubelet answers.

        Raises:
            RigError: It does not, within a minute and a half.
        """
        node = path_of("v1", "nodes", NODE)
        account = path_of("v1", "serviceaccounts", "default", namespace="default")

        def ready() -> bool:
            # A kubelet that was restarted is still called ready before it runs again.
            return (
                is_ready(self.client.find(node))
                and self.client.http.get(f"{node}/proxy/healthz").text == "ok"
                and self.client.find(account) is not None
            )

        self.kubelet.wait_ready(ready, seconds=READY_SECONDS)

    def restart_kubelet(self) -> None:
        """Stop the kubelet, start it with its present arguments, and wait until it is ready.

        Raises:
            RigError: It does not become ready.
        """
        self.kubelet.stop()
        self.kubelet.start()
        self.wait_ready()

    def run(
        self,
        *arguments: str | Path,
        text: str = "",
        environment: Mapping[str, str] | None = None,
        seconds: float = RUN_SECONDS,
        check: bool = True,
    ) -> Finished:
        """Run kubectl, helm, ctr or another program on the node, as one who may do everything.

        The arguments and errors are those of `Rig.run`.
        """
        runtime = {
            "CONTAINERD_ADDRESS": str(self.folders.socket),
            "CONTAINERD_NAMESPACE": "k8s.io",
        }
        return self.control_plane.run(
            *arguments,
            text=text,
            environment=runtime | dict(environment or {}),
            seconds=seconds,
            check=check,
        )

    def import_image(self, archive: Path) -> None:
        """Give the node the images of a docker-archive or OCI archive.

        Raises:
            RigError: containerd refuses it.
        """
        self.run("ctr", "image", "import", archive, seconds=300)

    def pods(self) -> list[Json]:
        """Return all pods of the cluster."""
        return self.client.list(path_of("v1", "pods"))

    def delete_pods(self) -> None:
        """Delete all pods and wait until they are gone; their controllers make them anew.

        Raises:
            RigError: Some stay.
        """
        for namespace in {pod["metadata"]["namespace"] for pod in self.pods()}:
            self.client.delete(path_of("v1", "pods", namespace=namespace), gracePeriodSeconds="1")
        wait_until(
            lambda: not self.pods(),
            seconds=PODS_SECONDS,
            otherwise=lambda: (
                f"these pods stay: {[pod['metadata']['name'] for pod in self.pods()]}"
            ),
        )

    def close(self) -> None:
        """Stop everything and remove all of it.

        Raises:
            RigError: Something could not be removed; the next start tries again.
        """
        try:
            # Otherwise the controllers would make deleted pods anew.
            self.controller_manager.stop()
            self.scheduler.stop()
            self.delete_pods()
            self.kubelet.stop()
            self.control_plane.stop()
            self.containerd.stop()
        finally:
            self.rig.close()
