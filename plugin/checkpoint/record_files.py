"""The files of records: one for each claim."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from plugin.checkpoint.codec import Format, InvalidTextError, record_from_text, text_of_record
from plugin.checkpoint.errors import (
    CheckpointError,
    CorruptRecordError,
    DiskFullError,
    NewerRecordError,
)
from plugin.checkpoint.record import Record
from plugin.checkpoint.set_aside import SetAside
from plugin.checkpoint.slots import (
    DamagedError,
    Slots,
    fits,
    new_file,
    overwrite,
    read_slots,
    room_for,
)
from plugin.durable_files import (
    Steps,
    is_disk_full,
    is_safe_name,
    keep_names,
    part_of,
    replace_file,
    safe_name,
)

_SUFFIX: Final = ".record"
_OWNER_ONLY: Final = 0o600
_OWNER_ONLY_FOLDER: Final = 0o700
_READS: Final = 3
"""How often a file is read before it counts as damaged: another process may be changing it."""


class RecordFiles:
    """The files of one folder; every method may raise CheckpointError."""

    def __init__(self, folder: Path, form: Format, steps: Steps, set_aside: SetAside) -> None:
        self._folder = folder
        self._aside = set_aside
        self._form = form
        self._steps = steps

    def make_folder(self) -> None:
        """Make the folder if it is not there."""
        with _explained("opened"):
            self._folder.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)

    def create(self, record: Record, step: str, *, durable: bool = False) -> None:
        """Write a record with all the space that it will need; one that is there is replaced.

        Raises:
            DiskFullError: There is no space; the old record is still there.
        """
        content = text_of_record(record, self._form)
        file = new_file(content, slot_bytes=room_for(content))
        with _explained("written"):
            replace_file(
                self._path(record.claim.uid),
                file,
                mode=_OWNER_ONLY,
                durable=durable,
                steps=lambda one: self._steps(f"{step}: {one}"),
            )

    def change(
        self,
        record: Record,
        slots: Slots,
        step: str,
        *,
        durable: bool = False,
        spare_bytes: int = 0,
    ) -> Record:
        """Keep a changed record in its space, or give it more where it does not fit.

        Args:
            record: The changed record.
            slots: What its file holds.
            step: What this is called among the steps.
            durable: Whether it has to outlive a loss of power, from now on.
            spare_bytes: How much of the space has to stay free.

        Raises:
            DiskFullError: It does not fit and there is no more; the old record is still there.
        """
        content = text_of_record(record, self._form)
        if not fits(content, slots, spare_bytes=spare_bytes):
            self.create(record, step, durable=durable)
            return record
        path = self._path(record.claim.uid)

        def steps(one: str) -> None:
            self._steps(f"{step}: {one}")

        with _explained("written"):
            overwrite(path, content, slots, durable=durable, steps=steps)
            if durable:
                # Its name was not durable so far.
                keep_names(self._folder)
                steps("kept")
        return record

    def find(self, uid: str) -> tuple[Record, Slots] | None:
        """Return a record and where it lies in its file; None if there is none.

        Raises:
            CorruptRecordError: It is damaged, and set aside now.
            NewerRecordError: Only a newer version reads it.
        """
        path = self._path(uid)
        try:
            return self._read(path)
        except (DamagedError, InvalidTextError) as error:
            raise CorruptRecordError(uid, self._aside.add(uid, path), str(error)) from error

    def peek(self, uid: str) -> Record | None:
        """Return a record; None if there is none, or none that can be understood.

        Whoever does not depend on the answer looks like this: nothing is set aside.
        """
        try:
            found = self._read(self._path(uid))
        except (DamagedError, InvalidTextError, NewerRecordError):
            return None
        return None if found is None else found[0]

    def remove(self, uid: str) -> None:
        """Remove a record and what is left of one that was being written; there may be none."""
        self.remove_part(uid)
        path = self._path(uid)
        with _explained("removed"):
            path.unlink(missing_ok=True)
            self._steps("forget: removed")

    def remove_part(self, uid: str) -> None:
        """Remove what a crash left of a record that was being written; there may be nothing."""
        with _explained("removed"):
            part_of(self._path(uid)).unlink(missing_ok=True)

    def numbers(self) -> dict[str, int]:
        """Return the UIDs that have a record, each with the number of its file on the disk."""
        with _explained("listed"), os.scandir(self._folder) as entries:
            return {
                uid: entry.inode()
                for entry in entries
                if entry.name.endswith(_SUFFIX)
                and is_safe_name(uid := entry.name.removesuffix(_SUFFIX))
            }

    def parts(self) -> set[str]:
        """Return the UIDs of records that are being written, or were when the writer crashed."""
        with _explained("listed"):
            return {
                path.name.removeprefix(".").removesuffix(f"{_SUFFIX}.part")
                for path in self._folder.glob(f".*{_SUFFIX}.part")
            }

    def _path(self, uid: str) -> Path:
        return self._folder / f"{safe_name(uid)}{_SUFFIX}"

    def _read(self, path: Path) -> tuple[Record, Slots] | None:
        """Return what a file holds; it is read again where a writer may have been at work."""
        remaining = _READS
        while True:
            remaining -= 1
            file = self._bytes(path)
            if file is None:
                return None
            try:
                slots = read_slots(file)
                return record_from_text(slots.content, self._form), slots
            except (DamagedError, InvalidTextError):
                if not remaining:
                    raise

    @staticmethod
    def _bytes(path: Path) -> bytes | None:
        with _explained("read"):
            try:
                return path.read_bytes()
            except FileNotFoundError:
                return None


@contextmanager
def _explained(what: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            message = f"There is no space left for the record of another claim: {error}"
            raise DiskFullError(message) from error
        raise CheckpointError(f"The records of claims could not be {what}: {error}") from error
