"""Reads one GPU through the driver's library and sysfs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeVar

from plugin.hardware import host_trees, names
from plugin.hardware.errors import MachineError, NotSupportedError
from plugin.hardware.facts import Gpu, MigMode
from plugin.hardware.nvml import Handle, Nvml
from plugin.hardware.nvml_mig import MigWalk, walk
from plugin.hardware.nvml_shapes import GpuInstanceProfile

_T = TypeVar("_T")

_NO_MIG: Final = MigWalk(devices=(), warnings=())


def read_address(library: Nvml, device: Handle) -> str:
    """Return the PCI address of a GPU as sysfs writes it.

    Raises:
        MachineError: The GPU does not tell, or tells no PCI address.
    """
    try:
        return host_trees.pci_address(library.pci_address(device))
    except ValueError as error:
        raise MachineError(str(error)) from error


def read_profiles(library: Nvml, device: Handle) -> Mapping[int, GpuInstanceProfile]:
    """Return the ways to cut a GPU, by profile id; none where it cannot be cut."""
    return {profile.id: profile for profile in library.gpu_instance_profiles(device)}


def read_gpu(
    library: Nvml,
    device: Handle,
    sys: Path,
    *,
    profiles: Callable[[], Mapping[int, GpuInstanceProfile]],
) -> Gpu:
    """Return all facts of one GPU.

    Args:
        library: The open library.
        device: The GPU.
        sys: Root of sysfs.
        profiles: Returns the ways to cut this GPU; asked only if its MIG mode is on.

    Raises:
        MachineError: The GPU does not answer one of the questions that every GPU can answer.
    """
    address = read_address(library, device)
    memory_bytes = _if_supported(lambda: library.memory_bytes(device))
    addressing_mode = _if_supported(lambda: library.addressing_mode(device))
    modes = _if_supported(lambda: library.mig_modes(device))
    mig_mode, pending = _mig_modes(modes)
    cut = (
        walk(library, device, profiles(), total_bytes=memory_bytes)
        if mig_mode is MigMode.ENABLED
        else _NO_MIG
    )
    return Gpu(
        uuid=library.uuid(device),
        minor=library.minor(device),
        pci_address=address,
        product_name=library.name(device),
        brand=names.brand(library.brand(device)),
        architecture=names.architecture(library.architecture(device)),
        compute_capability=library.compute_capability(device),
        memory_bytes=memory_bytes,
        addressing_mode=(
            None if addressing_mode is None else names.ADDRESSING_MODES.get(addressing_mode)
        ),
        pcie_root=host_trees.pcie_root(sys, address),
        numa_node=host_trees.numa_node(sys, address),
        mig_mode=mig_mode,
        pending_mig_mode=pending,
        mig_devices=cut.devices,
        warnings=cut.warnings,
    )


def _mig_modes(modes: tuple[bool, bool] | None) -> tuple[MigMode, MigMode]:
    if modes is None:
        return MigMode.UNSUPPORTED, MigMode.UNSUPPORTED
    now, pending = modes
    return (
        MigMode.ENABLED if now else MigMode.DISABLED,
        MigMode.ENABLED if pending else MigMode.DISABLED,
    )


def _if_supported(read: Callable[[], _T]) -> _T | None:
    try:
        return read()
    except NotSupportedError:
        return None
