"""Records that were found damaged: moved out of the way, and kept until the claim is explained.

The file is the only fact that outlives a restart. An operator ends the matter by removing it.
"""

import os
import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from plugin.checkpoint.errors import CheckpointError
from plugin.durable_files import is_safe_name, keep_names, replace_file

_ASIDE: Final = re.compile(r"(.+)\.corrupt-[0-9]+")
_BOOT: Final = "boot-id"
_OWNER_ONLY: Final = 0o600


class SetAside:
    """The damaged records of one folder; every method may raise CheckpointError.

    Safe to use from several threads and processes.
    """

    def __init__(self, folder: Path, boot_id: str) -> None:
        """Touch nothing yet; *boot_id* is the present boot of the machine."""
        self._folder = folder
        self._boot_id = boot_id

    def add(self, uid: str, path: Path) -> Path:
        """Move the damaged record of a claim to where no earlier one lies, and say where."""
        number = 1
        with _explained("set aside"):
            while (aside := self._folder / f"{uid}.corrupt-{number}").exists():
                number += 1
            with suppress(FileNotFoundError):  # another process was faster
                path.rename(aside)
                keep_names(self._folder)
        return aside

    def uids(self) -> frozenset[str]:
        """Return the UIDs of the claims whose records lie here."""
        with _explained("listed"):
            return frozenset(uid for uid, _ in self._files())

    def texts(self, uid: str) -> tuple[bytes, ...]:
        """Return what is left of a claim's records, the newest first."""
        with _explained("read"):
            paths = [path for found, path in self._files() if found == uid]
            return tuple(path.read_bytes() for path in sorted(paths, key=_number, reverse=True))

    def remove(self, uid: str) -> bool:
        """Remove the files of a claim that is explained; say whether there were any."""
        with _explained("removed"):
            paths = [path for found, path in self._files() if found == uid]
            for path in paths:
                path.unlink(missing_ok=True)
            if paths:
                keep_names(self._folder)
        return bool(paths)

    def path(self, uid: str) -> Path:
        """Return a pattern for the files of a claim, for whoever may want to remove them."""
        return self._folder / f"{uid}.corrupt-*"

    def begin_boot(self) -> frozenset[str]:
        """Forget the claims of an earlier boot, and return their UIDs.

        A reboot ends every process, so nothing that they held is in use. It is called when all
        records were read, and before this process prepares its first claim: only then whatever
        lies here is from before. When the earlier boot is not known, nothing is forgotten.
        """
        marker = self._folder / _BOOT
        with _explained("compared with the boot"):
            try:
                earlier = marker.read_text()
            except FileNotFoundError:
                earlier = None
            if earlier == self._boot_id:
                return frozenset()
            # Without the marker a crash below makes the next start keep what is here.
            marker.unlink(missing_ok=True)
            keep_names(self._folder)
            uids = frozenset(uid for uid, _ in self._files()) if earlier is not None else None
        for uid in uids or ():
            self.remove(uid)
        with _explained("compared with the boot"):
            replace_file(marker, self._boot_id.encode(), mode=_OWNER_ONLY, durable=True)
        return uids or frozenset()

    def _files(self) -> Iterator[tuple[str, Path]]:
        with os.scandir(self._folder) as entries:
            names = [entry.name for entry in entries]
        for name in names:
            match = _ASIDE.fullmatch(name)
            if match is not None and is_safe_name(match[1]):
                yield match[1], self._folder / name


def _number(path: Path) -> int:
    return int(path.name.rpartition("-")[2])


@contextmanager
def _explained(what: str) -> Generator[None]:
    try:
        yield
    except OSError as error:
        message = f"The damaged records of claims could not be {what}: {error}"
        raise CheckpointError(message) from error
