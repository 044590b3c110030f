"""Locks on claims and physical GPUs, for threads and processes alike.

All of them are ranges of one file, so that taking one needs no space on the disk. The kernel lets
go of those of a process that is killed.
"""

import fcntl
import hashlib
import os
import struct
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from plugin.checkpoint.errors import CheckpointError, LockTimeoutError
from plugin.preparer import Deadline

_FIRST_PAUSE_SECONDS: Final = 0.001
_LONGEST_PAUSE_SECONDS: Final = 0.02
# struct flock: type, whence, start, length, process id, filled up to a multiple of eight bytes.
_FLOCK: Final = "hhqqi4x"


def claim_key(uid: str) -> str:
    """Return the key of a claim; in the order of keys, claims come before GPUs."""
    return f"claim {uid}"


def gpu_key(gpu_uuid: str) -> str:
    """Return the key of a physical GPU."""
    return f"gpu {gpu_uuid}"


class Locks:
    """The locks of one node; every `hold` is a holder of its own, also within one thread."""

    def __init__(self, file: Path) -> None:
        """Take *file* as the place of the locks; it is created on first use."""
        self._file = file

    @contextmanager
    def hold(self, keys: Iterable[str], deadline: Deadline) -> Generator[None]:
        """Hold all locks of *keys*, and let go of them in the end.

        They are taken in the order of the keys. Who holds a claim may ask for its GPUs inside;
        anything else may wait in a circle until the deadline.

        Raises:
            LockTimeoutError: One of them is not free before the deadline.
            CheckpointError: The file cannot be opened.
        """
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            message = f"The file of locks cannot be opened: {error}"
            raise CheckpointError(message) from error
        try:
            for key in sorted(set(keys)):
                _take(descriptor, key, deadline)
            yield
        finally:
            os.close(descriptor)


def _take(descriptor: int, key: str, deadline: Deadline) -> None:
    pause_seconds = _FIRST_PAUSE_SECONDS
    while not _try(descriptor, key):
        # The kernel has no way to wait for a lock for a limited time.
        if not deadline.wait(pause_seconds):
            message = f"Somebody else is still at work on {key}."
            raise LockTimeoutError(message)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)


def _try(descriptor: int, key: str) -> bool:
    # Two keys that fall on the same byte wait for each other without need, and nothing worse.
    digest = hashlib.blake2b(key.encode(), digest_size=8).digest()
    start = int.from_bytes(digest) >> 2
    wanted = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, 1, 0)
    try:
        # Locks of the other kind belong to the process, and its threads would share them.
        fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, wanted)
    except BlockingIOError:
        return False
    except OSError as error:
        message = f"The file of locks cannot be locked: {error}"
        raise CheckpointError(message) from error
    return True
