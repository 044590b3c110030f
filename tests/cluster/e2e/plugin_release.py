"""The chart on a node with the plugin as a DaemonSet of the real image, on a simulated machine."""

from tests.chart.chart import Json, merged
from tests.cluster.client import path_of
from tests.cluster.e2e.gpu_node import EXTENDED_RESOURCE
from tests.cluster.e2e.release import PATIENCE_SECONDS, Release
from tests.cluster.node import Node
from tests.cluster.waiting import wait_until

SELECTOR = "app.kubernetes.io/component=plugin"


class PluginRelease(Release):
    """A release whose plugin runs on the node.

    Attributes:
        daemon_set: The path of the plugin's DaemonSet.
    """

    def __init__(
        self, node: Node, name: str, *, webhook_image: str, image: str, profile: str
    ) -> None:
        """Install nothing yet.

        Args:
            node: The node.
            name: The name of the release.
            webhook_image: What the node calls the webhook's image.
            image: What it calls the plugin's.
            profile: The machine that is simulated.
        """
        super().__init__(node, name, webhook_image)
        registry, _, rest = image.partition("/")
        repository, _, tag = rest.rpartition(":")
        plugin: Json = {
            "image": {
                "registry": registry,
                "repository": repository,
                "tag": tag,
                "pullPolicy": "Never",
            },
            "simulate": profile,
            "kubeletRootDir": str(node.folders.kubelet),
            "cdiRoot": str(node.folders.cdi),
        }
        self.values = merged(
            self.values,
            {
                "drivers": ["gpu.nvidia.com"],
                "deviceClasses": {"extendedResourceName": EXTENDED_RESOURCE},
                "webhook": {"tls": {"mode": "self-managed"}},
                "plugin": plugin,
            },
        )
        self.daemon_set = path_of(
            "apps/v1", "daemonsets", f"{name}-plugin", namespace=self.namespace
        )

    def wait_rolled_out(self) -> None:
        """Wait until all pods of both services are of the newest sort, and ready.

        Raises:
            RigError: They are not, after two minutes.
        """
        super().wait_rolled_out()
        self.client.wait(self.daemon_set, _is_whole, seconds=PATIENCE_SECONDS)
        wait_until(
            lambda: len(self.all_plugin_pods()) == 1,
            seconds=PATIENCE_SECONDS,
            otherwise=lambda: f"the plugin's pods are {self.all_plugin_pods()}",
            pause_seconds=0.2,
        )

    def all_plugin_pods(self) -> list[Json]:
        """Return the plugin's pods, those that are about to end included."""
        pods = path_of("v1", "pods", namespace=self.namespace)
        return self.client.list(pods, labelSelector=SELECTOR)

    def plugin_pod(self) -> Json:
        """Return the plugin's only pod."""
        (pod,) = self.all_plugin_pods()
        return pod

    def plugin_container(self) -> Json:
        """Return the status of the container in it."""
        (status,) = self.plugin_pod()["status"]["containerStatuses"]
        found: Json = status
        return found

    def daemon_pods(self) -> list[Json]:
        """Return the pods that belong to neither service: the control daemons of MPS."""
        pods = path_of("v1", "pods", namespace=self.namespace)
        return self.client.list(
            pods, labelSelector="app.kubernetes.io/component notin (plugin,webhook)"
        )


def _is_whole(found: Json | None) -> bool:
    if found is None:
        return False
    status = found["status"]
    wanted = status.get("desiredNumberScheduled", 0)
    return (
        status.get("observedGeneration") == found["metadata"]["generation"]
        and wanted == 1
        and all(
            status.get(count, 0) == wanted
            for count in ("updatedNumberScheduled", "numberReady", "numberAvailable")
        )
    )
