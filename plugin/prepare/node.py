"""The node on which claims are prepared: its machine, and what is kept on it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from plugin.cdi import CdiStore, DriverFacts
from plugin.checkpoint import Checkpoint, Effect, Holders, Locks, Record
from plugin.hardware.port import Machine
from plugin.prepare.compute_modes import Others
from plugin.prepare.description import describe
from plugin.prepare.sharing import Sharing
from plugin.prepare.wanted import Devices
from plugin.preparer import ClaimReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """All that preparing a claim works with; the parts are safe to use from several threads."""

    machine: Machine
    devices: Devices
    driver: Callable[[], DriverFacts]
    """Tells what every container with a GPU gets, as the driver is now."""
    checkpoint: Checkpoint
    holders: Holders
    """Over the same checkpoint."""
    locks: Locks
    cdi: CdiStore
    sharing: Mapping[type, Sharing]
    """What does each strategy, by its settled shape; one that is absent is refused."""

    def sharing_of(self, effect: Effect) -> Sharing | None:
        """Return what made a change; None if only another version knows."""
        for sharing in self.sharing.values():
            if effect.kind in sharing.kinds:
                return sharing
        return None

    def describe(self, record: Record) -> None:
        """Write the CDI file of a completed claim, unless it is right already.

        Raises:
            MachineError: The machine cannot be asked, or a device is not what it was.
            CdiError: The driver is not ready, or the file cannot be written.
        """
        self.cdi.write(record.claim.uid, describe(record, self.machine, self.driver))

    def others_than(self, claim: ClaimReference) -> Others:
        """Return what tells of the other claims that hold a GPU since the machine booted."""

        def others(gpu_uuid: str) -> tuple[Record, ...]:
            return tuple(
                record
                for record in self.holders.of(gpu_uuid)
                if record.claim.uid != claim.uid and not self.checkpoint.is_stale(record)
            )

        return others
