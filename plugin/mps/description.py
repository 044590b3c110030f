"""One MPS control daemon as a value: for whom it is, what it serves, where its files lie."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from plugin.durable_files import is_safe_name, safe_name
from plugin.mps.errors import MpsError
from plugin.preparer import ClaimReference

SHORT_PIPE: Final = ".pipe"
_ID: Final = re.compile(r"(.+)-[0-9a-f]{5}")


@dataclass(frozen=True, slots=True, kw_only=True)
class MpsDaemon:
    """The daemon of those devices of a claim that one config sets up together."""

    id: str
    """As `daemon_id` makes it."""
    claim: ClaimReference
    devices: tuple[str, ...]
    """UUIDs of full GPUs or of MIG devices, in order; the indices of limits count them."""
    active_thread_percentage: int | None
    """The daemon's own default if None."""
    pinned_memory_limits: tuple[tuple[str, int], ...]
    """UUID and MiB; a device that is not there has no limit."""
    multi_user: bool
    folder: str
    """Holds `pipe` and `log`, on the host."""
    shared_memory: str
    """A folder on the host's `/dev/shm`."""

    @property
    def pipe(self) -> Path:
        """Return the folder of the daemon's sockets."""
        return Path(self.folder, "pipe")

    @property
    def log(self) -> Path:
        """Return the folder of what the daemon writes for people."""
        return Path(self.folder, "log")

    @property
    def ready(self) -> Path:
        """Return the file that the daemon's program writes once clients may come."""
        return self.log / "ready"

    @property
    def short_pipe(self) -> Path:
        """Return the link to `pipe` that a local process uses: a socket's path is limited."""
        return Path(f"{self.shared_memory}{SHORT_PIPE}")


def daemon_id(claim_uid: str, devices: Iterable[str]) -> str:
    """Return the id of the daemon of some devices of a claim: its UID, and five digits.

    Raises:
        UnsafeNameError: The UID is none.
    """
    digest = hashlib.sha256(",".join(sorted(devices)).encode()).hexdigest()
    return f"{safe_name(claim_uid)}-{digest[:5]}"


def claim_uid_of(of_daemon: str) -> str:
    """Return the claim that a daemon's id belongs to; empty if it is no such id."""
    found = _ID.fullmatch(of_daemon)
    return found[1] if found is not None and is_safe_name(found[1]) else ""


def text_of_daemon(daemon: MpsDaemon) -> str:
    """Return a daemon as text, for the record of its claim."""
    return msgspec.json.encode(daemon).decode()


def daemon_from_text(text: str) -> MpsDaemon:
    """Return the daemon that a record tells of.

    Raises:
        MpsError: A newer version wrote it.
    """
    try:
        return msgspec.json.decode(text, type=MpsDaemon)
    except msgspec.MsgspecError as error:
        message = "The record tells of an MPS daemon in a way that only a newer version knows."
        raise MpsError(message, transient=False) from error
