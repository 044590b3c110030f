"""Which claims hold a physical GPU, without reading the records of all the others."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass

from plugin.checkpoint.record import Holding, Record
from plugin.checkpoint.store import Checkpoint
from plugin.preparer import ClaimReference


@dataclass(frozen=True, slots=True)
class Holder:
    """A claim and all that it holds, with admin access too; it never changes under one record."""

    claim: ClaimReference
    holdings: tuple[Holding, ...]
    gpu_uuids: frozenset[str]
    """The physical GPUs that it holds; admin access holds none."""


_NOBODY = Holder(ClaimReference("", "", ""), (), frozenset())


class Holders:
    """What is held, looked up in the records of all processes that share them.

    Each record is read once to learn what it holds; after that only the names in the folder are.
    Safe to use from several threads.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, Holder]] = {}

    def of_any(self, gpu_uuids: Iterable[str]) -> tuple[Holder, ...]:
        """Return who holds any of these GPUs or a part of one, in order of UIDs.

        Claims of stale records are among them, and those that were only begun. Whoever holds the
        locks of the GPUs gets an answer that stays true.

        Raises:
            CorruptRecordError: A record is damaged, and what it held is not known.
            NewerRecordError: A record is not for this version, and what it holds is not known.
            CheckpointError: The records cannot be read.
        """
        wanted = frozenset(gpu_uuids)
        with self._lock:
            self._look()
            found = {
                uid: holder
                for uid, (_, holder) in self._seen.items()
                if not wanted.isdisjoint(holder.gpu_uuids)
            }
        return tuple(found[uid] for uid in sorted(found))

    def of(self, gpu_uuid: str) -> tuple[Record, ...]:
        """Return the records of those that `of_any` returns, as they are now."""
        found = (self._checkpoint.recall(one.claim.uid) for one in self.of_any([gpu_uuid]))
        return tuple(record for record in found if record is not None)

    def forget(self, uid: str) -> None:
        """Read a claim's record anew when there is one again: its file may get the same number."""
        with self._lock:
            self._seen.pop(uid, None)

    def _look(self) -> None:
        files = self._checkpoint.files()
        for uid in self._seen.keys() - files.keys():
            del self._seen[uid]
        for uid, number in files.items():
            if uid not in self._seen or self._seen[uid][0] != number:
                record = self._checkpoint.recall(uid)
                holder = _NOBODY
                if record is not None:
                    holder = Holder(record.claim, record.intent.holdings, record.gpu_uuids)
                self._seen[uid] = (number, holder)
