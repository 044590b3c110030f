"""Writes a simulated machine as the file that the library beside this module reads."""

from collections.abc import Iterator, Mapping
from typing import Final

from plugin.hardware import names
from plugin.hardware.simulation.profile import SimulatedGpu, SimulatedMachine

UNLISTED_BRAND: Final = 19
UNLISTED_ARCHITECTURE: Final = 14
"""Numbers that NVML may answer with and that no release of ours has a name for."""

ERRORS: Final = {None: 0, "lost": 15, "unreadable": 999}

MOST_SLOTS: Final = 8

_BRANDS: Final = {name: number for number, name in names.BRANDS.items()}
_ARCHITECTURES: Final = {name: number for number, name in names.ARCHITECTURES.items()}
_MODES: Final = {name: number for number, name in names.ADDRESSING_MODES.items()}


def flat_file(machine: SimulatedMachine, processes: Mapping[str, set[int]]) -> str:
    """Return the text; *processes* are ids by the UUID of what they compute on."""
    major, minor = machine.cuda_version
    lines = [f"driver {machine.driver_version}", f"cuda {major * 1000 + minor * 10}"]
    for index, gpu in enumerate(machine.gpus):
        lines.append(_gpu(index, gpu))
        lines += _profiles(index, gpu)
        slot_by_uuid = {gpu.uuid: -1}
        for slot, line in _mig_devices(index, gpu, slot_by_uuid):
            assert slot < MOST_SLOTS
            lines.append(line)
        lines += [
            f"process {index} {slot} {process}"
            for uuid, slot in slot_by_uuid.items()
            for process in sorted(processes.get(uuid, ()))
        ]
    return "\n".join([*lines, ""])


def _gpu(index: int, gpu: SimulatedGpu) -> str:
    product = gpu.product
    mode = product.addressing_mode
    unlisted = product.brand == names.UNKNOWN
    fields = (
        index,
        gpu.uuid,
        gpu.pci_address.upper().rjust(len("00000000:00:00.0"), "0"),
        gpu.minor,
        UNLISTED_BRAND if unlisted else _BRANDS[product.brand],
        UNLISTED_ARCHITECTURE if unlisted else _ARCHITECTURES[product.architecture],
        *product.capability,
        product.memory_bytes,
        -1 if mode is None else _MODES[mode],
        -1 if product.mig is None else int(gpu.mig_enabled),
        -1 if product.mig is None else int(gpu.mig_enabled_after_reset),
        ERRORS[gpu.broken],
        product.name,
    )
    return " ".join(["gpu", *map(str, fields)])


def _profiles(index: int, gpu: SimulatedGpu) -> Iterator[str]:
    if gpu.product.mig is None:
        return
    for profile in gpu.product.mig.profiles:
        shape = profile.shape
        fields = (
            index,
            shape.number,
            shape.id,
            shape.compute_slices,
            shape.most,
            profile.multiprocessors,
            profile.copy_engines,
            profile.decoders,
            profile.encoders,
            profile.jpeg_engines,
            profile.ofa_engines,
            profile.memory_mebibytes,
            profile.name,
        )
        yield " ".join(["profile", *map(str, fields)])


def _mig_devices(
    index: int, gpu: SimulatedGpu, slot_by_uuid: dict[str, int]
) -> Iterator[tuple[int, str]]:
    """Yield the MIG devices from the last to the first, with an empty slot before them."""
    for slot, device in enumerate(reversed(gpu.mig_devices), start=1):
        slot_by_uuid[device.uuid] = slot
        shape = device.profile.shape
        fields = (
            index,
            slot,
            device.uuid,
            device.gpu_instance_id,
            shape.id,
            device.start,
            shape.memory_slices,
            device.compute_instance_id,
            shape.compute_slices,
            device.compute_slices,
            device.multiprocessors,
            device.profile.memory_mebibytes,
        )
        yield slot, " ".join(["mig", *map(str, fields)])
