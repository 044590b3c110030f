"""From the settings to what runs the control daemons of MPS."""

from pathlib import Path, PurePosixPath

from kube.client import Client
from plugin.durable_files import Steps
from plugin.hardware.port import Machine
from plugin.mps.folders import MpsPlaces
from plugin.mps.launcher import Launcher
from plugin.mps.pods import MpsOptions, PodLauncher
from plugin.mps.processes import ProcessLauncher
from plugin.prepare import MpsSharing
from plugin.settings import MpsLauncher, Settings


def mps_sharing(
    settings: Settings, client: Client, machine: Machine, *, host_root: Path, steps: Steps
) -> MpsSharing:
    """Return what shares devices through MPS.

    Args:
        settings: What the operator decides.
        client: The API server, for daemons in pods.
        machine: Whose devices are shared.
        host_root: Where the host has the driver.
        steps: Is told each change that is made.
    """
    places = MpsPlaces(folder=settings.folder / "mps", shared_memory=settings.mps.shared_memory)
    launcher = _launcher(settings, client, machine, places, host_root)
    return MpsSharing(machine, launcher, places, steps=steps)


def _launcher(
    settings: Settings, client: Client, machine: Machine, places: MpsPlaces, host_root: Path
) -> Launcher:
    mps, seen_root = settings.mps, machine.trees.driver_root
    if mps.launcher is MpsLauncher.PROCESS:
        return ProcessLauncher(places, driver_root=seen_root)
    options = MpsOptions(
        namespace=settings.namespace,
        node_name=settings.node_name,
        image=mps.image,
        image_pull_policy=mps.image_pull_policy,
        image_pull_secrets=mps.image_pull_secrets,
        service_account=mps.service_account,
        priority_class=mps.priority_class,
        tolerations=mps.tolerations,
        privileged=not machine.simulated,
        driver_root=PurePosixPath(host_root),
    )
    return PodLauncher(client, options, driver_root_mount=seen_root)
