"""Which claim a daemon's Pod is for, where nothing but the claim's UID is known."""

from typing import Any, Protocol

from kube.client import path_of
from kube.errors import KubeError
from plugin.mps.pod_shape import CLAIM_NAME, CLAIM_NAMESPACE, CLAIM_UID
from plugin.preparer import ClaimReference


class Lister(Protocol):
    """The part of `kube.client.Client` that is needed."""

    def list(self, path: str, *, params: dict[str, str]) -> dict[str, Any]:
        """Return the list at *path*."""
        ...


class ClaimNames:
    """Looks claims up among the Pods of MPS daemons."""

    def __init__(self, client: Lister, *, namespace: str) -> None:
        """Ask *client* for the Pods in *namespace*, the driver's."""
        self._client = client
        self._path = path_of("v1", "pods", namespace=namespace)

    def __call__(self, uid: str) -> ClaimReference | None:
        """Return the claim of a UID; None if no Pod is for it, or if nobody answers."""
        try:
            listed = self._client.list(self._path, params={"labelSelector": f"{CLAIM_UID}={uid}"})
        except KubeError:
            return None
        for pod in listed["items"]:
            annotations: dict[str, str] = pod["metadata"].get("annotations") or {}
            if CLAIM_NAME in annotations and CLAIM_NAMESPACE in annotations:
                return ClaimReference(annotations[CLAIM_NAMESPACE], annotations[CLAIM_NAME], uid)
        return None
