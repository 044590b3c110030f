"""Releases what belongs to claims that are gone, where the kubelet never asks for it."""

from collections.abc import Callable
from typing import Final

from plugin.checkpoint import Record, claim_key
from plugin.hardware.errors import GpuMissingError
from plugin.mps.processes import is_of_daemon
from plugin.prepare.allocated_claim import read_claim
from plugin.prepare.claim_source import ClaimSource
from plugin.prepare.failures import ClaimGone, alone
from plugin.prepare.node import Node
from plugin.prepare.sharing import MPS_DAEMON
from plugin.prepare.taking_back import take_back
from plugin.preparer import ClaimReference, Deadline, PrepareFailed

APART_SECONDS: Final = 300.0
"""How long a claim has to be gone before anything is released for it."""


class AbandonedClaims:
    """Looks after the claims on record; `look` is called from one thread.

    The kubelet's unprepare is the normal way. It never comes for a claim that was removed by force
    while the kubelet was away.
    """

    def __init__(
        self,
        node: Node,
        claims: ClaimSource,
        *,
        driver: str,
        monotonic: Callable[[], float],
        tell: Callable[[ClaimReference, str], None],
    ) -> None:
        """Look at nothing yet.

        Args:
            node: Where claims are on record.
            claims: Knows which of them exist.
            driver: The name of this driver.
            monotonic: Seconds of a clock that never goes back.
            tell: Is told what is released.
        """
        self._node = node
        self._claims = claims
        self._driver = driver
        self._monotonic = monotonic
        self._tell = tell
        self._gone_since: dict[str, float] = {}

    def look(self, patience: Callable[[], Deadline]) -> tuple[str, ...]:
        """Ask for each claim on record once, and release those that are gone for long enough.

        A claim is released when it is found gone twice, five minutes apart at least, and no
        process runs on its devices. An answer that does not come says nothing.

        Args:
            patience: Returns how long to wait for one answer, and for whoever is at work on one
                claim.

        Returns:
            Sentences on what could not be released yet.

        Raises:
            CheckpointError: The records cannot be read.
        """
        records = self._node.checkpoint.all().records
        sentences: list[str] = []
        known = {record.claim.uid for record in records}
        self._gone_since = {uid: at for uid, at in self._gone_since.items() if uid in known}
        for record in records:
            uid = record.claim.uid
            with alone(str(record.claim), sentences):
                gone = self._is_gone(record, patience())
                if gone is None:
                    self._gone_since.pop(uid, None)
                elif self._monotonic() - self._gone_since.setdefault(uid, self._monotonic()) >= (
                    APART_SECONDS
                ):
                    self._release(record, gone, patience)
        return tuple(sentences)

    def _is_gone(self, record: Record, deadline: Deadline) -> str | None:
        """Return how it shows that a claim is gone; None while it is there.

        Raises:
            PrepareFailed: There is no answer.
        """
        try:
            text = self._claims.fetch(record.claim, deadline)
            allocated = read_claim(text, record.claim, driver=self._driver)
        except ClaimGone as failure:
            return failure.sentence
        holdings = {(one.pool, one.device, one.share_id) for one in record.intent.holdings}
        if holdings != {(one.pool, one.device, one.share_id) for one in allocated.devices}:
            return f"Claim {record.claim} has other devices by now."
        return None

    def _release(self, record: Record, gone: str, patience: Callable[[], Deadline]) -> None:
        node, uid = self._node, record.claim.uid
        with node.locks.hold([claim_key(uid)], patience()):
            present = node.checkpoint.recall(uid)
            if present is None or present.intent != record.intent:
                return
            running = self._processes(present)
            if running:
                message = (
                    f"{gone} Its devices are kept, since these processes use them: {running}."
                )
                raise PrepareFailed(message, permanent=False)
            take_back(node, present, patience())
        self._tell(record.claim, f"{gone} What was prepared for it is released.")

    def _processes(self, record: Record) -> str:
        """Return the ids of the processes on the devices that a claim holds."""
        found: set[int] = set()
        for uuid in {one.device_uuid for one in record.intent.holdings if not one.admin_access}:
            try:
                found |= self._node.machine.process_ids(uuid)
            except GpuMissingError:
                # Nothing runs on what is not there.
                continue
        if any(effect.kind == MPS_DAEMON for effect in record.effects):
            # The servers of its own daemon stay on the devices until that ends with the claim.
            found = {one for one in found if not is_of_daemon(one)}
        return ", ".join(map(str, sorted(found)))
