"""What can go wrong with the records, sorted by what a caller can do about it."""

from pathlib import Path
from typing import ClassVar


class CheckpointError(Exception):
    """A record could not be read or kept.

    The message is a sentence for the person who reads the pod's events.
    """

    transient: ClassVar[bool] = False
    """Whether the same call may succeed later without anybody repairing anything."""


class DiskFullError(CheckpointError):
    """There is no space for a new record; records that exist can still be changed and removed."""

    transient = True


class NoRecordError(CheckpointError):
    """The claim has no record to change."""


class CorruptRecordError(CheckpointError):
    """A record held something else than what was written; it is set aside.

    Attributes:
        uid: The claim's UID.
        path: Where the file lies now.
    """

    def __init__(self, uid: str, path: Path, reason: str) -> None:
        super().__init__(
            f"The record of claim {uid} is damaged ({reason}); it was set aside as '{path}'."
        )
        self.uid = uid
        self.path = path


class NewerRecordError(CheckpointError):
    """A record was written by a newer version that forbids this one to read it.

    Attributes:
        uid: The claim's UID; empty while it is not known.
    """

    def __init__(self, uid: str, *, written: int, oldest_reader: int, reader: int) -> None:
        super().__init__(
            f"The record of claim {uid} has format {written}, which asks for a plugin that reads "
            f"format {oldest_reader}; this one reads format {reader}. Install the newer version."
        )
        self.uid = uid
        self.written = written
        self.oldest_reader = oldest_reader
        self.reader = reader


class LockTimeoutError(CheckpointError):
    """Somebody else is at work on the same claim or GPU, and the time to wait is over."""

    transient = True
