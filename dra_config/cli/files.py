"""From the paths on the command line to the files behind them, and to their bytes."""

import errno
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TextIO

from dra_config.manifests import MAX_FILE_BYTES, Format, format_of

STANDARD_INPUT: Final = "-"
"""The path that stands for standard input."""

_NOT_ENTERED: Final = "node_modules"
_PATTERN_SIGNS: Final = "*?["


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read."""

    path: str
    """As the user would write it; `STANDARD_INPUT` for standard input."""

    @property
    def format(self) -> Format | None:
        """The syntax that its name promises; None where the text has to tell."""
        return format_of(self.path)

    def read(self, stdin: TextIO | None) -> bytes:
        """Return its bytes, at most one more than a file may have.

        Raises:
            OSError: It cannot be read.
        """
        if self.path == STANDARD_INPUT:
            if stdin is None:
                raise OSError(errno.EBADF, "standard input is closed")
            return stdin.buffer.read(MAX_FILE_BYTES + 1)
        with open(self.path, "rb") as file:  # noqa: PTH123 - a path with a null byte, too
            return file.read(MAX_FILE_BYTES + 1)


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A path behind which nothing can be read."""

    path: str
    """As the user wrote it, or as it was found in a folder."""
    reason: str
    """Half a sentence that says why."""


@dataclass(frozen=True, slots=True)
class EmptyFolder:
    """A folder that was asked for and holds no manifest."""

    path: str
    """As the user wrote it."""


Found = Source | Unreachable | EmptyFolder
"""What stands behind a path."""


def find_sources(paths: Sequence[str]) -> Iterator[Found]:
    """Yield what stands behind *paths*, in their order; a file named twice is yielded once.

    A file that is named is read whatever its name; in a folder only ``.yaml``, ``.yml``,
    ``.json``, ``.jsonl`` and ``.ndjson`` are, in the order of their names, and hidden folders,
    ``node_modules`` and links to folders are not entered.
    """
    seen: set[str] = set()
    for path in paths:
        for found in _behind(path):
            if not isinstance(found, Source):
                yield found
                continue
            name = found.path if found.path == STANDARD_INPUT else os.path.normpath(found.path)
            if name not in seen:
                seen.add(name)
                yield found


def why(error: OSError) -> str:
    """Return half a sentence that says why a file could not be read."""
    return (error.strerror or f"{error}").lower()


def _behind(path: str) -> Iterator[Found]:
    try:
        if path == STANDARD_INPUT or _is_file(path):
            yield Source(path)
        elif os.path.isdir(path):  # noqa: PTH112 - the text of the path is retained
            yield from _in_folder(path)
        elif any(sign in path for sign in _PATTERN_SIGNS):
            yield from _matching(path)
        else:
            yield Unreachable(path, "there is no such file or folder")
    except ValueError:
        yield Unreachable(path, "a path holds no null character")


def _is_file(path: str) -> bool:
    """Say whether there is something at *path* that can be opened; a pipe can, too."""
    return os.path.lexists(path) and not os.path.isdir(path)  # noqa: PTH112 - as above


def _in_folder(folder: str) -> Iterator[Found]:
    problems: list[OSError] = []
    empty = True
    for parent, folders, names in os.walk(folder, onerror=problems.append):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and name != _NOT_ENTERED
        )
        for name in sorted(names):
            path = os.path.join(parent, name)  # noqa: PTH118 - Path would drop a leading ./
            # A pipe or a socket that merely lies there would block for ever; a broken link is a
            # file that cannot be read.
            if format_of(name) is not None and (os.path.isfile(path) or not os.path.exists(path)):  # noqa: PTH110, PTH113 - as above
                empty = False
                yield Source(path)
    for problem in problems:
        yield Unreachable(str(problem.filename), why(problem))
    if empty and not problems:
        yield EmptyFolder(folder)


def _matching(pattern: str) -> Iterator[Found]:
    """Yield what matches a pattern that no shell has expanded; ``**`` crosses folders."""
    crossing = "**" in pattern
    any_name = "." not in os.path.basename(pattern)  # noqa: PTH119 - as above
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 - Path refuses absolute ones
    for path in matches:
        if _is_file(path):
            if not any_name or format_of(path) is not None:
                yield Source(path)
        elif not crossing:
            yield from _in_folder(path)
    if not matches:
        yield Unreachable(pattern, "no file matches")
