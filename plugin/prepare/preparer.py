"""Prepares and unprepares claims, step by step, so that a crash after any step is made good."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Final

from dra_config import hub
from plugin.checkpoint import (
    CorruptRecordError,
    Intent,
    NoRecordError,
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
from plugin.prepare.taking_back import take_back
from plugin.prepare.unattributed import Unattributed
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
        unattributed: Unattributed,
    ) -> None:
        """Prepare the claims of one node.

        Args:
            node: Where it is done.
            claims: Knows the claims.
            policy: What the installation decides.
            tell: Is told sentences on a claim that are no failure, for the log and events.
            unattributed: Knows what claims may hold of which nothing tells what they hold.
        """
        self._node = node
        self._claims = claims
        self._policy = policy
        self._tell = tell
        self._unattributed = unattributed

    def prepare(self, claim: ClaimReference, deadline: Deadline) -> tuple[PreparedDevice, ...]:
        """Make a claim's devices ready; a claim that is prepared gives the same devices again."""
        node = self._node
        with explained(PrepareFailed), node.locks.hold([claim_key(claim.uid)], deadline):
            record = recall(claim, node.checkpoint, node.cdi, self._tell)
            if record is not None:
                if record.phase is Phase.COMPLETED and not node.checkpoint.is_stale(record):
                    self._keep(record, deadline)
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
            # The kubelet has seen the pods end, whatever they held.
            node.checkpoint.set_aside.remove(claim.uid)

    def _keep(self, record: Record, deadline: Deadline) -> None:
        """Make good what somebody has ended or removed of a claim that is prepared."""
        for effect in record.effects:
            sharing = self._node.sharing_of(effect)
            if sharing is not None:
                sharing.keep(effect, deadline)
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
                    f"{strategy.upper()}, for which this plugin is not set up. Share by another "
                    "strategy, or leave sharing out."
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
        give_up_at_seconds = deadline.remaining_seconds() - _LONGEST_WAIT_SECONDS
        while True:
            try:
                conflict = self._begin(claim, wanted, intent, deadline)
                if conflict is None:
                    return self._complete(claim, intent, deadline)
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
        """Make the record of another claim anew, if anything tells what it held."""
        node = self._node
        with node.locks.hold([claim_key(damaged.uid)], deadline):
            record = restore(damaged.uid, node.checkpoint, node.cdi)
        if record is not None:
            self._tell(record.claim, f"{damaged} It was made anew from the CDI file.")

    def _begin(
        self, claim: ClaimReference, wanted: Sequence[Wanted], intent: Intent, deadline: Deadline
    ) -> Conflict | None:
        """Make all changes, unless another claim is in the way, which then is returned."""
        node = self._node
        gpus = {one.gpu_uuid for one in intent.holdings if not one.admin_access}
        try:
            with node.locks.hold(map(gpu_key, gpus), deadline):
                others = node.holders.of_any(gpus)
                conflict = first_conflict(intent.holdings, others, self._policy.gates)
                if conflict is not None:
                    return conflict
                self._unattributed.refuse(claim, intent.holdings)
                node.checkpoint.begin(claim, intent)
                for sharing, group in self._groups(wanted):
                    for effect in sharing.plan(claim, group, node.others_than(claim), deadline):
                        node.checkpoint.note(claim.uid, effect)
                        sharing.make(effect, deadline)
        except FAILURES:
            self._roll_back(claim, deadline)
            raise
        return None

    def _complete(
        self, claim: ClaimReference, intent: Intent, deadline: Deadline
    ) -> tuple[PreparedDevice, ...]:
        """Wait until the changes are in force, and let the runtime and the kubelet know.

        No GPU is locked meanwhile. The claim is, and its record, which holds the GPUs with all
        that was changed on them, shows every other claim that they are taken.
        """
        node = self._node
        try:
            record = node.checkpoint.recall(claim.uid)
            if record is None:
                raise NoRecordError(f"The record of claim {claim} is gone.")
            for effect in record.effects:
                sharing = node.sharing_of(effect)
                if sharing is not None:
                    sharing.wait(effect, deadline)
            devices = prepared_devices(claim.uid, intent)
            # The file tells what will be on record, from which a lost record is made anew.
            node.describe(replace(record, phase=Phase.COMPLETED, devices=devices))
            node.checkpoint.complete(claim.uid, devices)
        except FAILURES:
            self._roll_back(claim, deadline)
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

    def _roll_back(self, claim: ClaimReference, deadline: Deadline) -> None:
        """Take back what was begun."""
        try:
            record = self._node.checkpoint.recall(claim.uid)
            if record is not None:
                take_back(self._node, record, deadline)
        except FAILURES as error:
            # It is on record, and the next call for the claim goes on with it.
            self._tell(claim, f"Not all that was begun is taken back yet: {error}")
