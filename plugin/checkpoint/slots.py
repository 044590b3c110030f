"""A file of two slots of equal size, one of which is whole at every moment.

New content goes to the slot that does not hold the present one, and its checksum over the bytes as
stored tells whether it got there whole. So a change takes no space that the file does not have, on
all file systems that overwrite in place.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from plugin.durable_files import Steps, write_all

_HEADER: Final = re.compile(
    rb"dra-config record sequence=(\d{10}) length=(\d{10}) checksum=([0-9a-f]{32})\n"
)
_HEADER_BYTES: Final = 98
_SMALLEST_SLOT_BYTES: Final = 2048
RELEASE_BYTES: Final = 256
"""What taking back may add to a record, such as the name of a longer phase."""


class DamagedError(ValueError):
    """No slot of a file is whole; the message says why, without a full stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Slots:
    """What a file holds."""

    content: bytes
    sequence: int
    """How many times the content was written, from 1."""
    current: int
    """The slot that holds it: 0 or 1."""
    slot_bytes: int


def room_for(content: bytes) -> int:
    """Return the size of a slot that leaves room for the result of what is begun."""
    size = _SMALLEST_SLOT_BYTES
    while size < _HEADER_BYTES + 2 * len(content) + RELEASE_BYTES:
        size *= 2
    return size


def new_file(content: bytes, *, slot_bytes: int) -> bytes:
    """Return the bytes of a file whose first slot holds *content*; all of its space is used."""
    return _slot(content, 1, slot_bytes) + b" " * (slot_bytes - 1) + b"\n"


def fits(content: bytes, slots: Slots, *, spare_bytes: int = 0) -> bool:
    """Say whether *content* can be written in place, and leaves so much to spare."""
    return _HEADER_BYTES + len(content) + spare_bytes < slots.slot_bytes


def read_slots(file: bytes) -> Slots:
    """Return the newest content that is whole.

    Raises:
        DamagedError: There is none.
    """
    slot_bytes, odd = divmod(len(file), 2)
    if odd or slot_bytes < _SMALLEST_SLOT_BYTES:
        raise DamagedError(f"a file of {len(file)} bytes is none of ours")
    whole = [
        found
        for number in (0, 1)
        if (found := _whole(file[number * slot_bytes :][:slot_bytes], number)) is not None
    ]
    if not whole:
        raise DamagedError("the checksum of neither half is right")
    return max(whole, key=lambda one: one.sequence)


def overwrite(path: Path, content: bytes, slots: Slots, *, durable: bool, steps: Steps) -> None:
    """Write *content*, which fits, to the other slot of an existing file.

    A crash in between leaves the present content.

    Args:
        path: The file.
        content: What to write.
        slots: What the file holds.
        durable: Whether it has to outlive a loss of power.
        steps: Is told `overwritten`, and `synced` where it is durable.

    Raises:
        OSError: The disk fails, or the file is gone.
    """
    whole = _slot(content, slots.sequence + 1, slots.slot_bytes)
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        write_all(descriptor, whole, (1 - slots.current) * slots.slot_bytes)
        steps("overwritten")
        if durable:
            os.fdatasync(descriptor)
            steps("synced")
    finally:
        os.close(descriptor)


def _slot(content: bytes, sequence: int, slot_bytes: int) -> bytes:
    checksum = _checksum(content, sequence)
    header = f"dra-config record sequence={sequence:010} length={len(content):010} {checksum}\n"
    filled = header.encode() + content
    # A whole slot is written each time, so that nothing of older content is left behind.
    return filled + b" " * (slot_bytes - len(filled) - 1) + b"\n"


def _whole(slot: bytes, number: int) -> Slots | None:
    header = _HEADER.match(slot)
    if header is None:
        return None
    sequence, length = int(header[1]), int(header[2])
    content = slot[header.end() :][:length]
    if len(content) != length or f"checksum={header[3].decode()}" != _checksum(content, sequence):
        return None
    return Slots(content=content, sequence=sequence, current=number, slot_bytes=len(slot))


def _checksum(content: bytes, sequence: int) -> str:
    digest = hashlib.blake2b(content, digest_size=16, key=str(sequence).encode())
    return f"checksum={digest.hexdigest()}"
