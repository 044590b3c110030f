"""Keeps what is offered in step with the machine: a look at the start, and then every so often."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from plugin.checkpoint import CheckpointError
from plugin.hardware.errors import MachineError, VersionMismatchError
from plugin.neighbours import Neighbours
from plugin.present_devices import PresentDevices, Sight
from plugin.publishing.layout import Offer
from plugin.publishing.rendering import render_devices
from plugin.reporting import Reporting
from plugin.rpc.health import DeviceHealth, HealthBoard

LOOK_SECONDS: Final = 30.0
"""Between two looks; MIG devices that an administrator makes appear as late as that."""
AGAIN_SECONDS: Final = 5.0
"""Between two looks while the driver is not there."""


class DeviceUpkeep:
    """Looks at the machine from one thread of its own."""

    def __init__(
        self,
        present: PresentDevices,
        publish: Callable[[Offer], None],
        board: HealthBoard,
        *,
        pool: str,
        simulated: bool,
        neighbours: Neighbours | None,
        withheld: Callable[[Sight], Mapping[str, str]],
        reporting: Reporting,
    ) -> None:
        """Look at nothing yet.

        Args:
            present: The machine's devices.
            publish: Takes what is to be offered.
            board: Takes the health of what is offered.
            pool: The pool of this node's devices.
            simulated: Whether the machine is made of data.
            neighbours: Knows who else offers the same GPUs; None to offer them all the same.
            withheld: Returns why single devices may not be offered, by their names; may raise
                CheckpointError.
            reporting: Is told what is missing.
        """
        self._present = present
        self._publish = publish
        self._board = board
        self._pool = pool
        self._simulated = simulated
        self._neighbours = neighbours
        self._withheld = withheld
        self._reporting = reporting
        self._offered = False
        self._told: frozenset[str] = frozenset()

    def run(self, stop: threading.Event) -> None:
        """Look again and again until *stop* is set.

        Raises:
            VersionMismatchError: The driver was replaced; this process must start anew.
        """
        while not stop.wait(LOOK_SECONDS if self.look() else AGAIN_SECONDS):
            continue

    def look(self) -> bool:
        """Look once, and offer what there is; say whether there was an answer.

        Before the driver is there for the first time nothing is offered: an empty offer would
        look like a node without GPUs. When it goes away later, its devices are taken back.

        Raises:
            VersionMismatchError: The driver was replaced; this process must start anew.
        """
        try:
            sight = self._present.look()
        except VersionMismatchError:
            raise
        except MachineError as error:
            self._say("DriverNotReady", [f"The GPUs of this node cannot be read: {error}"])
            if self._offered:
                self._offer(None)
            return False
        if self._neighbours is not None:
            others = self._neighbours.look()
            if others:
                self._say("DevicesNotOffered", others)
                if self._offered or self._neighbours.known:
                    # Also what an earlier run has offered.
                    self._offer(None)
                return self._neighbours.known
        try:
            withheld = self._withheld(sight)
        except CheckpointError as error:
            # What is offered stays: a device that is in use must not be offered by mistake.
            self._say("DevicesNotOffered", [f"Nothing new is offered: {error}"])
            return True
        self._say("DevicesNotOffered", [*sight.allocatable.warnings, *_kept_back(withheld)])
        self._offer(sight, frozenset(withheld))
        return True

    def _offer(self, sight: Sight | None, withheld: frozenset[str] = frozenset()) -> None:
        offer = Offer()
        if sight is not None:
            allocatable = sight.allocatable
            offered = tuple(one for one in allocatable.devices if one.name not in withheld)
            offer = Offer(
                devices=render_devices(
                    replace(allocatable, devices=offered),
                    sight.versions,
                    simulated=self._simulated,
                )
            )
        present = 0 if sight is None else len(sight.allocatable.devices)
        self._reporting.of_devices(present=present, withheld=len(withheld))
        self._board.replace(DeviceHealth(self._pool, one.name) for one in offer.devices)
        self._publish(offer)
        self._offered = True

    def _say(self, reason: str, sentences: Iterable[str]) -> None:
        """Report what was not wrong at the look before."""
        present = dict.fromkeys(sentences)
        for sentence in present:
            if sentence not in self._told:
                self._reporting.of_node(reason, sentence)
        if self._told and not present:
            self._reporting.of_recovered_node()
        self._told = frozenset(present)


def _kept_back(why_by_name: Mapping[str, str]) -> Iterable[str]:
    """Yield a sentence for each reason: one lost claim may keep all devices of a node back."""
    names_by_why: dict[str, list[str]] = {}
    for name, why in why_by_name.items():
        names_by_why.setdefault(why, []).append(name)
    for why, names in names_by_why.items():
        yield f"Not offered: {', '.join(names)}. {why}"
