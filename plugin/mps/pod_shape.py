"""The Pod of one MPS control daemon, which the chart's admission policy describes as well.

The plugin's account may create Pods of this shape only, and only on its own node:

- `metadata.namespace` is the driver's, `metadata.name` is `dra-config-mps-<claim UID>-<5 hex>`.
- `metadata.labels` are `app.kubernetes.io/name: dra-config-mps` and `dra-config.dev/claim-uid`,
  the UID that the name holds.
- `metadata.annotations` are `dra-config.dev/claim-namespace` and `dra-config.dev/claim-name`.
- `metadata.ownerReferences` is the Node alone, so that the Pod ends with it.
- `spec.nodeName` is the plugin's own node, and `spec.serviceAccountName` the one given for such
  Pods; `spec.automountServiceAccountToken` and `spec.enableServiceLinks` are false.
- There is one container, `mps`: the given image, and a command that begins with the given program.
- With a real driver the container is privileged and `spec.hostPID` is true, since the daemon must
  know its clients by their process ids. With a simulated one it has no capability.
- The volumes are `driver-root`, `pipe`, `log` and `shared-memory`, all `hostPath` of type
  `Directory`: the driver's root, and folders named after the daemon.
- Nothing of the host's network or IPC, no ports, no environment, no other containers.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from plugin.mps.arguments import arguments
from plugin.mps.description import MpsDaemon

Json = dict[str, Any]

NAME: Final = "dra-config-mps"
NAME_LABEL: Final = "app.kubernetes.io/name"
CLAIM_UID: Final = "dra-config.dev/claim-uid"
CLAIM_NAME: Final = "dra-config.dev/claim-name"
CLAIM_NAMESPACE: Final = "dra-config.dev/claim-namespace"
CONTAINER: Final = "mps"

PROGRAM: Final = ("/app/bin/python3", "-m", "plugin.mps.daemon")
"""As the plugin's image has it."""
GRACE_SECONDS: Final = 10
"""The daemon gets half of it to quit."""

_ROOT: Final = PurePosixPath("/driver-root")
_OUTSIDE: Final = PurePosixPath("/mps")
"""Holds the folders for a driver root that may be read-only, and has no system in it."""
_SHM: Final = PurePosixPath("/dev/shm")  # noqa: S108 - of the container


@dataclass(frozen=True, slots=True, kw_only=True)
class MpsOptions:
    """What the installation decides about the Pods."""

    namespace: str
    node_name: str
    image: str
    """The plugin's own."""
    image_pull_policy: str
    image_pull_secrets: tuple[str, ...]
    service_account: str
    priority_class: str
    """Empty for none."""
    tolerations: tuple[Json, ...]
    """As in a Pod; a taint that evicts others must not evict a daemon in use."""
    privileged: bool
    """Needed to reach GPUs that are real."""
    driver_root: PurePosixPath
    """On the host."""
    program: tuple[str, ...] = PROGRAM
    cpu_request: str = "10m"
    memory_request: str = "64Mi"


def pod_name(daemon_id: str) -> str:
    """Return the name of a daemon's Pod."""
    return f"{NAME}-{daemon_id}"


def daemon_id_of(name: str) -> str:
    """Return the id of the daemon of a Pod."""
    return name.removeprefix(f"{NAME}-")


class PodShape:
    """Makes the Pods of daemons."""

    def __init__(self, options: MpsOptions, *, driver_root_mount: Path) -> None:
        """Decide from the driver's root where folders lie in the container.

        Args:
            options: What the installation decides.
            driver_root_mount: The driver's root as this process sees it.
        """
        self._options = options
        # A root with a shell is a whole system, whose C library is not that of the image.
        self._inside = (driver_root_mount / "bin/sh").exists()
        self._pipe = _ROOT / "tmp/nvidia-mps" if self._inside else _OUTSIDE / "pipe"
        self._log = _ROOT / "var/log/nvidia-mps" if self._inside else _OUTSIDE / "log"
        own_shm = self._inside and (driver_root_mount / "dev/shm").is_dir()
        self._shared_memory = _ROOT / "dev/shm" if own_shm else _SHM

    def arguments(self, daemon: MpsDaemon) -> list[str]:
        """Return what the program of a daemon is started with."""
        return arguments(daemon, root=_ROOT, inside=self._inside, pipe=self._pipe, log=self._log)

    def pod(self, daemon: MpsDaemon, *, node_uid: str) -> Json:
        """Return the Pod of a daemon, owned by the Node of a UID."""
        options = self._options
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": pod_name(daemon.id),
                "namespace": options.namespace,
                "labels": {NAME_LABEL: NAME, CLAIM_UID: daemon.claim.uid},
                "annotations": {
                    CLAIM_NAMESPACE: daemon.claim.namespace,
                    CLAIM_NAME: daemon.claim.name,
                },
                "ownerReferences": [
                    {
                        "apiVersion": "v1",
                        "kind": "Node",
                        "name": options.node_name,
                        "uid": node_uid,
                    }
                ],
            },
            "spec": {
                "nodeName": options.node_name,
                "serviceAccountName": options.service_account,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": GRACE_SECONDS,
                "tolerations": [*options.tolerations],
                "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
                **(
                    {"priorityClassName": options.priority_class} if options.priority_class else {}
                ),
                **({"hostPID": True} if options.privileged else {}),
                **self._inner(daemon),
            },
        }

    def _inner(self, daemon: MpsDaemon) -> Json:
        """Return the container and its volumes."""
        options = self._options
        mounts = {
            # First, since others may lie in it.
            "driver-root": (options.driver_root, _ROOT),
            "pipe": (daemon.pipe, self._pipe),
            "log": (daemon.log, self._log),
            "shared-memory": (daemon.shared_memory, self._shared_memory),
        }
        container: Json = {
            "name": CONTAINER,
            "image": options.image,
            "imagePullPolicy": options.image_pull_policy,
            "command": [*options.program],
            "args": self.arguments(daemon),
            "resources": {
                "requests": {"cpu": options.cpu_request, "memory": options.memory_request}
            },
            "securityContext": _rights(privileged=options.privileged),
            # What the program says last is what a failed prepare tells.
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [
                {"name": name, "mountPath": str(inner)} for name, (_, inner) in mounts.items()
            ],
        }
        return {
            "containers": [container],
            "volumes": [
                # Nothing is made where nothing is: after a reboot the Pod waits for the plugin.
                {"name": name, "hostPath": {"path": str(outer), "type": "Directory"}}
                for name, (outer, _) in mounts.items()
            ],
        }


def _rights(*, privileged: bool) -> Json:
    common: Json = {"runAsUser": 0, "runAsGroup": 0, "readOnlyRootFilesystem": True}
    if privileged:
        return {**common, "privileged": True}
    return {**common, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
