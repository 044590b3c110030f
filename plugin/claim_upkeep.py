"""Puts right what a crash left, and releases what belongs to claims that are gone."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Final

from plugin.checkpoint import claim_key
from plugin.prepare import AbandonedClaims, Node, Unattributed, recover
from plugin.prepare.failures import FAILURES
from plugin.preparer import ClaimReference, Deadline, Preparer
from plugin.present_devices import Sight
from plugin.rpc.log import Log

LOOK_SECONDS: Final = 600.0
"""Between two looks at the claims on record."""
JITTER_SECONDS: Final = 120.0
"""So that the nodes of a cluster do not ask at the same moment."""
PATIENCE_SECONDS: Final = 10.0
"""For whoever is at work on a claim, and for an answer of the API server."""


class ClaimUpkeep:
    """Looks after the claims on record, from one thread of its own."""

    def __init__(
        self,
        node: Node,
        abandoned: AbandonedClaims,
        unattributed: Unattributed,
        preparer: Preparer,
        *,
        sweeps: tuple[Callable[[frozenset[str]], tuple[str, ...]], ...],
        tell: Callable[[ClaimReference, str], None],
        jitter: Callable[[float], float],
        log: Log,
    ) -> None:
        """Look at nothing yet.

        Args:
            node: Where claims are on record.
            abandoned: Finds those that are gone.
            unattributed: Knows the claims of which nothing is known but that they were prepared.
            preparer: Prepares such a claim anew.
            sweeps: Remove what belongs to none of the claims whose UIDs they are given, and
                return sentences on what is left.
            tell: Is told sentences on a claim, for the log and for Events.
            jitter: Returns a random number from 0 to its argument.
            log: Where lines go.
        """
        self._node = node
        self._abandoned = abandoned
        self._unattributed = unattributed
        self._preparer = preparer
        self._sweeps = sweeps
        self._tell = tell
        self._jitter = jitter
        self._unexplained: frozenset[str] = frozenset()
        self._log = log

    def run(self, stop: threading.Event) -> None:
        """Look again and again until *stop* is set."""
        while not stop.is_set():
            self.look()
            stop.wait(LOOK_SECONDS + self._jitter(JITTER_SECONDS))

    def recover(self) -> None:
        """Take back what was begun, and make files and records right, before anybody asks."""
        try:
            sentences = recover(self._node, patience, self._tell)
            sentences += self._unattributed.look(self._preparer.prepare, patience)
        except FAILURES as error:
            sentences = (str(error),)
        self._say("recovered with something left to do", sentences)

    def withheld(self, sight: Sight) -> Mapping[str, str]:
        """Return which devices may be in use by a claim of which nothing is known, and why.

        Raises:
            CheckpointError: The records cannot be read.
        """
        sentences = self._unattributed.look(self._preparer.prepare, patience)
        new = tuple(one for one in sentences if one not in self._unexplained)
        self._unexplained = frozenset(sentences)
        self._say("a damaged record is not made anew", new)
        return self._unattributed.withheld(sight.allocatable.devices)

    def look(self) -> None:
        """Sweep, and ask for each claim on record once."""
        try:
            removed = self._node.cdi.sweep(
                self._is_known,
                holding=lambda uid: self._node.locks.hold([claim_key(uid)], patience()),
            )
            left = (sentence for sweep in self._sweeps for sentence in sweep(self._known()))
            sentences = (*left, *self._abandoned.look(patience))
        except FAILURES as error:
            removed, sentences = (), (str(error),)
        for uid in removed:
            self._log.event(logging.INFO, "removed the CDI file of no claim", claimUID=uid)
        self._say("not everything could be released", sentences)

    def _is_known(self, uid: str) -> bool:
        return uid in self._known()

    def _known(self) -> frozenset[str]:
        return self._unattributed.uids() | self._node.checkpoint.files().keys()

    def _say(self, message: str, sentences: tuple[str, ...]) -> None:
        for sentence in sentences:
            self._log.event(logging.WARNING, message, reason=sentence)


def patience() -> Deadline:
    """Return how long to wait for whoever is at work on a claim, or for an answer."""
    return Deadline(PATIENCE_SECONDS)
