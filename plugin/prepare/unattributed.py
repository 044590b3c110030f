"""Claims whose damaged record nothing explains: what they may hold is given to nobody else.

A damaged record is set aside. It is made anew from the claim's CDI file, or else the claim is
prepared again. The CDI file, the damaged text or a Pod for it may still tell its name, and the
API server finds no claim by its UID alone. Where all of that fails the claim may hold any device
but those that others held for themselves when the damage was first seen. Such devices are neither
published nor prepared for others. That no process runs on one proves nothing, since a container
may start one.

It ends, for all of them at once, when the kubelet unprepares the claim, which it does when the
pods have ended; when the claim is prepared again; with a reboot; or when an operator who knows
better removes the file. A restart of the plugin ends nothing, and may withhold devices of claims
that have ended since.
"""

import re
import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Final, Protocol

from plugin.cdi import CLAIM_NAME, CLAIM_NAMESPACE
from plugin.checkpoint import (
    CheckpointError,
    CorruptRecordError,
    Holding,
    NewerRecordError,
    Phase,
    Record,
    claim_key,
)
from plugin.hardware.facts import Gpu, MigDevice
from plugin.prepare.failures import ClaimGone, alone
from plugin.prepare.lost_records import restore
from plugin.prepare.node import Node
from plugin.preparer import ClaimReference, Deadline, PrepareFailed

_NAMED: Final = re.compile(
    rb'"claim":\{"namespace":"([a-z0-9-]{1,63})","name":"([a-z0-9.-]{1,253})"'
)
"""A claim in the text of its record; a wrong one has another UID, which the server tells."""

_PREPARED_ANEW: Final = (
    "Its record was damaged, so it was prepared anew. Which compute mode its GPUs had before is "
    "forgotten: they keep the one that they have now."
)

_Hardware = tuple[str, str]
"""The UUIDs of a GPU and of the device: the GPU's again, or a MIG device's."""


class PublishedDevice(Protocol):
    """A device that could be published, such as `publishing.allocatable.AllocatableDevice`."""

    @property
    def name(self) -> str:
        """Return the published name."""
        ...

    @property
    def gpu(self) -> Gpu:
        """Return the physical GPU."""
        ...

    @property
    def mig(self) -> MigDevice | None:
        """Return the MIG device; None for the whole GPU."""
        ...


def _nameless(uid: str) -> None:
    """Know no claim."""
    del uid


class Unattributed:
    """Knows the claims that nothing explains; safe to use from several threads.

    Without a damaged record every method costs a look into one folder. All of them may raise
    CheckpointError.
    """

    def __init__(
        self,
        node: Node,
        *,
        tell: Callable[[ClaimReference, str], None],
        name: Callable[[str], ClaimReference | None] = _nameless,
    ) -> None:
        """Look at nothing yet.

        Args:
            node: Where the claims are on record.
            tell: Is told which record was made anew.
            name: Returns the claim of a UID, if something outside of this node tells it.
        """
        self._node = node
        self._aside = node.checkpoint.set_aside
        self._tell = tell
        self._name = name
        self._lock = threading.Lock()
        self._not_theirs: dict[str, frozenset[_Hardware]] = {}
        self._gone: dict[str, str] = {}
        self._boot_begun = False

    def look(
        self,
        prepare: Callable[[ClaimReference, Deadline], object],
        patience: Callable[[], Deadline],
    ) -> tuple[str, ...]:
        """Try to explain each claim; called from one thread, first before any claim is prepared.

        Args:
            prepare: Prepares a claim as the kubelet would have it.
            patience: Returns how long to wait for one claim.

        Returns:
            Sentences on claims that are not explained, and on those that a reboot has ended.
        """
        sentences: list[str] = []
        if not self._boot_begun:
            self._boot_begun = True
            sentences += self._begin_boot()
        for uid in sorted(self._aside.uids()):
            with alone(f"The record of claim {uid} is not made anew yet", sentences):
                sentence = self._explain(uid, prepare, patience)
                if sentence is not None:
                    sentences.append(sentence)
        return tuple(sentences)

    def uids(self) -> frozenset[str]:
        """Return the UIDs of the claims that nothing explains."""
        return frozenset(uid for uid in self._aside.uids() if not self._is_explained(uid))

    def withheld(self, devices: Iterable[PublishedDevice]) -> Mapping[str, str]:
        """Return why devices are not to be published, by their names; the others are not named."""
        reasons: dict[str, str] = {}
        unexplained = self._unexplained()
        for one in devices:
            hardware = (one.gpu.uuid, one.gpu.uuid if one.mig is None else one.mig.uuid)
            for uid, not_theirs in unexplained.items():
                if not _overlaps(hardware, not_theirs):
                    reasons[one.name] = self._reason(uid)
                    break
        return reasons

    def refuse(self, claim: ClaimReference, holdings: Iterable[Holding]) -> None:
        """Refuse a claim that wants what another claim may hold; by who holds the GPUs' locks.

        The scheduler may have given a device away just before it was withheld. A claim that is
        unexplained itself had its devices before, when nobody else could have them.

        Raises:
            PrepareFailed: It may be held.
        """
        unexplained = self._unexplained()
        if claim.uid in unexplained:
            return
        for one in holdings:
            for uid, not_theirs in unexplained.items():
                if not one.admin_access and not _overlaps(_hardware(one), not_theirs):
                    message = f"Device '{one.device}' is withheld. {self._reason(uid)}"
                    raise PrepareFailed(message, permanent=False)

    def _begin_boot(self) -> Iterable[str]:
        try:
            return [
                f"The record of claim {uid} was damaged; a reboot has freed what it held."
                for uid in sorted(self._aside.begin_boot())
            ]
        except CheckpointError as error:
            # As on a full disk. What is here stays, and so do the devices.
            return [str(error)]

    def _explain(
        self,
        uid: str,
        prepare: Callable[[ClaimReference, Deadline], object],
        patience: Callable[[], Deadline],
    ) -> str | None:
        """Explain one claim, or say why that fails."""
        node = self._node
        with node.locks.hold([claim_key(uid)], patience()):
            if not self._is_explained(uid) and node.checkpoint.recall(uid) is None:
                made = restore(uid, node.checkpoint, node.cdi)
                if made is not None:
                    self._tell(made.claim, "Its damaged record was made anew from its CDI file.")
            if self._is_explained(uid):
                self._aside.remove(uid)
                return None
            claim = self._named(uid)
        if claim is None:
            return self._reason(uid)
        if uid not in self._gone:
            try:
                prepare(claim, patience())
            except ClaimGone as failure:
                self._gone[uid] = failure.sentence
            else:
                if self._is_explained(uid):
                    self._aside.remove(uid)
                    self._tell(claim, _PREPARED_ANEW)
                    return None
                self._gone[uid] = f"Claim {claim} has no device of this node any more."
        return f"{self._gone[uid]} {self._reason(uid)}"

    def _named(self, uid: str) -> ClaimReference | None:
        """Return a claim by the name that its files still tell, which may be wrong."""
        annotations = self._node.cdi.annotations(uid) or {}
        if CLAIM_NAME in annotations and CLAIM_NAMESPACE in annotations:
            return ClaimReference(annotations[CLAIM_NAMESPACE], annotations[CLAIM_NAME], uid)
        for text in self._aside.texts(uid):
            found = _NAMED.search(text)
            if found is not None:
                return ClaimReference(found[1].decode(), found[2].decode(), uid)
        return self._name(uid)

    def _is_explained(self, uid: str) -> bool:
        """Say whether a claim has a record again that tells what it holds."""
        try:
            record = self._node.checkpoint.recall(uid)
        except (CorruptRecordError, NewerRecordError):
            return False
        return record is not None and record.phase is Phase.COMPLETED

    def _unexplained(self) -> Mapping[str, frozenset[_Hardware]]:
        """Return for each unexplained claim what it cannot hold, since another one did."""
        uids = self.uids()
        with self._lock:
            if uids - self._not_theirs.keys():
                # This may find more that are damaged.
                records = self._node.checkpoint.all().records
                uids = self.uids()
                for uid in uids:
                    self._not_theirs.setdefault(uid, _held_for_themselves(records, but=uid))
            self._not_theirs = {
                uid: held for uid, held in sorted(self._not_theirs.items()) if uid in uids
            }
            return self._not_theirs

    def _reason(self, uid: str) -> str:
        return (
            f"The record of claim {uid} was damaged. Nothing tells which devices it held, so "
            "those that it may hold are kept from others until the kubelet unprepares that claim "
            "or the node is rebooted. To end it earlier, see that no container uses them and "
            f"remove '{self._aside.path(uid)}'."
        )


def _held_for_themselves(records: Iterable[Record], *, but: str) -> frozenset[_Hardware]:
    """Return what all claims but one hold and do not share."""
    return frozenset(
        _hardware(one)
        for record in records
        if record.claim.uid != but
        for one in record.intent.holdings
        if not one.admin_access and one.share_id is None
    )


def _hardware(holding: Holding) -> _Hardware:
    return holding.gpu_uuid, holding.device_uuid


def _overlaps(one: _Hardware, others: Iterable[_Hardware]) -> bool:
    gpu, device = one
    return any(
        gpu == other_gpu and (device == other or gpu in {device, other})
        for other_gpu, other in others
    )
