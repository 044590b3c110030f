"""Folders that are small disks for one process and its children, in mounts that end with it."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.plugin.full_disk import fill

_MOUNTS = ("unshare", "--mount", "--propagation", "private")
_KEEP = (
    'for place do mount -t tmpfs -o size=128k,nr_inodes=64 small "$place" || exit 1; done; '
    "echo mounted; exec sleep infinity"
)


@dataclass(frozen=True, slots=True)
class SmallDisks:
    """The disks, and the process in whose namespace they are mounted."""

    process_id: int
    places: tuple[Path, ...]

    @property
    def root(self) -> Path:
        """Return where the root directory with the disks is seen from here."""
        return Path(f"/proc/{self.process_id}/root")

    def enter(self, folder: Path) -> tuple[str, ...]:
        """Return the start of a command that runs among the disks, in a working folder."""
        return ("nsenter", f"--mount=/proc/{self.process_id}/ns/mnt", f"--wd={folder}")

    def fill(self, *places: Path) -> None:
        """Leave not one byte on some of them, or on any if none is named."""
        for place in places or self.places:
            fill(self._seen(place))

    def empty(self) -> None:
        """Remove what `fill` wrote."""
        for place in self.places:
            for path in self._seen(place).glob("filling*"):
                path.unlink()

    def _seen(self, place: Path) -> Path:
        return self.root / place.relative_to("/")


@contextmanager
def small_disks(*places: Path) -> Iterator[SmallDisks]:
    """Lend disks at *places*, which are made; skip where nothing may be mounted."""
    for program in ("unshare", "mount", "nsenter"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} to make a small disk")
    if subprocess.run([*_MOUNTS, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    for place in places:
        place.mkdir(parents=True, exist_ok=True)
    keeper = subprocess.Popen(
        [*_MOUNTS, "sh", "-c", _KEEP, "sh", *map(str, places)], stdout=subprocess.PIPE
    )
    try:
        assert keeper.stdout is not None
        assert keeper.stdout.readline() == b"mounted\n"
        yield SmallDisks(keeper.pid, places)
    finally:
        keeper.kill()
        keeper.communicate()
