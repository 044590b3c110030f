"""The life of a record: begun, completed, taken back, forgotten."""

from dataclasses import dataclass, replace
from pathlib import Path

from plugin.checkpoint.codec import FORMAT, Format
from plugin.checkpoint.errors import CorruptRecordError, NewerRecordError, NoRecordError
from plugin.checkpoint.record import Effect, Intent, Phase, Record
from plugin.checkpoint.record_files import RecordFiles
from plugin.checkpoint.set_aside import SetAside
from plugin.checkpoint.slots import RELEASE_BYTES, Slots
from plugin.durable_files import Steps, unobserved
from plugin.preparer import ClaimReference, PreparedDevice


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that the folder holds, each part in order of UIDs."""

    records: tuple[Record, ...]
    corrupt: tuple[CorruptRecordError, ...]
    """Those that were found damaged just now; they are set aside."""
    newer: tuple[NewerRecordError, ...]
    """Those that only a newer version reads; they stay where they are."""
    leftovers: tuple[str, ...]
    """UIDs of claims of which half a record lies there: `remove_leftover`, under the lock."""


class Checkpoint:
    """The records of this node's claims, in a folder of their own.

    A new record takes all the space that it will ever need. So a full disk refuses new claims,
    and claims that exist can still be taken back; file systems that never overwrite in place, such
    as btrfs, cannot promise that.

    Only a change to the machine or the cluster is on the disk before it is made. Whatever else is
    written outlives the process, and a loss of power begins another boot, for which nothing of it
    matters: the machine is reset, and the kubelet prepares every claim again.

    Methods that name a claim are called by whoever holds its lock. They block for as long as the
    disk needs, and raise `UnsafeNameError` for a UID that the API server did not make.

    Attributes:
        set_aside: The records that were found damaged.
    """

    def __init__(
        self,
        folder: Path,
        *,
        boot_id: str,
        form: Format = FORMAT,
        steps: Steps = unobserved,
    ) -> None:
        """Open the folder, which is made if it is not there.

        Args:
            folder: Where the records lie; nothing else belongs there.
            boot_id: The present boot of the machine.
            form: The format to write.
            steps: Is told each step after which a crash leaves something else behind.

        Raises:
            CheckpointError: The folder cannot be made.
        """
        self._boot_id = boot_id
        self.set_aside = SetAside(folder, boot_id)
        self._files = RecordFiles(folder, form, steps, self.set_aside)
        self._files.make_folder()

    def begin(
        self, claim: ClaimReference, intent: Intent, *, effects: tuple[Effect, ...] = ()
    ) -> Record:
        """Record what is to be prepared, before anything is done.

        A record of the claim that is there already is replaced, so whoever calls this has taken
        back what it says, or hands on its effects.

        Raises:
            DiskFullError: There is no space for another claim.
            CheckpointError: It cannot be written.
        """
        record = Record(
            claim=claim,
            phase=Phase.BEGUN,
            boot_id=self._boot_id,
            intent=intent,
            effects=effects,
        )
        self._files.create(record, "begin")
        return record

    def note(self, uid: str, effect: Effect) -> Record:
        """Record a change that is about to be made.

        Raises:
            NoRecordError: The claim was not begun.
            DiskFullError: The record outgrew its space and there is no more.
            CheckpointError: It cannot be read or written.
        """
        record, slots = self._present(uid)
        noted = replace(record, effects=(*record.effects, effect))
        return self._files.change(noted, slots, "note", durable=True, spare_bytes=RELEASE_BYTES)

    def complete(self, uid: str, devices: tuple[PreparedDevice, ...]) -> Record:
        """Record what the kubelet is answered, now that everything is done.

        Raises:
            NoRecordError: The claim was not begun.
            DiskFullError: The record outgrew its space and there is no more.
            CheckpointError: It cannot be read or written.
        """
        record, slots = self._present(uid)
        completed = replace(record, phase=Phase.COMPLETED, devices=devices)
        return self._files.change(completed, slots, "complete", spare_bytes=RELEASE_BYTES)

    def release(self, uid: str) -> Record:
        """Record that the claim is being taken back, before anything is; needs no space.

        Raises:
            NoRecordError: The claim has no record.
            CheckpointError: It cannot be read or written.
        """
        record, slots = self._present(uid)
        if record.phase is Phase.RELEASING:
            return record
        return self._files.change(replace(record, phase=Phase.RELEASING), slots, "release")

    def undone(self, uid: str) -> Record:
        """Record that the last effect is taken back; needs no space.

        Raises:
            NoRecordError: The claim has no record, or it has no effect.
            CheckpointError: It cannot be read or written.
        """
        record, slots = self._present(uid)
        if not record.effects:
            raise NoRecordError(f"The record of claim {uid} has no effect to take back.")
        return self._files.change(replace(record, effects=record.effects[:-1]), slots, "undone")

    def recall(self, uid: str) -> Record | None:
        """Return the record of a claim; None if there is none.

        Raises:
            CorruptRecordError: It is damaged, and set aside now: the next time there is none.
            NewerRecordError: Only a newer version reads it.
            CheckpointError: It cannot be read.
        """
        found = self._files.find(uid)
        return None if found is None else found[0]

    def forget(self, uid: str) -> None:
        """Remove the record of a claim whose effects are all taken back; there may be none.

        Raises:
            CheckpointError: It cannot be removed.
        """
        self._files.remove(uid)

    def remove_leftover(self, uid: str) -> None:
        """Remove what a crash left of a record that was being written; the record itself stays.

        Raises:
            CheckpointError: It cannot be removed.
        """
        self._files.remove_part(uid)

    def all(self) -> Contents:
        """Return all records; this costs time for each, so it is for the start and for sweeps.

        Other processes may be at work on claims meanwhile.

        Raises:
            CheckpointError: The folder or a file cannot be read.
        """
        records: list[Record] = []
        corrupt: list[CorruptRecordError] = []
        newer: list[NewerRecordError] = []
        uids = sorted(self.files())
        for uid in uids:
            try:
                record = self.recall(uid)
            except CorruptRecordError as error:
                corrupt.append(error)
            except NewerRecordError as error:
                newer.append(error)
            else:
                if record is not None:
                    records.append(record)
        return Contents(
            records=tuple(records),
            corrupt=tuple(corrupt),
            newer=tuple(newer),
            leftovers=tuple(sorted(self._files.parts())),
        )

    def completed(self) -> tuple[Record, ...]:
        """Return the records of prepared claims, for those who count: nothing is set aside.

        Raises:
            CheckpointError: The folder or a file cannot be read.
        """
        found = (self._files.peek(uid) for uid in sorted(self.files()))
        return tuple(one for one in found if one is not None and one.phase is Phase.COMPLETED)

    def is_stale(self, record: Record) -> bool:
        """Say whether a record is of another boot: its effects on the machine are gone."""
        return record.boot_id != self._boot_id

    def files(self) -> dict[str, int]:
        """Return the UIDs that have a record, each with the number of the file on the disk.

        A record that was replaced has another number, and one that was changed the same.

        Raises:
            CheckpointError: The folder cannot be read.
        """
        return self._files.numbers()

    def _present(self, uid: str) -> tuple[Record, Slots]:
        found = self._files.find(uid)
        if found is None:
            raise NoRecordError(f"Claim {uid} has no record.")
        return found
