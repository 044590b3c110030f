"""Which devices of the machine a claim can be given, and under which names."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from plugin.hardware.facts import Gpu, Inventory, MigDevice, MigMode
from plugin.publishing.device_names import (
    Board,
    NameBook,
    UnwritableNamesError,
    named,
)

_DISPLAYS: Final = frozenset({"DGX Display", "NVIDIA DGX Display"})
"""A card that only drives the screen of a workstation."""

_FOREIGN: Final = re.compile(r"[^a-z0-9-]")
LONGEST_NAME: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatableDevice:
    """A GPU, or one of its MIG devices."""

    name: str
    gpu: Gpu
    mig: MigDevice | None = None
    """None for the whole GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocatableDevices:
    """What can be given, and sentences on what cannot."""

    devices: tuple[AllocatableDevice, ...]
    """By PCI address of the GPU, then by placement."""
    warnings: tuple[str, ...]


def enumerate_devices(inventory: Inventory, book: NameBook) -> AllocatableDevices:
    """Return the devices of *inventory*, after storing the names of boards that are new.

    A GPU in MIG mode is given through its MIG devices only.
    """
    known = book.recall()
    boards = named(known, inventory.gpus)
    warnings: list[str] = []
    if boards != known:
        try:
            book.store(boards)
        except UnwritableNamesError as error:
            # Whatever is published under a name that is forgotten could become another board's.
            boards = {
                name: board
                for name, board in boards.items()
                if name in known and known[name].uuid == board.uuid
            }
            warnings.append(str(error))
    return _listed(inventory, boards, warnings)


def _listed(
    inventory: Inventory, boards: Mapping[str, Board], warnings: list[str]
) -> AllocatableDevices:
    name_by_uuid = {board.uuid: name for name, board in boards.items()}
    devices: list[AllocatableDevice] = []
    for gpu in sorted(inventory.gpus, key=lambda gpu: gpu.pci_address):
        warnings += (f"GPU {gpu.pci_address}: {warning}" for warning in gpu.warnings)
        board_name = name_by_uuid.get(gpu.uuid)
        if gpu.product_name in _DISPLAYS or board_name is None:
            continue
        if gpu.mig_mode is not MigMode.ENABLED:
            devices.append(AllocatableDevice(name=board_name, gpu=gpu))
        elif not gpu.mig_devices:
            warnings.append(
                f"GPU {gpu.pci_address} is in MIG mode and has no MIG device, "
                "so there is nothing to offer."
            )
        devices += (
            AllocatableDevice(name=mig_name(board_name, device), gpu=gpu, mig=device)
            for device in gpu.mig_devices
        )
    warnings += (
        f"GPU {lost.pci_address or f'number {lost.index}'} cannot be read: {lost.error}"
        for lost in inventory.unreadable
    )
    return AllocatableDevices(devices=tuple(devices), warnings=tuple(warnings))


def mig_name(board_name: str, device: MigDevice) -> str:
    """Return the name of a MIG device, from what decides where on its board it is."""
    profile = _FOREIGN.sub("-", device.profile.lower().replace(".", "")).strip("-")
    last = "" if device.fills_gpu_instance else f"-ci{device.compute_instance_id}"
    place = f"-{device.gpu_instance_profile_id}-{device.placement.start}{last}"
    # The place tells devices apart; the profile is there for readers, and is cut first.
    room = LONGEST_NAME - len(f"{board_name}-mig-{place}")
    return f"{board_name}-mig-{profile[:room].strip('-')}{place}"
