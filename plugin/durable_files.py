"""Replacing a file as a whole, step by step, so that a crash leaves the old one or the new one.

Each step after which a crash leaves something else behind is announced, so that tests can end the
process there.
"""

import errno
import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

Steps = Callable[[str], None]
"""Is told the name of each step once it is done; whoever raises there plays a crash."""

_NO_SPACE: Final = frozenset({errno.ENOSPC, errno.EDQUOT})
_SAFE_NAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,126}[A-Za-z0-9])?")


class UnsafeNameError(ValueError):
    """A text that is no UID as the API server makes them; no file is named after it."""


def unobserved(step: str) -> None:
    """Tell nobody of a step."""
    del step


def safe_name(uid: str) -> str:
    """Return a claim's UID, which then may be part of a file's name.

    Raises:
        UnsafeNameError: It is not made of letters, digits and inner dashes, 128 at most.
    """
    if not is_safe_name(uid):
        message = f"{uid!r} is no UID of a claim: letters, digits and inner dashes are expected."
        raise UnsafeNameError(message)
    return uid


def is_safe_name(uid: str) -> bool:
    """Say whether `safe_name` accepts a UID."""
    return _SAFE_NAME.fullmatch(uid) is not None


def is_disk_full(error: OSError) -> bool:
    """Say whether an error means that there is no space left, or that a quota is used up."""
    return error.errno in _NO_SPACE


def part_of(path: Path) -> Path:
    """Return where the new content of a file is written before it takes the file's place."""
    return path.with_name(f".{path.name}.part")


def replace_file(
    path: Path, content: bytes, *, mode: int, durable: bool, steps: Steps = unobserved
) -> None:
    """Write *content* to a file, which need not exist, or leave the file as it is.

    Two callers for the same path exclude each other themselves.

    Args:
        path: The file.
        content: All of it.
        mode: Its permission bits, whatever the umask says.
        durable: Whether it has to outlive a loss of power.
        steps: Is told `written`, `replaced`, and `kept` where it is durable.

    Raises:
        OSError: It cannot be written. The old file is still there, and nothing beside it.
    """
    part = part_of(path)
    try:
        descriptor = os.open(
            part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, mode
        )
        try:
            write_all(descriptor, content, 0)
            os.fchmod(descriptor, mode)
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        steps("written")
        part.replace(path)
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    steps("replaced")
    if durable:
        keep_names(path.parent)
        steps("kept")


def write_all(descriptor: int, content: bytes, offset: int) -> None:
    """Write all of *content* at *offset* of an open file.

    Raises:
        OSError: Not all of it could be written.
    """
    rest = memoryview(content)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written


def keep_names(folder: Path) -> None:
    """Make what was created, moved or removed in a folder outlive a loss of power.

    Raises:
        OSError: The disk fails.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
