"""The CDI files of this node's claims, in the folder in which the runtime looks for them."""

import os
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from plugin.cdi.errors import CdiError, NoSpaceError
from plugin.cdi.spec import CLASS, VENDOR, Spec, encode, qualified
from plugin.durable_files import (
    Steps,
    is_disk_full,
    is_safe_name,
    part_of,
    replace_file,
    safe_name,
    unobserved,
)

_PREFIX: Final = f"{VENDOR}-{CLASS}_"
_SUFFIX: Final = ".json"
_FOR_EVERYBODY: Final = 0o644
_FOLDER_FOR_EVERYBODY: Final = 0o755


class _File(BaseModel):
    """The part of a CDI file that is ours."""

    annotations: dict[str, str]


class CdiStore:
    """One file for each claim, which is whole at every moment and needs to outlive no reboot.

    Methods that name a claim are called by whoever holds its lock, and raise `UnsafeNameError` for
    a UID that the API server did not make. Files of others are never touched.
    """

    def __init__(self, folder: Path, *, steps: Steps = unobserved) -> None:
        """Open the folder, which is made if it is not there.

        Args:
            folder: Where the runtime looks for CDI files.
            steps: Is told each step after which a crash leaves something else behind.

        Raises:
            CdiError: The folder cannot be made.
        """
        self._folder = folder
        self._steps = steps
        with _explained("be kept in their folder"):
            folder.mkdir(mode=_FOLDER_FOR_EVERYBODY, parents=True, exist_ok=True)

    def write(self, uid: str, spec: Spec) -> tuple[str, ...]:
        """Write the file of a claim, unless it is right already.

        Returns:
            The id of each device, in the order of the spec.

        Raises:
            NoSpaceError: There is no space; an old file is still there.
            CdiError: It cannot be written.
        """
        path, content = self._path(uid), encode(spec)
        with _explained("be written"):
            if not _holds(path, content):
                replace_file(
                    path,
                    content,
                    mode=_FOR_EVERYBODY,
                    # A reboot makes every claim stale, and what is there at the start is written
                    # again where it is not right.
                    durable=False,
                    steps=lambda one: self._steps(f"cdi: {one}"),
                )
        return tuple(qualified(device.name) for device in spec.devices)

    def is_right(self, uid: str, spec: Spec) -> bool:
        """Say whether the file of a claim is there and holds a spec.

        Raises:
            CdiError: It cannot be read.
        """
        with _explained("be read"):
            return _holds(self._path(uid), encode(spec))

    def annotations(self, uid: str) -> Mapping[str, str] | None:
        """Return the annotations of a claim's file; None if there is none that can be read.

        Raises:
            CdiError: The disk fails.
        """
        with _explained("be read"):
            try:
                text = self._path(uid).read_bytes()
            except FileNotFoundError:
                return None
        try:
            return _File.model_validate_json(text).annotations
        except ValidationError:
            return None

    def remove(self, uid: str) -> None:
        """Remove the file of a claim and what a crash left of it; there may be none.

        Raises:
            CdiError: It cannot be removed.
        """
        path = self._path(uid)
        with _explained("be removed"):
            part_of(path).unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            self._steps("cdi: removed")

    def uids(self) -> frozenset[str]:
        """Return the UIDs of the claims of which there is a file or half of one.

        Raises:
            CdiError: The folder cannot be read.
        """
        with _explained("be listed"), os.scandir(self._folder) as entries:
            names = [entry.name.removeprefix(".").removesuffix(".part") for entry in entries]
        return frozenset(
            uid
            for name in names
            if name.startswith(_PREFIX)
            and name.endswith(_SUFFIX)
            and is_safe_name(uid := name.removeprefix(_PREFIX).removesuffix(_SUFFIX))
        )

    def sweep(
        self,
        known: Callable[[str], bool],
        *,
        holding: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> tuple[str, ...]:
        """Remove the files of ours whose claims are not known.

        Args:
            known: Says whether a claim has a record; it is asked while the claim is held.
            holding: Holds the lock of a claim as long as its block lasts.

        Returns:
            The UIDs of the claims whose files were removed, in order.

        Raises:
            CdiError: A file cannot be removed.
        """
        removed: list[str] = []
        for uid in sorted(self.uids()):
            with holding(uid):
                if not known(uid):
                    self.remove(uid)
                    removed.append(uid)
        return tuple(removed)

    def _path(self, uid: str) -> Path:
        return self._folder / f"{_PREFIX}{safe_name(uid)}{_SUFFIX}"


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False


@contextmanager
def _explained(what: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            message = f"There is no space left for the CDI file of a claim: {error}"
            raise NoSpaceError(message) from error
        raise CdiError(f"The CDI files of claims cannot {what}: {error}") from error
