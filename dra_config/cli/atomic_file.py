"""Replacing the content of a file so that at every moment it holds the old or the new one."""

import errno
import os
import stat
import tempfile
from contextlib import suppress
from typing import Final

_READABLE: Final = 0o644


def replace_content(path: str, content: bytes) -> None:
    """Write *content* to the file at *path*, or leave it as it is.

    The new file is written beside the old one, synced to the disk and moved over it; it keeps the
    permissions. Where *path* is a symbolic link, the file behind it is replaced.

    Raises:
        OSError: It cannot be written; the old file is still there.
        KeyboardInterrupt: The same, and nothing is left beside it.
    """
    target = os.path.realpath(path)
    old = os.stat(target)  # noqa: PTH116 - the text of the path is retained
    if not stat.S_ISREG(old.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", path)
    if not os.access(target, os.W_OK):
        # Moving over a file takes no permission to write to it, but its owner has said no.
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
    _put(target, content, old)


def put_content(path: str, content: bytes) -> None:
    """Write *content* to the file at *path*, which need not exist, for everybody to read.

    Where *path* is a symbolic link, the link is replaced.

    Raises:
        OSError: It cannot be written; an old file is still there.
        KeyboardInterrupt: The same, and nothing is left beside it.
    """
    _put(path, content, None)


def _put(target: str, content: bytes, old: os.stat_result | None) -> None:
    folder = os.path.dirname(os.path.abspath(target))  # noqa: PTH100, PTH120 - links are retained
    descriptor, beside = tempfile.mkstemp(prefix=".dra-config-", dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if old is not None:
            with suppress(OSError, AttributeError):
                # Only root can give a file away, and Windows knows no such owners.
                os.chown(beside, old.st_uid, old.st_gid)
        # A temporary file is for its owner alone.
        mode = _READABLE if old is None else stat.S_IMODE(old.st_mode)
        os.chmod(beside, mode)  # noqa: PTH101 - the text of the path is retained
        os.replace(beside, target)  # noqa: PTH105 - as above
    except BaseException:
        with suppress(OSError):
            os.unlink(beside)  # noqa: PTH108 - as above
        raise
