"""What starts and stops MPS control daemons: as a Pod, or as a process of this machine."""

from dataclasses import dataclass
from typing import Protocol

from plugin.mps.description import MpsDaemon
from plugin.preparer import Deadline


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """How a daemon is found."""

    present: bool
    """Something of it is there, which has to be stopped before it can be started anew."""
    alive: bool
    """It runs as described, or will without help."""
    sentence: str
    """Where it is, and what keeps it from being ready."""


class Launcher(Protocol):
    """Starts and stops daemons; called by who holds the claim's lock, from several threads.

    Every method may raise `MpsError`, and may ask others for as long as the deadline lasts.
    """

    def start(self, daemon: MpsDaemon, deadline: Deadline) -> None:
        """Start a daemon whose folders are there, and do not wait until it is ready.

        Raises:
            MpsError: An earlier one of this id is still there, or it cannot be started.
        """
        ...

    def look(self, daemon: MpsDaemon, deadline: Deadline) -> Sight:
        """Return how a daemon is, ready or not."""
        ...

    def stop(self, daemon_id: str, deadline: Deadline) -> None:
        """Stop a daemon and wait until nothing of it is left; there may be none.

        Raises:
            MpsError: It is still there when the deadline is over.
        """
        ...

    def ids(self, deadline: Deadline) -> frozenset[str]:
        """Return the ids of the daemons of this node, whatever their condition."""
        ...
