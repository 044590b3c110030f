"""Starts daemons of prepared claims again, and removes those that belong to no claim on record."""

from collections.abc import Callable

from plugin.checkpoint import Phase, claim_key
from plugin.mps.description import claim_uid_of
from plugin.prepare.failures import FAILURES
from plugin.prepare.mps_sharing import MpsSharing
from plugin.prepare.node import Node
from plugin.preparer import Deadline


class MpsSweep:
    """Looks after all daemons of this node; called from one thread.

    Nobody else starts a Pod again that was deleted or evicted, or a process that died.

    A daemon has its folder from before it is started until after it has ended, so the folders
    tell of all. Only the second time the API server is asked, since a disk may have been replaced:
    at the start of a cluster all nodes would ask at once.
    """

    def __init__(self, node: Node, mps: MpsSharing, patience: Callable[[], Deadline]) -> None:
        """Look at nothing yet.

        Args:
            node: Knows the claims on record.
            mps: Knows the daemons.
            patience: Returns how long to wait for an answer, and for a daemon to end.
        """
        self._node = node
        self._mps = mps
        self._patience = patience
        self._looked = False
        self._asked = False

    def __call__(self, known: frozenset[str]) -> tuple[str, ...]:
        """Remove what belongs to none of the claims whose UIDs are *known*, and keep the rest.

        A claim that came on record since keeps what it has.

        Returns:
            Sentences on what could not be removed or started yet.
        """
        try:
            everywhere = self._looked and not self._asked
            self._looked = True
            found = self._mps.found(self._patience(), everywhere=everywhere)
            self._asked = self._asked or everywhere
        except FAILURES as error:
            return (str(error),)
        sentences: list[str] = []
        for daemon in sorted(found):
            uid = claim_uid_of(daemon)
            if not uid:
                # A process or a Pod of others may bear our marks, with an id that is none.
                continue
            look_after = self._keep if uid in known else self._remove
            try:
                with self._node.locks.hold([claim_key(uid)], self._patience()):
                    look_after(daemon, uid)
            except FAILURES as error:
                sentences.append(f"MPS daemon {daemon}: {error}")
        return tuple(sentences)

    def _remove(self, daemon: str, uid: str) -> None:
        if uid not in self._node.checkpoint.files():
            self._mps.remove(daemon, self._patience())

    def _keep(self, daemon: str, uid: str) -> None:
        record = self._node.checkpoint.recall(uid)
        if record is None or record.phase is not Phase.COMPLETED:
            return
        if not self._node.checkpoint.is_stale(record):
            for effect in record.effects:
                if effect.subject == daemon:
                    self._mps.keep(effect, self._patience())
