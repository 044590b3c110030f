"""Makes the CDI file of a claim from settled facts, and from nothing else.

No socket of the host appears in a container but those of the claim's own MPS daemon: others, such
as those of Fabric Manager, would let a container reach what belongs to all.
"""

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from plugin.cdi.errors import CdiError, HookMissingError, NotReadyError
from plugin.cdi.facts import ClaimedDevice, ClaimFacts, DriverFacts, MpsFolders
from plugin.cdi.spec import Device, Edits, Hook, Mount, Spec, device_name, unique

ANNOTATIONS: Final = "gpu.nvidia.com"
"""What the annotations of our files begin with."""

CLAIM_NAME: Final = f"{ANNOTATIONS}/claim-name"
CLAIM_NAMESPACE: Final = f"{ANNOTATIONS}/claim-namespace"
CLAIM_UID: Final = f"{ANNOTATIONS}/claim-uid"
RECORD: Final = f"{ANNOTATIONS}/record"

_REQUIRED_NODES: Final = ("/dev/nvidia-uvm", "/dev/nvidiactl")
"""Without one of these no CUDA program runs."""
_PIPE_FOLDER: Final = PurePosixPath("/tmp/nvidia-mps")  # noqa: S108 - of the container
_SHARED_MEMORY: Final = PurePosixPath("/dev/shm")  # noqa: S108 - of the container
_WRITABLE: Final = ("rw", "nosuid", "nodev", "bind")
_DRM: Final = (("/dev/dri/card", "card"), ("/dev/dri/renderD", "render"))


def render(facts: ClaimFacts) -> Spec:
    """Return the CDI file of a claim; the same facts always give the same one.

    Raises:
        NotReadyError: A node that every container needs is not there yet.
        HookMissingError: There is a real driver, and its hook is not installed.
        CdiError: The claim has no device, or one of them twice, or one without nodes.
    """
    driver = facts.driver
    _require_nodes(driver)
    names = [device_name(facts.claim.uid, one.device, one.share_id) for one in facts.devices]
    if not names:
        raise CdiError(f"Claim {facts.claim} has no device to describe.")
    for device in facts.devices:
        if not device.nodes:
            raise CdiError(f"Device '{device.device}' of claim {facts.claim} has no device node.")
    for name in names:
        if names.count(name) > 1:
            raise CdiError(f"Claim {facts.claim} has device '{name}' twice, without share ids.")
    return Spec(
        annotations=(
            (CLAIM_NAME, facts.claim.name),
            (CLAIM_NAMESPACE, facts.claim.namespace),
            (CLAIM_UID, facts.claim.uid),
            (RECORD, facts.record),
        ),
        devices=tuple(
            Device(name=name, edits=_device_edits(device, driver))
            for name, device in zip(names, facts.devices, strict=True)
        ),
        edits=_common_edits(driver),
    )


def _require_nodes(driver: DriverFacts) -> None:
    """Refuse what would start a container without its GPU."""
    there = {node.path for node in driver.control}
    for path in _REQUIRED_NODES:
        if path not in there:
            raise NotReadyError(
                f"There is no {path}, and the kernel lists no such device: the driver's kernel "
                "modules are not all loaded yet."
            )
    if driver.hook is None and not driver.simulated:
        raise HookMissingError(
            "The program 'nvidia-cdi-hook' is not installed: without it containers do not find "
            "the driver's libraries. The plugin's image brings it."
        )


def _common_edits(driver: DriverFacts) -> Edits:
    files = driver.files
    return Edits(
        environment=(
            ("NVIDIA_CTK_LIBCUDA_DIR", str(files.library_folder)),
            # Keeps NVIDIA's own container runtime from adding all GPUs.
            ("NVIDIA_VISIBLE_DEVICES", "void"),
        ),
        nodes=unique(driver.control),
        mounts=files.mounts,
        hooks=tuple(_common_hooks(driver)),
    )


def _common_hooks(driver: DriverFacts) -> Iterator[Hook]:
    """Yield what finishes a container, in the order in which one builds on the other."""
    files, path = driver.files, driver.hook
    if path is None:
        return
    if files.links:
        yield _links(path, files.links)
    yield Hook(
        path=path, arguments=("enable-cuda-compat", f"--host-driver-version={files.version}")
    )
    folders = (argument for one in files.library_folders for argument in ("--folder", str(one)))
    yield Hook(path=path, arguments=("update-ldcache", *folders))
    yield Hook(path=path, arguments=("disable-device-node-modification",))


def _device_edits(device: ClaimedDevice, driver: DriverFacts) -> Edits:
    links = tuple(_paths_of_drm_nodes(device))
    mps = device.mps
    return Edits(
        environment=(
            *device.environment,
            *(() if mps is None else (("CUDA_MPS_PIPE_DIRECTORY", str(_PIPE_FOLDER)),)),
        ),
        nodes=unique(device.nodes),
        mounts=() if mps is None else _mps_mounts(mps),
        hooks=(_links(driver.hook, links),) if links and driver.hook is not None else (),
    )


def _mps_mounts(folders: MpsFolders) -> tuple[Mount, ...]:
    return (
        Mount(host_path=folders.shared_memory, container_path=_SHARED_MEMORY, options=_WRITABLE),
        Mount(host_path=folders.pipe, container_path=_PIPE_FOLDER, options=_WRITABLE),
    )


def _paths_of_drm_nodes(device: ClaimedDevice) -> Iterator[tuple[str, str]]:
    """Yield the links by which programs find the DRM nodes of one GPU among all."""
    if device.pci_address is None:
        return
    for node in device.nodes:
        for start, kind in _DRM:
            if node.path.startswith(start):
                name = node.path.rpartition("/")[2]
                yield f"../{name}", f"/dev/dri/by-path/pci-{device.pci_address}-{kind}"


def _links(path: PurePosixPath, links: tuple[tuple[str, str], ...]) -> Hook:
    pairs = (argument for target, place in links for argument in ("--link", f"{target}::{place}"))
    return Hook(path=path, arguments=("create-symlinks", *pairs))
