"""Where the files of the driver and the kernel lie, and the facts that only sysfs and procfs tell.

Everything is read below given roots, so that the same code reads a rendered machine.
"""

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

_PCI_ADDRESS: Final = re.compile(
    r"(?P<domain>[0-9a-f]{4,8}):(?P<rest>[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])"
)
_PCI_ROOT: Final = re.compile(r"pci[0-9a-f]{4,8}:[0-9a-f]{2}")
_DEVICE_NUMBER: Final = re.compile(r"(\d+):(\d+)")
_CAPABILITY: Final = re.compile(r"^(DeviceFileMinor|DeviceFileMode):\s*(\d+)\s*$", re.MULTILINE)
_LONGEST_SHORT_DOMAIN: Final = 4
_CHUNK_BYTES: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class HostTrees:
    """The four roots below which files are read."""

    driver_root: Path
    """Where the driver is installed: `/`, or such as `/run/nvidia/driver` with a container."""
    dev: Path
    """The `dev` folder that holds the driver's device nodes."""
    proc: Path
    sys: Path

    @classmethod
    def of_driver_root(cls, driver_root: Path) -> Self:
        """Return the trees of a real machine.

        A driver container has a `dev` folder of its own; otherwise the nodes are the host's.
        """
        inner = driver_root / "dev"
        dev = inner if inner.is_dir() else Path("/dev")
        return cls(driver_root=driver_root, dev=dev, proc=Path("/proc"), sys=Path("/sys"))


def pci_address(text: str) -> str:
    """Return a PCI address as sysfs writes it, from the driver's spelling.

    Raises:
        ValueError: The text is no PCI address.
    """
    match = _PCI_ADDRESS.fullmatch(text.strip().lower())
    if match is None:
        message = f"'{text}' is not a PCI address such as '0000:1b:00.0'."
        raise ValueError(message)
    domain = match["domain"].lstrip("0")
    return f"{domain.rjust(_LONGEST_SHORT_DOMAIN, '0')}:{match['rest']}"


def pcie_root(sys: Path, address: str) -> str | None:
    """Return the PCIe root above a device, such as `pci0000:15`; None if sysfs does not tell."""
    try:
        target = os.readlink(f"{sys}/bus/pci/devices/{address}")  # noqa: PTH115 - see _read
    except OSError:
        return None
    parts = target.split("/")
    for before, part in itertools.pairwise(parts):
        if before == "devices":
            return part if _PCI_ROOT.fullmatch(part) else None
    return None


def numa_node(sys: Path, address: str) -> int | None:
    """Return the NUMA node of a device; None if it belongs to none."""
    text = _text(f"{sys}/bus/pci/devices/{address}/numa_node")
    try:
        node = int(text)
    except ValueError:
        return None
    return node if node >= 0 else None


def drm_nodes(sys: Path, address: str) -> Iterator[tuple[str, int, int]]:
    """Yield name, major and minor of each DRM node of a device, in order of names."""
    folder = f"{sys}/bus/pci/devices/{address}/drm"
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - see _read
    except OSError:
        return
    for name in names:
        match = _DEVICE_NUMBER.fullmatch(_text(f"{folder}/{name}/dev"))
        if match is not None:
            yield name, int(match[1]), int(match[2])


def character_majors(proc: Path) -> dict[str, int]:
    """Return the major number of each kind of character device, by the kernel's name for it.

    Raises:
        OSError: `/proc/devices` cannot be read.
    """
    lines = _read(f"{proc}/devices").splitlines()
    majors: dict[str, int] = {}
    inside = False
    for line in lines:
        if line.endswith("devices:"):
            inside = line.startswith("Character")
            continue
        number, _, name = line.strip().partition(" ")
        if inside and number.isdecimal() and name:
            majors.setdefault(name.strip(), int(number))
    return majors


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One node of `/dev/nvidia-caps`: whoever may open it may use what it stands for."""

    minor: int
    mode: int
    """Permission bits."""


def mig_capability(
    proc: Path, *, gpu_minor: int, gpu_instance: int, compute_instance: int | None = None
) -> Capability:
    """Return the capability of a GPU instance, or of one compute instance inside it.

    Raises:
        OSError: The driver shows no such instance.
        ValueError: The file is not what the driver writes.
    """
    folder = f"{proc}/driver/nvidia/capabilities/gpu{gpu_minor}/mig/gi{gpu_instance}"
    if compute_instance is not None:
        folder += f"/ci{compute_instance}"
    found = dict(_CAPABILITY.findall(_read(f"{folder}/access")))
    try:
        minor, mode = int(found["DeviceFileMinor"]), int(found["DeviceFileMode"])
    except KeyError as error:
        message = f"'{folder}/access' does not hold {error}."
        raise ValueError(message) from error
    return Capability(minor=minor, mode=mode)


def _text(path: str) -> str:
    """Return the text of a small file of the kernel, or nothing if there is none."""
    try:
        return _read(path).strip()
    except OSError:
        return ""


def _read(path: str) -> str:
    """Return the text of a file of the kernel, several of which are read for each prepared device.

    Python's own files and paths do more than is needed here, and so take longer.

    Raises:
        OSError: It cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        chunks: list[bytes] = []
        while chunk := os.read(descriptor, _CHUNK_BYTES):
            chunks.append(chunk)
    finally:
        os.close(descriptor)
    return b"".join(chunks).decode()
