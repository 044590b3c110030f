"""Prepares and unprepares claims, step by step, so that a crash after any step is made good."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from dra_config import hub
from plugin.checkpoint import (
    CorruptRecordError,
    Intent,
    Phase,
    Record,
    claim_key,
    gpu_key,
)
from plugin.prepare.allocated_claim import read_claim
from plugin.prepare.claim_source import ClaimSource
from plugin.prepare.conflicts import Conflict, first_conflict, refuse_own_conflict
from plugin.prepare.description import prepared_devices
from plugin.prepare.failures import FAILURES, explained
from plugin.prepare.lost_records import recall, restore
from plugin.prepare.node import Node
from plugin.prepare.sharing import Sharing
from plugin.prepare.taking_back import take_back, undo
from plugin.prepare.wanted import Policy, Wanted, wanted_devices
from plugin.preparer import (
    ClaimReference,
    Deadline,
    PreparedDevice,
    PrepareFailed,
    UnprepareFailed,
)

_LONGEST_WAIT_SECONDS: Final = 35.0
"""For another claim to let go of a device; the kubelet itself gives up after 45."""
_PAUSE_SECONDS: Final = 0.1


class ClaimPreparer:
    """Prepares and unprepares claims; implements `preparer.Preparer`.

    Safe to use from several threads, and beside another process over the same files.
    """

    def __init__(
        self,
        node: Node,
        claims: ClaimSource,
        policy: Policy,
        *,
        tell: Callable[[ClaimReference, str], None],
    ) -> None:
        """Prepare the claims of one node.

        Args:
            node: Where it is done.
            claims: Knows the claims.
            policy: What the installation decides.
            tell: Is told sentences on a claim that are no failure, for the log and events.
        """
        self._node = node
        self._claims = claims
        self._policy = policy
        self._tell = tell

    def prepare(self, claim: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        """Make a claim's devices ready; a claim that is prepared gives the same devices again."""
        node = self._node
        with explained(PrepareFailed), node.locks.hold([claim_key(claim.uid)], deadline):
            record = recall(claim, node.checkpoint, node.cdi, self._tell)
            if record is not None:
                if record.phase is Phase.COMPLETED and not node.checkpoint.is_stale(record):
                    self._keep_described(record)
                    return record.devices
                take_back(node, record, deadline)
            text = self._claims.fetch(claim, deadline)
            allocated = read_claim(text, claim, driver=self._policy.driver)
            wanted = wanted_devices(claim, allocated, node.devices, self._policy, self._tell)
            if not wanted:
                return ()
            self._refuse_unknown_strategies(claim, wanted)
            return self._when_free(claim, wanted, deadline)

    def unprepare(self, claim: ClaimReference, deadline: Deadline) -> None:
        """Undo what `prepare` did; a claim that is unknown needs nothing."""
        node = self._node
        with explained(UnprepareFailed), node.locks.hold([claim_key(claim.uid)], deadline):
            record = recall(claim, node.checkpoint, node.cdi, self._tell)
            if record is None:
                node.cdi.remove(claim.uid)
            else:
                take_back(node, record, deadline)

    def _keep_described(self, record: Record) -> None:
        """Write the CDI file of a prepared claim again if somebody removed it."""
        if self._node.cdi.annotations(record.claim.uid) is None:
            self._node.describe(record)

    def _refuse_unknown_strategies(self, claim: ClaimReference, wanted: Sequence[Wanted]) -> None:
        for one in wanted:
            # On MIG devices time slicing is allowed and sets nothing.
            if one.sharing is None or isinstance(one.sharing, hub.MigTimeSlicing):
                continue
            if type(one.sharing) not in self._node.sharing:
                strategy = type(one.sharing).__name__
                message = (
                    f"Request {one.holding.request} of claim {claim} is to be shared by strategy "
                    f"{strategy.upper()}, which this plugin does not support yet. Share by "
                    "TimeSlicing, or leave sharing out."
                )
                raise PrepareFailed(message, permanent=True)

    def _when_free(
        self, claim: ClaimReference, wanted: Sequence[Wanted], deadline: Deadline
    ) -> tuple[PreparedDevice, ...]:
        """Prepare devices as soon as no other claim holds them.

        The kubelet may prepare a claim before it unprepares the one that had the devices before.
        """
        intent = Intent(holdings=tuple(one.holding for one in wanted))
        refuse_own_conflict(claim, intent.holdings, self._policy.gates)
        gpus = {one.gpu_uuid for one in intent.holdings if not one.admin_access}
        give_up_at_seconds = deadline.remaining_seconds() - _LONGEST_WAIT_SECONDS
        while True:
            try:
                with self._node.locks.hold(map(gpu_key, gpus), deadline):
                    conflict = self._conflict(intent, gpus)
                    if conflict is None:
                        return self._carry_out(claim, wanted, intent)
            except CorruptRecordError as error:
                if error.uid == claim.uid:
                    raise
                # It is set aside now, so this happens once for each.
                self._restore(error, deadline)
                continue
            waits = deadline.remaining_seconds() > give_up_at_seconds
            if not waits or not deadline.wait(_PAUSE_SECONDS):
                raise PrepareFailed(conflict.sentence(claim), permanent=False)

    def _restore(self, damaged: CorruptRecordError, deadline: Deadline) -> None:
        """Make the record of another claim anew: what it held must not look free."""
        node = self._node
        with node.locks.hold([claim_key(damaged.uid)], deadline):
            record = restore(damaged.uid, node.checkpoint, node.cdi)
        if record is not None:
            self._tell(record.claim, f"{damaged} It was made anew from the CDI file.")
            return
        message = f"{damaged} Nothing tells which devices it held."
        raise PrepareFailed(message, permanent=False)

    def _conflict(self, intent: Intent, gpus: set[str]) -> Conflict | None:
        others = (
            record for gpu_uuid in sorted(gpus) for record in self._node.holders.of(gpu_uuid)
        )
        return first_conflict(intent.holdings, others, self._policy.gates)

    def _carry_out(
        self, claim: ClaimReference, wanted: Sequence[Wanted], intent: Intent
    ) -> tuple[PreparedDevice, ...]:
        checkpoint = self._node.checkpoint
        record = checkpoint.begin(claim, intent)
        try:
            for sharing, group in self._groups(wanted):
                for effect in sharing.plan(group, self._node.others_than(claim)):
                    record = checkpoint.note(claim.uid, effect)
                    sharing.make(effect)
            devices = prepared_devices(claim.uid, intent)
            # The file tells what will be on record, from which a lost record is made anew.
            self._node.describe(replace(record, phase=Phase.COMPLETED, devices=devices))
            checkpoint.complete(claim.uid, devices)
        except FAILURES:
            self._roll_back(claim)
            raise
        return devices

    def _groups(self, wanted: Sequence[Wanted]) -> Iterator[tuple[Sharing, Sequence[Wanted]]]:
        """Yield the devices that are set up together, with what does it."""
        shared = [one for one in wanted if type(one.sharing) in self._node.sharing]

        def position(one: Wanted) -> int:
            return -1 if one.config_position is None else one.config_position

        for _, group in groupby(sorted(shared, key=position), key=position):
            together = tuple(group)
            yield self._node.sharing[type(together[0].sharing)], together

    def _roll_back(self, claim: ClaimReference) -> None:
        """Take back what was begun, by who holds the locks of the GPUs."""
        try:
            record = self._node.checkpoint.recall(claim.uid)
            if record is not None:
                undo(self._node, record)
        except FAILURES as error:
            # It is on record, and the next call for the claim goes on with it.
            self._tell(claim, f"Not all that was begun is taken back yet: {error}")
