"""The device nodes that a container needs for a GPU or a MIG device.

What can be read from the node itself wins. Where the node does not exist, as on a simulated
machine or before a first use, its numbers come from `/proc/devices` and sysfs, and the container
runtime creates it.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from plugin.hardware.errors import GpuMissingError, MachineError
from plugin.hardware.facts import Gpu, MigDevice
from plugin.hardware.host_trees import (
    HostTrees,
    character_majors,
    drm_nodes,
    mig_capability,
)

_CONTROL_MINOR: Final = 255
_MODESET_MINOR: Final = 254
_EVERYBODY: Final = 0o666


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceNode:
    """One character device, as CDI describes it."""

    path: str
    """Below the container's root, such as `/dev/nvidia0`."""
    host_path: str
    """Where the node lies, or would lie, on the host as the plugin sees it."""
    major: int
    minor: int
    mode: int
    """Permission bits."""
    gid: int
    """The group that owns it; matters only where `mode` does not let everybody in."""


def control_nodes(trees: HostTrees) -> tuple[DeviceNode, ...]:
    """Return the nodes that every container with a GPU needs, in order of their paths.

    A kind of node whose kernel module is not loaded is left out.

    Raises:
        MachineError: `/proc/devices` cannot be read.
    """
    majors = _majors(trees)
    front = _front(majors)
    uvm = majors.get("nvidia-uvm")
    wanted = [
        ("nvidia-modeset", majors.get("nvidia-modeset", front), _MODESET_MINOR),
        ("nvidia-uvm", uvm, 0),
        ("nvidia-uvm-tools", uvm, 1),
        ("nvidiactl", majors.get("nvidiactl", front), _CONTROL_MINOR),
    ]
    nodes = (_node(trees, name, major, minor) for name, major, minor in wanted)
    return tuple(node for node in nodes if node is not None)


def gpu_nodes(trees: HostTrees, gpu: Gpu) -> tuple[DeviceNode, ...]:
    """Return the nodes of a full GPU: its own first, then its DRM nodes in order of names.

    Raises:
        MachineError: `/proc/devices` cannot be read.
    """
    found = [_gpu_node(trees, gpu, _majors(trees))]
    for name, major, minor in drm_nodes(trees.sys, gpu.pci_address):
        node = _node(trees, f"dri/{name}", major, minor)
        if node is not None:
            found.append(node)
    return tuple(found)


def mig_nodes(trees: HostTrees, gpu: Gpu, device: MigDevice) -> tuple[DeviceNode, ...]:
    """Return the nodes of a MIG device: the GPU's own and two capabilities, no DRM node.

    Raises:
        GpuMissingError: The driver does not show the device's instances any more.
        MachineError: `/proc/devices` cannot be read or knows no capabilities.
    """
    majors = _majors(trees)
    major = majors.get("nvidia-caps")
    if major is None:
        message = (
            "The kernel lists no 'nvidia-caps' devices: the driver cannot hand out MIG devices."
        )
        raise MachineError(message)
    found = [_gpu_node(trees, gpu, majors)]
    for compute_instance in (None, device.compute_instance_id):
        try:
            capability = mig_capability(
                trees.proc,
                gpu_minor=gpu.minor,
                gpu_instance=device.gpu_instance_id,
                compute_instance=compute_instance,
            )
        except (OSError, ValueError) as error:
            message = (
                f"The driver does not show the capabilities of MIG device {device.uuid}: {error}"
            )
            raise GpuMissingError(message) from error
        name = f"nvidia-caps/nvidia-cap{capability.minor}"
        found.append(
            DeviceNode(
                path=f"/dev/{name}",
                host_path=f"{trees.dev}/{name}",
                major=major,
                minor=capability.minor,
                mode=capability.mode,
                gid=0,
            )
        )
    return tuple(found)


def _gpu_node(trees: HostTrees, gpu: Gpu, majors: Mapping[str, int]) -> DeviceNode:
    node = _node(trees, f"nvidia{gpu.minor}", _front(majors), gpu.minor)
    if node is None:
        message = (
            f"There is no /dev/nvidia{gpu.minor} for {gpu.uuid}, and the kernel lists no "
            "'nvidia' devices to make it from."
        )
        raise MachineError(message)
    return node


def _node(trees: HostTrees, name: str, major: int | None, minor: int) -> DeviceNode | None:
    """Return the node called *name*, or None if it neither exists nor can be made."""
    host_path = f"{trees.dev}/{name}"
    mode, gid = _EVERYBODY, 0
    try:
        status = os.stat(host_path)  # noqa: PTH116 - one for each node of each prepared claim
    except OSError:
        pass
    else:
        if stat.S_ISCHR(status.st_mode):
            major, minor = os.major(status.st_rdev), os.minor(status.st_rdev)
            mode, gid = stat.S_IMODE(status.st_mode), status.st_gid
    if major is None:
        return None
    return DeviceNode(
        path=f"/dev/{name}",
        host_path=host_path,
        major=major,
        minor=minor,
        mode=mode,
        gid=gid,
    )


def _majors(trees: HostTrees) -> Mapping[str, int]:
    try:
        return character_majors(trees.proc)
    except OSError as error:
        message = f"The kernel's list of devices cannot be read: {error}"
        raise MachineError(message) from error


def _front(majors: Mapping[str, int]) -> int | None:
    """Return the major of the GPUs' nodes, which newer modules name otherwise."""
    return majors.get("nvidia", majors.get("nvidia-frontend"))
