"""Which name a board has: `gpu-<minor>` when it is first seen, and for ever after."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import msgspec
from msgspec import Struct

from plugin.hardware.facts import Gpu

FORMAT: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A physical GPU, whether the driver sees it at the moment or not."""

    uuid: str
    pci_address: str
    """Where it was seen last; it tells a board that is handed to a virtual machine."""


class UnwritableNamesError(Exception):
    """The names cannot be stored, so no board may get a new one."""


class NameBook(Protocol):
    """Keeps names beyond the life of the process."""

    def recall(self) -> Mapping[str, Board]:
        """Return the boards by name."""
        ...

    def store(self, boards: Mapping[str, Board]) -> None:
        """Keep *boards* in place of what was kept before.

        Raises:
            UnwritableNamesError: They cannot be kept; what was kept before still is.
        """
        ...


def named(known: Mapping[str, Board], gpus: Iterable[Gpu]) -> dict[str, Board]:
    """Return the boards by name, with those of *gpus* among them.

    A board keeps its name, whatever its minor becomes. A name is never given to another board,
    even if its own is gone. A board whose minor names another one gets the smallest number that
    names none and that no other GPU would want.
    """
    seen = tuple(gpus)
    boards = dict(known)
    name_by_uuid = {board.uuid: name for name, board in known.items()}
    wanted = {f"gpu-{gpu.minor}" for gpu in seen}
    for gpu in seen:
        board = Board(uuid=gpu.uuid, pci_address=gpu.pci_address)
        name = name_by_uuid.get(gpu.uuid) or f"gpu-{gpu.minor}"
        if name in boards and boards[name].uuid != gpu.uuid:
            name = _free(boards, wanted)
        boards[name] = board
    return boards


def _free(boards: Mapping[str, Board], wanted: set[str]) -> str:
    number = 0
    while f"gpu-{number}" in boards or f"gpu-{number}" in wanted:
        number += 1
    return f"gpu-{number}"


class NameFile:
    """A name book in one file, replaced as a whole."""

    def __init__(self, path: Path) -> None:
        """Keep names at *path*, whose folder exists; nothing is read yet."""
        self._path = path

    def recall(self) -> Mapping[str, Board]:
        """Return the boards by name; none if there is no file.

        A file that cannot be understood is set aside under the suffix `.unreadable`: names begin
        anew, and whoever looks for the reason finds it.
        """
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            kept = msgspec.json.decode(text, type=_Kept)
        except msgspec.MsgspecError:
            self._path.replace(self._path.with_name(f"{self._path.name}.unreadable"))
            return {}
        return {
            name: Board(uuid=board.uuid, pci_address=board.pci_address)
            for name, board in kept.boards.items()
        }

    def store(self, boards: Mapping[str, Board]) -> None:
        """Replace the file, so that a crash leaves either the old or the new one.

        Raises:
            UnwritableNamesError: The folder cannot be written or is full.
        """
        content = {
            "format": FORMAT,
            "boards": {
                name: {"uuid": board.uuid, "pciAddress": board.pci_address}
                for name, board in sorted(boards.items())
            },
        }
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(content, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
            _sync_folder(self._path.parent)
        except OSError as error:
            raise UnwritableNamesError(
                f"The names of devices cannot be stored in '{self._path}': {error.strerror}."
            ) from error


class _KeptBoard(Struct, rename="camel"):
    uuid: str
    pci_address: str


class _Kept(Struct):
    format: int
    boards: dict[str, _KeptBoard]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
