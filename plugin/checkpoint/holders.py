"""Which claims hold a physical GPU, without reading the records of all the others."""

import threading

from plugin.checkpoint.record import Record
from plugin.checkpoint.store import Checkpoint


class Holders:
    """What is held, looked up in the records of all processes that share them.

    Each record is read once to learn its GPUs; after that only the names in the folder are.
    Safe to use from several threads.
    """

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._checkpoint = checkpoint
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, frozenset[str]]] = {}

    def of(self, gpu_uuid: str) -> tuple[Record, ...]:
        """Return the records that hold a GPU or a part of it, in order of UIDs.

        Stale records are among them, and those that were only begun. Whoever holds the GPU's lock
        gets an answer that stays true; admin access is no holding.

        Raises:
            CorruptRecordError: A record is damaged, and what it held is not known.
            NewerRecordError: A record is not for this version, and what it holds is not known.
            CheckpointError: The records cannot be read.
        """
        with self._lock:
            files = self._checkpoint.files()
            for uid in self._seen.keys() - files.keys():
                del self._seen[uid]
            for uid, number in files.items():
                if uid not in self._seen or self._seen[uid][0] != number:
                    record = self._checkpoint.recall(uid)
                    held = frozenset[str]() if record is None else record.gpu_uuids
                    self._seen[uid] = (number, held)
            uids = sorted(uid for uid, (_, held) in self._seen.items() if gpu_uuid in held)
        found = (self._checkpoint.recall(uid) for uid in uids)
        return tuple(record for record in found if record is not None)
