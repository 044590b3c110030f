"""Runs each MPS control daemon as a bare Pod on this node, which the kubelet keeps running."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from kube.client import Client, Json, path_of
from kube.errors import ConflictError, InvalidError, KubeError, NotFoundError
from plugin.mps.description import MpsDaemon
from plugin.mps.errors import MpsError
from plugin.mps.launcher import Sight
from plugin.mps.pod_shape import NAME, NAME_LABEL, MpsOptions, PodShape, daemon_id_of, pod_name
from plugin.mps.pod_sight import sight_of
from plugin.preparer import Deadline

__all__ = ["MpsOptions", "PodLauncher"]

_LONGEST_REQUEST_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 1.0


class PodLauncher:
    """Starts and stops Pods; implements `launcher.Launcher`.

    A controller in between, such as a Deployment, would have to be allowed to make Pods of any
    kind on any node.
    """

    def __init__(self, client: Client, options: MpsOptions, *, driver_root_mount: Path) -> None:
        """Start nothing yet.

        Args:
            client: The API server.
            options: What the installation decides about the Pods.
            driver_root_mount: The driver's root as this process sees it.
        """
        self._client = client
        self._options = options
        self._shape = PodShape(options, driver_root_mount=driver_root_mount)

    def start(self, daemon: MpsDaemon, deadline: Deadline) -> None:
        """Create the Pod of a daemon."""
        options = self._options
        if not options.image:
            message = "MPS daemons run in Pods, and no image is set for these: use --mps-image."
            raise MpsError(message, transient=False)
        with _asking(deadline) as seconds:
            node = self._client.get(path_of("v1", "nodes", options.node_name), seconds=seconds)
        pod = self._shape.pod(daemon, node_uid=node["metadata"]["uid"])
        path = path_of("v1", "pods", namespace=options.namespace)
        with _asking(deadline) as seconds:
            try:
                self._client.create(path, pod, seconds=seconds)
            except ConflictError as error:
                message = f"Pod {self._name(daemon.id)} of an earlier try is still there."
                raise MpsError(message) from error

    def look(self, daemon: MpsDaemon, deadline: Deadline) -> Sight:
        """Return what the status of a daemon's Pod tells."""
        pod = self._found(daemon.id, deadline)
        return sight_of(pod, self._name(daemon.id), self._shape.arguments(daemon))

    def stop(self, daemon_id: str, deadline: Deadline) -> None:
        """Delete the Pod of a daemon and wait until its processes have ended.

        The kubelet takes a Pod out of the API only after that.
        """
        with _asking(deadline) as seconds:
            try:
                self._client.delete(self._path(daemon_id), seconds=seconds)
            except NotFoundError:
                return
        pause_seconds = _FIRST_PAUSE_SECONDS
        while self._found(daemon_id, deadline) is not None:
            if not deadline.wait(pause_seconds):
                raise MpsError(f"Pod {self._name(daemon_id)} is still being deleted.")
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)

    def ids(self, deadline: Deadline) -> frozenset[str]:
        """Return the ids of the Pods of this node."""
        options = self._options
        params = {
            "labelSelector": f"{NAME_LABEL}={NAME}",
            "fieldSelector": f"spec.nodeName={options.node_name}",
        }
        path = path_of("v1", "pods", namespace=options.namespace)
        with _asking(deadline) as seconds:
            listed = self._client.list(path, params=params, seconds=seconds)
        return frozenset(daemon_id_of(pod["metadata"]["name"]) for pod in listed["items"])

    def _found(self, daemon_id: str, deadline: Deadline) -> Json | None:
        with _asking(deadline) as seconds:
            try:
                return self._client.get(self._path(daemon_id), seconds=seconds)
            except NotFoundError:
                return None

    def _path(self, daemon_id: str) -> str:
        return path_of("v1", "pods", pod_name(daemon_id), namespace=self._options.namespace)

    def _name(self, daemon_id: str) -> str:
        return f"{self._options.namespace}/{pod_name(daemon_id)}"


@contextmanager
def _asking(deadline: Deadline) -> Generator[float]:
    """Lend the seconds that one request may take, and tell why it failed."""
    seconds = min(_LONGEST_REQUEST_SECONDS, deadline.remaining_seconds())
    if not seconds:
        message = "There was no time left to ask the API server for the Pod of the MPS daemon."
        raise MpsError(message)
    try:
        yield seconds
    except KubeError as error:
        message = f"The API server did not do what the Pod of the MPS daemon needs: {error}"
        raise MpsError(message, transient=not isinstance(error, InvalidError)) from error
