"""Finds the driver's libraries and programs below its root.

Both are searched in the order of their folders; the first that is a regular file, links followed
inside the root, is taken. For a driver that is installed on the host the root is `/`.
"""

from pathlib import Path
from typing import Final

from plugin.hardware.errors import LibraryMissingError

LIBRARY_FOLDERS: Final = (
    "",
    "usr/lib64",
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib64",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
)
"""Where libraries are looked for, relative to the root."""

PROGRAM_FOLDERS: Final = ("", "opt/bin", "usr/bin", "usr/sbin", "bin", "sbin")
"""Where programs are looked for, relative to the root."""

NVML: Final = "libnvidia-ml.so.1"

_MOST_LINKS: Final = 40
"""As many as the kernel follows."""


def library(root: Path, name: str) -> Path:
    """Return the file of a library, with its links followed.

    Raises:
        LibraryMissingError: It is in none of the folders.
    """
    return _find(root, name, LIBRARY_FOLDERS)


def program(root: Path, name: str) -> Path:
    """Return the file of a program, with its links followed.

    Raises:
        LibraryMissingError: It is in none of the folders.
    """
    return _find(root, name, PROGRAM_FOLDERS)


def _find(root: Path, name: str, folders: tuple[str, ...]) -> Path:
    for folder in folders:
        found = _resolve(root, root / folder / name)
        if found is not None:
            return found
    places = ", ".join(f"'{root / folder}'" for folder in folders)
    message = f"'{name}' is in none of {places}: is the driver installed below '{root}'?"
    raise LibraryMissingError(message)


def _resolve(root: Path, path: Path) -> Path | None:
    """Return the regular file that *path* leads to, links read as if *root* were `/`."""
    pending = list(path.relative_to(root).parts)
    current = root
    links = 0
    try:
        while pending:
            part = pending.pop(0)
            if part == "..":
                current = current.parent if current != root else root
                continue
            current /= part
            if current.is_symlink():
                links += 1
                if links > _MOST_LINKS:
                    return None
                target = current.readlink()
                current = root if target.is_absolute() else current.parent
                pending = [*(p for p in target.parts if p not in {"/", "."}), *pending]
    except OSError:
        return None
    return current if current.is_file() else None
