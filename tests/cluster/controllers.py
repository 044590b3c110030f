"""kube-controller-manager and kube-scheduler in a rig, beside its control plane."""

from pathlib import Path

from tests.cluster.binaries import FLAGS, Binaries
from tests.cluster.component import Component
from tests.cluster.control_plane import ControlPlane
from tests.cluster.rig import Rig


def start_controller_manager(
    rig: Rig, binaries: Binaries, control_plane: ControlPlane
) -> Component:
    """Start kube-controller-manager; it need not be ready yet.

    It makes claims from templates and the ServiceAccount `default`, and takes the taint from a
    node that is ready.

    Raises:
        RigError: It cannot be started.
    """
    return start(
        rig,
        control_plane,
        binaries.kube_controller_manager,
        "kube-controller-manager",
        f"--service-account-private-key-file={control_plane.service_account_key}",
        f"--root-ca-file={control_plane.authority.certificate}",
        "--use-service-account-credentials=true",
        *FLAGS[binaries.kubernetes].other_flags,
    )


def start_scheduler(rig: Rig, binaries: Binaries, control_plane: ControlPlane) -> Component:
    """Start kube-scheduler; it need not be ready yet.

    Raises:
        RigError: It cannot be started.
    """
    return start(
        rig,
        control_plane,
        binaries.kube_scheduler,
        "kube-scheduler",
        *FLAGS[binaries.kubernetes].other_flags,
    )


def start(
    rig: Rig, control_plane: ControlPlane, program: Path, name: str, *flags: str
) -> Component:
    """Start one of the two as the user that the API server knows it as."""
    authority = control_plane.authority
    leaf = authority.leaf(name, f"system:{name}")
    kubeconfig = authority.kubeconfig(name, server=control_plane.url, leaf=leaf)
    return rig.start(
        name,
        [
            program,
            f"--kubeconfig={kubeconfig}",
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={rig.folder(name)}",
            "--leader-elect=false",
            *flags,
        ],
    )
