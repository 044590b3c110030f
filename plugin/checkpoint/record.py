"""What a record says of one claim."""

from dataclasses import dataclass
from enum import StrEnum

from plugin.preparer import ClaimReference, PreparedDevice


class Phase(StrEnum):
    """How far a claim has come."""

    BEGUN = "Begun"
    """Its preparation was begun; after a crash whatever was done is taken back."""
    COMPLETED = "Completed"
    """It is prepared, and the same devices are answered again."""
    RELEASING = "Releasing"
    """It is being taken back, which after a crash goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One device that was allocated to the claim, and the hardware behind its name."""

    request: str
    """With its subrequest, such as `gpus/large`."""
    pool: str
    device: str
    """The published name."""
    share_id: str | None
    """None unless several claims consume the device."""
    admin_access: bool
    """With it the device is neither held nor released."""
    gpu_uuid: str
    """Of the physical GPU."""
    device_uuid: str
    """Of the MIG device, or the GPU's again; empty for a MIG device that is yet to be made."""
    pci_address: str
    config: str
    """The settled configuration as text; this package does not look into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is to be prepared."""

    holdings: tuple[Holding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One change to the machine or the cluster, recorded before it is made."""

    kind: str
    """Such as `ComputeMode`; a kind that the reader does not know comes from a newer version."""
    subject: str
    """What is changed, such as the UUID of a GPU."""
    before: str
    """What to restore; empty if there was nothing before."""
    details: str = ""
    """Whatever else is needed to take it back; this package does not look into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of one claim."""

    claim: ClaimReference
    phase: Phase
    boot_id: str
    """The boot of the machine in which it was begun."""
    intent: Intent
    effects: tuple[Effect, ...] = ()
    """In the order in which they were made; they are taken back from the last to the first."""
    devices: tuple[PreparedDevice, ...] = ()
    """What the kubelet is answered; none before the claim is completed."""
    unknown: str = "{}"
    """The fields of a newer version, as a JSON object; they are written back as they were."""

    @property
    def gpu_uuids(self) -> frozenset[str]:
        """Return the physical GPUs that are held; admin access holds none."""
        return frozenset(
            holding.gpu_uuid for holding in self.intent.holdings if not holding.admin_access
        )
