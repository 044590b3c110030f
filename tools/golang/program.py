"""A program that comes as a Go module: its package, and how it is compiled."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STRIP: Final = ("-s", "-w")


@dataclass(frozen=True, slots=True)
class Program:
    """One program, or one folder of files, that comes from a Go module."""

    name: str
    module: str
    """The folder that pins it, in a folder of such folders."""
    package: str
    """The main package to compile; for a folder of files, the Go module it is copied from."""
    stamps: tuple[str, ...] = ()
    """Each `package.variable=value` that the linker writes into the program."""
    tags: tuple[str, ...] = ()
    cgo: bool = False
    """Whether C is compiled too; this needs gcc."""
    folder: str = ""
    """For a folder of files, where it lies in the module; empty for a program."""

    @property
    def linker_flags(self) -> str:
        """The value of -ldflags."""
        return " ".join((*_STRIP, *(f"-X {stamp}" for stamp in self.stamps)))

    def key(self, machine: str, modules: Path) -> str:
        """Return what names this build: the same key means the same program.

        Args:
            machine: The processor architecture.
            modules: The folder of folders that pin.
        """
        digest = hashlib.sha256()
        digest.update(repr((self, machine)).encode())
        digest.update(_module_digest(modules / self.module))
        return digest.hexdigest()[:16]


def _module_digest(folder: Path) -> bytes:
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.digest()
