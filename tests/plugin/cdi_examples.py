"""Claims on simulated machines, as facts of which CDI files are made."""

from pathlib import PurePosixPath

from plugin.cdi import (
    ClaimedDevice,
    ClaimFacts,
    DriverFacts,
    DriverFiles,
    DriverFilesFinder,
    MpsFolders,
    Spec,
    render,
)
from plugin.hardware.device_nodes import DeviceNode, control_nodes, gpu_nodes, mig_nodes
from plugin.hardware.facts import Gpu
from plugin.hardware.fake import FakeMachine
from tests.plugin.checkpoint_examples import UID, claim

HOST_ROOT = PurePosixPath("/run/nvidia/driver")
HOOK = PurePosixPath("/var/lib/kubelet/plugins/gpu.nvidia.com/nvidia-cdi-hook")


def node(path: str, minor: int = 0, *, mode: int = 0o666, gid: int = 0) -> DeviceNode:
    return DeviceNode(
        path=path, host_path=f"/driver-root{path}", major=195, minor=minor, mode=mode, gid=gid
    )


CONTROL = (
    node("/dev/nvidia-modeset", 254),
    node("/dev/nvidia-uvm"),
    node("/dev/nvidia-uvm-tools", 1),
    node("/dev/nvidiactl", 255),
)

FILES = DriverFiles(
    version="580.95.05",
    mounts=(),
    links=(),
    library_folder=PurePosixPath("/usr/lib64"),
    library_folders=(PurePosixPath("/usr/lib64"),),
)


def driver(
    *,
    files: DriverFiles = FILES,
    control: tuple[DeviceNode, ...] = CONTROL,
    hook: PurePosixPath | None = HOOK,
    simulated: bool = False,
) -> DriverFacts:
    return DriverFacts(files=files, control=control, hook=hook, simulated=simulated)


def device(
    number: int = 0,
    *,
    share_id: str | None = None,
    nodes: tuple[DeviceNode, ...] = (),
    mps: MpsFolders | None = None,
) -> ClaimedDevice:
    return ClaimedDevice(
        device=f"gpu-{number}",
        share_id=share_id,
        nodes=nodes or (node(f"/dev/nvidia{number}", number),),
        pci_address=None,
        mps=mps,
    )


def facts(
    *devices: ClaimedDevice, uid: str = UID, of: DriverFacts | None = None, record: str = "{}"
) -> ClaimFacts:
    return ClaimFacts(
        claim=claim(uid), devices=devices or (device(),), driver=of or driver(), record=record
    )


def example_spec(uid: str = UID) -> Spec:
    return render(facts(uid=uid))


def simulated_driver(machine: FakeMachine, *, host_root: PurePosixPath) -> DriverFacts:
    version = machine.inventory().versions.driver
    return driver(
        files=DriverFilesFinder(machine.trees, host_root=host_root).find(version),
        control=control_nodes(machine.trees),
        hook=None,
        simulated=True,
    )


def full_gpu(machine: FakeMachine, gpu: Gpu) -> ClaimedDevice:
    return ClaimedDevice(
        device=f"gpu-{gpu.minor}",
        share_id=None,
        nodes=gpu_nodes(machine.trees, gpu),
        pci_address=gpu.pci_address,
        environment=((f"GPU_{gpu.minor}", gpu.uuid),),
    )


def first_mig_device(machine: FakeMachine, gpu: Gpu) -> ClaimedDevice:
    mig = gpu.mig_devices[0]
    return ClaimedDevice(
        device=f"gpu-{gpu.minor}-mig-{mig.gpu_instance_profile_id}-{mig.placement.start}",
        share_id=None,
        nodes=mig_nodes(machine.trees, gpu, mig),
        pci_address=None,
    )
