"""The unix sockets: where they lie, whether another instance is alive, how they appear and go."""

import errno
import os
import re
import socket
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LONGEST_PATH_BYTES: Final = 107
"""What Linux takes as the address of a unix socket."""
_FOLDER_MODE: Final = 0o750
_SOCKET_MODE: Final = 0o600
_POD_UID: Final = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_NAME: Final = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z.-]*[0-9A-Za-z])?")


class EdgeError(Exception):
    """The edge cannot start; the message says what stands in its way."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the sockets of one instance lie.

    All paths must be the same for the plugin as for the kubelet.
    """

    driver: str
    """The driver's name."""
    registry: Path
    """The kubelet's folder for registration sockets, ``plugins_registry``."""
    folder: Path
    """The driver's own folder, ``plugins/<driver>``."""
    pod_uid: str = ""
    """Sets two instances of a rolling update apart; empty where there is only ever one."""

    @property
    def registration(self) -> Path:
        """The registration socket."""
        middle = f"-{self.pod_uid}" if self.pod_uid else ""
        return self.registry / f"{self.driver}{middle}-reg.sock"

    @property
    def dra(self) -> Path:
        """The socket of the DRA service."""
        return self.folder / (f"dra-{self.pod_uid}.sock" if self.pod_uid else "dra.sock")

    def check(self) -> None:
        """Make the driver's folder, and see that both sockets can be made.

        Raises:
            EdgeError: A name or path cannot be used, or a folder is missing.
        """
        for what, name in (("driver name", self.driver), ("pod UID", self.pod_uid)):
            if name and not _NAME.fullmatch(name):
                raise EdgeError(f"The {what} {name!r} cannot be part of a socket's name.")
        for path in (self.registration, self.dra):
            length_bytes = len(os.fsencode(path))
            if not path.is_absolute():
                raise EdgeError(f"The socket path {path} is not absolute.")
            if length_bytes > LONGEST_PATH_BYTES:
                raise EdgeError(
                    f"The socket path {path} has {length_bytes} bytes, and Linux takes"
                    f" {LONGEST_PATH_BYTES}; give the kubelet a shorter root directory."
                )
        if not self.registry.is_dir():
            raise EdgeError(
                f"{self.registry} is no directory. It is the kubelet's, which makes it; see that"
                " the kubelet's root directory is the one that the plugin was given."
            )
        try:
            self.folder.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
            self.folder.chmod(_FOLDER_MODE)
        except OSError as error:
            raise EdgeError(
                f"The directory {self.folder} cannot be made: {error.strerror}."
            ) from error

    def remove_stale(self) -> list[Path]:
        """Remove the socket files of instances of this driver that were killed.

        The kubelet takes them for plugins, and goes on asking where nobody answers.

        Returns:
            What was removed.

        Raises:
            EdgeError: A file in our place is no socket, or a living instance answers there.
        """
        for path in (self.registration, self.dra):
            _check_free(path)
        removed: list[Path] = []
        for path in self._all_instances():
            if path.is_socket() and not answers(path):
                path.unlink(missing_ok=True)
                removed.append(path)
        return removed

    def _all_instances(self) -> Iterator[Path]:
        driver = re.escape(self.driver)
        own_uid = re.escape(self.pod_uid)
        uid = f"(?:-(?:{_POD_UID}|{own_uid}))?"
        for folder, pattern in (
            (self.registry, rf"{driver}{uid}-reg\.sock"),
            (self.folder, rf"dra{uid}\.sock"),
        ):
            for path in sorted(folder.iterdir()):
                if re.fullmatch(pattern, path.name):
                    yield path


def _check_free(path: Path) -> None:
    """See that nothing lies at *path* but a dead socket."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise EdgeError(f"{path} is in the way: it is no socket. Remove it if it is not needed.")
    if answers(path):
        raise EdgeError(
            f"Another instance of the driver answers at {path}. Two instances on one node need"
            " the UIDs of their pods in the names of their sockets."
        )


def answers(path: Path) -> bool:
    """Say whether a process listens at *path*."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        # A connection is accepted by the system or refused at once; nothing is waited for.
        probe.settimeout(0)
        try:
            probe.connect(os.fspath(path))
        except OSError as error:
            # A full queue is a sign of life too.
            return error.errno not in {errno.ECONNREFUSED, errno.ENOENT}
    return True


class BoundSocket:
    """A socket of ours: bound under a hidden name, shown under its own when all is ready.

    The kubelet's watcher ignores names that begin with a dot, so it never sees a socket that
    does not answer yet or whose mode is not yet set.
    """

    def __init__(self, path: Path) -> None:
        """Choose the hidden name, which has the same length.

        A dead socket of that name is no obstacle: gRPC removes it before it binds its own.
        """
        self.path = path
        self.hidden = path.with_name(f".{path.name[1:]}")
        self._identity: tuple[int, int] | None = None

    def show(self) -> None:
        """Set the mode of the bound socket and give it its name.

        Raises:
            OSError: The folder has gone, or may not be changed.
        """
        self.hidden.chmod(_SOCKET_MODE)
        found = self.hidden.stat()
        self._identity = (found.st_dev, found.st_ino)
        self.hidden.rename(self.path)

    @property
    def reachable(self) -> bool:
        """Whether the file is still there and still ours."""
        try:
            found = self.path.lstat()
        except OSError:
            return False
        return self._identity == (found.st_dev, found.st_ino)

    def remove(self) -> None:
        """Remove the file if it is ours."""
        if self.reachable:
            self.path.unlink(missing_ok=True)
        self.hidden.unlink(missing_ok=True)
