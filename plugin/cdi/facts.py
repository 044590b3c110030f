"""What has to be known to describe a claim's devices to a container runtime."""

from dataclasses import dataclass
from pathlib import PurePosixPath

from plugin.cdi.driver_files import DriverFiles
from plugin.hardware.device_nodes import DeviceNode
from plugin.preparer import ClaimReference


@dataclass(frozen=True, slots=True, kw_only=True)
class MpsFolders:
    """The folders of one MPS control daemon on the host."""

    pipe: PurePosixPath
    """Holds the daemon's sockets, of this claim and no other."""
    shared_memory: PurePosixPath


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedDevice:
    """One device of a claim."""

    device: str
    """The published name."""
    share_id: str | None
    """Which share of it, from the allocation; None for the whole."""
    nodes: tuple[DeviceNode, ...]
    """Its own; those of all GPUs need not be among them."""
    pci_address: str | None
    """For a full GPU, whose DRM nodes are then also found by it; None for others."""
    environment: tuple[tuple[str, str], ...] = ()
    """What the container is told of it, in the order given."""
    mps: MpsFolders | None = None
    """None unless the device is shared through MPS."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverFacts:
    """What every container with a GPU gets."""

    files: DriverFiles
    control: tuple[DeviceNode, ...]
    """The nodes that belong to no GPU alone."""
    hook: PurePosixPath | None
    """Where the host has `nvidia-cdi-hook`; None if it is not installed."""
    simulated: bool
    """Whether the hook may be missing, since there is no real driver to serve."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimFacts:
    """All that the CDI file of a claim is made of."""

    claim: ClaimReference
    devices: tuple[ClaimedDevice, ...]
    """At least one; the ids are returned in this order."""
    driver: DriverFacts
    record: str
    """The claim's record as text, from which a lost record is made anew."""
