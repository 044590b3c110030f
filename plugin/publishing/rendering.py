"""From a GPU or MIG device to the attributes and capacities that users select by."""

import re
from typing import Final

from plugin.hardware.facts import DriverVersions, Gpu, MigDevice
from plugin.publishing.allocatable import AllocatableDevice, AllocatableDevices
from plugin.publishing.device import Attribute, Device, Version

LONGEST_VALUE_BYTES: Final = 64
"""What the API server takes for a string or version."""

_STANDARD: Final = "resource.kubernetes.io/"
_NUMBERS: Final = re.compile(r"[0-9]+(?:\.[0-9]+)*")
_PARTS: Final = 3
_LARGEST_PART: Final = 2**64 - 1


def render_devices(
    allocatable: AllocatableDevices, versions: DriverVersions, *, simulated: bool
) -> tuple[Device, ...]:
    """Return the devices to publish, in the same order.

    Args:
        allocatable: What the machine offers.
        versions: Of the driver that is loaded.
        simulated: Whether the machine is made of data; every device then says so.
    """
    return tuple(_device(one, versions, simulated=simulated) for one in allocatable.devices)


def canonical_version(text: str) -> Version | None:
    """Return the three-part semantic version of a driver's version.

    Leading zeros are dropped, missing parts are 0, parts from the fourth on are dropped:
    `550.163.01` is `550.163.1`, `570.86` is `570.86.0`. None if the text does not begin with a
    number, or has one that no semantic version holds.
    """
    match = _NUMBERS.match(text.strip())
    if match is None:
        return None
    parts = [int(part) for part in match[0].split(".")][:_PARTS]
    parts += [0] * (_PARTS - len(parts))
    if max(parts) > _LARGEST_PART:
        return None
    version = ".".join(map(str, parts))
    return Version(version) if len(version) <= LONGEST_VALUE_BYTES else None


def bounded(text: str) -> str:
    """Return as much of *text* as the API server takes, no character halved."""
    return text.encode(errors="replace")[:LONGEST_VALUE_BYTES].decode(errors="ignore")


def _device(one: AllocatableDevice, versions: DriverVersions, *, simulated: bool) -> Device:
    attributes = _board_attributes(one.gpu, versions)
    if one.mig is None:
        attributes |= {"type": "gpu", "uuid": one.gpu.uuid}
        memory = one.gpu.memory_bytes
        capacity = {} if memory is None else {"memory": memory}
    else:
        attributes |= {
            "type": "mig",
            "uuid": one.mig.uuid,
            "parentUUID": one.gpu.uuid,
            "profile": bounded(one.mig.profile),
        }
        capacity = _mig_capacity(one.mig)
    if simulated:
        attributes["simulated"] = True
    return Device(name=one.name, board=one.gpu.uuid, attributes=attributes, capacity=capacity)


def _board_attributes(gpu: Gpu, versions: DriverVersions) -> dict[str, Attribute]:
    """Return what a GPU and its MIG devices have alike; what nobody knows is left out."""
    known: dict[str, Attribute | None] = {
        "productName": bounded(gpu.product_name),
        "brand": bounded(gpu.brand),
        "architecture": bounded(gpu.architecture),
        "cudaComputeCapability": _pair(gpu.compute_capability),
        "driverVersion": canonical_version(versions.driver),
        "cudaDriverVersion": _pair(versions.cuda),
        "addressingMode": gpu.addressing_mode,
        f"{_STANDARD}pciBusID": gpu.pci_address,
        f"{_STANDARD}pcieRoot": gpu.pcie_root,
        f"{_STANDARD}numaNode": gpu.numa_node,
    }
    return {name: value for name, value in known.items() if value is not None}


def _pair(version: tuple[int, int]) -> Version:
    return Version(f"{version[0]}.{version[1]}.0")


def _mig_capacity(mig: MigDevice) -> dict[str, int]:
    owned = mig.capacity
    slices = range(mig.placement.start, mig.placement.start + mig.placement.size)
    return {
        "multiprocessors": owned.multiprocessors,
        "copyEngines": owned.copy_engines,
        "decoders": owned.decoders,
        "encoders": owned.encoders,
        "jpegEngines": owned.jpeg_engines,
        "ofaEngines": owned.ofa_engines,
        "memory": owned.memory_bytes,
        **{f"memorySlice{number}": 1 for number in slices},
    }
