"""The devices of this node as they were seen last, under the names that they are published by."""

import threading
from dataclasses import dataclass

from plugin.hardware.facts import DriverVersions
from plugin.hardware.port import Machine
from plugin.prepare import FoundDevice
from plugin.publishing.allocatable import AllocatableDevices, enumerate_devices
from plugin.publishing.device_names import NameBook


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What one look at the machine showed."""

    versions: DriverVersions
    allocatable: AllocatableDevices


class PresentDevices:
    """Implements `prepare.Devices`; safe to use from several threads."""

    def __init__(self, machine: Machine, book: NameBook) -> None:
        """Look at nothing yet; *book* keeps the names of *machine*'s boards."""
        self._machine = machine
        self._book = book
        # Two looks at once could both give a new board its name.
        self._looking = threading.Lock()
        self._sight: Sight | None = None
        self._found: dict[str, FoundDevice] = {}

    def look(self) -> Sight:
        """Read the machine anew.

        Raises:
            MachineError: It cannot be asked; what was seen before still counts.
        """
        with self._looking:
            inventory = self._machine.inventory()
            allocatable = enumerate_devices(inventory, self._book)
            self._found = {
                one.name: FoundDevice(gpu=one.gpu, mig=one.mig) for one in allocatable.devices
            }
            self._sight = Sight(
                versions=inventory.versions,
                allocatable=allocatable,
            )
            return self._sight

    def find(self, name: str) -> FoundDevice | None:
        """Return the hardware of a name, after another look if it was not there before."""
        found = self._found.get(name)
        if found is None:
            self.look()
            found = self._found.get(name)
        return found

    def versions(self) -> DriverVersions:
        """Return the versions of the driver as they were seen last.

        A process keeps the driver that it loaded first, so they change only with a new one.

        Raises:
            MachineError: No driver was seen yet, and none is there now.
        """
        return (self._sight or self.look()).versions
