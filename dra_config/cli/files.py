"""From the paths on the command line to the files behind them, and to their bytes."""

import errno
import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Final, TextIO

from dra_config.manifests import MAX_FILE_BYTES, Format, format_of

STANDARD_INPUT: Final = "-"
"""The path that stands for standard input."""

_NOT_ENTERED: Final = "node_modules"
_FIRST_LOOK_BYTES: Final = 2**14
"""Few manifests are longer and take more than one look."""
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
        # Asking for all that a file may have would set so much memory aside for each.
        with open(self.path, "rb", buffering=0) as file:  # noqa: PTH123 - a path with a null byte, too
            text = file.read(_FIRST_LOOK_BYTES)
            while len(text) <= MAX_FILE_BYTES and (more := file.read(len(text))):
                text += more
            return text[: MAX_FILE_BYTES + 1]


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
    if len(paths) == 1 and not any(sign in paths[0] for sign in _PATTERN_SIGNS):
        # Nothing is found twice, and the names need not be kept.
        yield from _behind(paths[0])
        return
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
    pending = [folder]
    while pending:
        parent = pending.pop()
        try:
            with os.scandir(parent) as found:
                entries = sorted(found, key=attrgetter("name"))
        except OSError as error:
            problems.append(error)
            continue
        folders: list[str] = []
        for entry in entries:
            name = entry.name
            if format_of(name) is not None and _is_readable(entry):
                empty = False
                yield Source(entry.path)
            elif not name.startswith(".") and name != _NOT_ENTERED and _is_folder(entry):
                folders.append(entry.path)
        pending.extend(reversed(folders))
    for problem in problems:
        yield Unreachable(str(problem.filename), why(problem))
    if empty and not problems:
        yield EmptyFolder(folder)


def _is_readable(entry: os.DirEntry[str]) -> bool:
    """Say whether there is a file to read, or a broken link, which is told of.

    A pipe or a socket that merely lies there would block for ever.
    """
    try:
        is_file = entry.is_file()
    except OSError:
        is_file = False
    return is_file or not os.path.exists(entry.path)  # noqa: PTH110 - as above


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Say whether *entry* is a folder, and not merely a link to one."""
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


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
