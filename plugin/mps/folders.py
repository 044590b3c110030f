"""The folders of MPS control daemons on the host: plain folders, nothing is mounted.

Shared memory is a folder of the host's `/dev/shm`: what is written there is memory already.
"""

import os
import shutil
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plugin.mps.description import SHORT_PIPE, MpsDaemon, claim_uid_of
from plugin.mps.errors import MpsError

_READABLE: Final = 0o755
_LIKE_SHM: Final = 0o1777
"""Processes of any user in the claim's containers put their memory there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MpsPlaces:
    """Where the folders of all daemons of this node lie."""

    folder: Path
    """Holds one for each daemon, with its `pipe` and `log`; durable."""
    shared_memory: Path
    """Holds one for each daemon, below the host's `/dev/shm`."""

    def ids(self) -> frozenset[str]:
        """Return the ids of which anything is there.

        Raises:
            MpsError: A folder cannot be read.
        """
        with _explained("listed"):
            names = {*_names(self.folder), *_names(self.shared_memory)}
        return frozenset(
            one for name in names if claim_uid_of(one := name.removesuffix(SHORT_PIPE))
        )

    def remove(self, daemon_id: str) -> None:
        """Remove what belongs to a daemon that does not run; there may be nothing.

        Raises:
            MpsError: It cannot be removed, or the id is none: it might lead out of our folders.
        """
        if not claim_uid_of(daemon_id):
            raise MpsError(f"{daemon_id!r} is no id of an MPS daemon.", transient=False)
        remove_folders(self.folder / daemon_id, self.shared_memory / daemon_id)


def are_there(daemon: MpsDaemon) -> bool:
    """Say whether a daemon has all of its folders; a reboot clears shared memory."""
    return all(one.is_dir() for one in (daemon.pipe, daemon.log, Path(daemon.shared_memory)))


def make_folders(daemon: MpsDaemon) -> None:
    """Make the folders of a daemon that does not run; those that are there stay.

    Running containers have them mounted, so they are never replaced.

    Raises:
        MpsError: They cannot be made, or others may change what is theirs alone.
    """
    shared = Path(daemon.shared_memory)
    with _explained("made"):
        for folder in (shared.parent, daemon.pipe, daemon.log):
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(folder)
        for folder, mode in ((daemon.pipe, _READABLE), (daemon.log, _READABLE)):
            folder.chmod(mode)
        shared.mkdir(exist_ok=True)
        _refuse_foreign(shared)
        shared.chmod(_LIKE_SHM)
        daemon.ready.unlink(missing_ok=True)


def remove_folders(folder: Path, shared_memory: Path) -> None:
    """Remove the folders of a daemon that does not run; they may be gone already.

    Raises:
        MpsError: They cannot be removed.
    """
    with _explained("removed"):
        Path(f"{shared_memory}{SHORT_PIPE}").unlink(missing_ok=True)
        # The durable one goes last: by it the rest is found again.
        for one in (shared_memory, folder):
            if one.exists():
                shutil.rmtree(one)


def _refuse_foreign(folder: Path) -> None:
    """Refuse what another user of the host has put there: `/dev/shm` is open to all."""
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        message = f"'{folder}' is no folder of ours: remove it, so that MPS can be used."
        raise MpsError(message, transient=False)


def _names(folder: Path) -> Iterator[str]:
    try:
        yield from (path.name for path in folder.iterdir())
    except FileNotFoundError:
        return


@contextmanager
def _explained(what: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        message = f"The folders of an MPS daemon cannot be {what}: {error}"
        raise MpsError(message) from error
