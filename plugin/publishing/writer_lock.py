"""A lock file: of the plugin's instances on a node, only the one that holds it writes slices."""

import fcntl
import os
from pathlib import Path


class WriterLock:
    """A lock that the kernel takes back when the process ends, however it ends."""

    def __init__(self, path: Path) -> None:
        """Hold nothing yet; the file is made when it is first needed, and never removed."""
        self._path = path
        self._descriptor: int | None = None

    @property
    def held(self) -> bool:
        """Say whether we hold it."""
        return self._descriptor is not None

    def acquire(self) -> bool:
        """Take the lock if it is free, without waiting, and say whether we hold it.

        Raises:
            OSError: The file cannot be opened.
        """
        if self._descriptor is not None:
            return True
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let go; without the lock this does nothing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
