"""Faults and events that tests and demonstrations give to the simulated machine, in two files.

`faults` holds what is wrong now, one fault a line; removing the line repairs it:

    machine no-driver               or no-library, other-version
    GPU-... lost                    or unreadable, hangs
    GPU-... refuses set_compute_mode not-supported      or permission, in-use

`events` is appended to; every line is told once to each watch that has begun before:

    GPU-... xid 79                  the ids of a GPU and a compute instance may follow
    GPU-... double-bit              likewise
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from plugin.hardware.errors import (
    DriverNotLoadedError,
    InUseError,
    LibraryMissingError,
    MachineError,
    NotSupportedError,
    PermissionDeniedError,
    VersionMismatchError,
)
from plugin.hardware.facts import HealthEvent, MemoryErrorReported, XidReported

Ailment: TypeAlias = Literal["lost", "unreadable", "hangs"]
"""What can be wrong with a whole GPU."""

_MACHINE: Final[Mapping[str, tuple[type[MachineError], str]]] = {
    "no-driver": (
        DriverNotLoadedError,
        "The kernel module of the simulated driver is not loaded.",
    ),
    "no-library": (LibraryMissingError, "The simulated driver root holds no NVML."),
    "other-version": (
        VersionMismatchError,
        "The simulated driver was replaced by another version.",
    ),
}

_REFUSALS: Final[Mapping[str, type[MachineError]]] = {
    "not-supported": NotSupportedError,
    "permission": PermissionDeniedError,
    "in-use": InUseError,
}

_AILMENTS: Final[Mapping[str, Ailment]] = {
    "lost": "lost",
    "unreadable": "unreadable",
    "hangs": "hangs",
}


_METHODS: Final = frozenset(
    {"compute_mode", "gpu", "process_ids", "set_compute_mode", "set_time_slice", "watch"}
)
"""The methods of a machine that can be refused for one GPU."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is wrong at one moment."""

    machine: MachineError | None
    """What every question is answered with."""
    ailments: Mapping[str, Ailment]
    """By UUID of the GPU."""
    refusals: Mapping[tuple[str, str], type[MachineError]]
    """By UUID of the GPU and name of the method."""


def read_faults(path: Path) -> Faults:
    """Return what is wrong now; nothing if there is no such file.

    Raises:
        MachineError: The file cannot be read, or a line of it is no fault.
    """
    machine: MachineError | None = None
    ailments: dict[str, Ailment] = {}
    refusals: dict[tuple[str, str], type[MachineError]] = {}
    for number, line in enumerate(_text(path).splitlines(), start=1):
        match line.partition("#")[0].split():
            case []:
                pass
            case ["machine", what] if what in _MACHINE:
                kind, message = _MACHINE[what]
                machine = kind(message)
            case [uuid, what] if uuid.startswith("GPU-") and what in _AILMENTS:
                ailments[uuid] = _AILMENTS[what]
            case [uuid, "refuses", method, how] if method in _METHODS and how in _REFUSALS:
                refusals[uuid, method] = _REFUSALS[how]
            case _:
                message = f"Line {number} of '{path}' is no fault: {line}"
                raise MachineError(message)
    return Faults(machine=machine, ailments=ailments, refusals=refusals)


def count_events(path: Path) -> int:
    """Return how many lines the file of events has, which is where a new watch begins."""
    return len(_lines(path))


def read_events(path: Path, *, after: int) -> list[HealthEvent]:
    """Return the events of all whole lines after the first *after* ones.

    Raises:
        MachineError: The file cannot be read, or a line of it is no event.
    """
    return [_event(path, line) for line in _lines(path)[after:]]


def _event(path: Path, line: str) -> HealthEvent:
    match line.split():
        case [uuid, "xid", xid, *places] if xid.isdecimal():
            outer, inner = _places(path, line, places)
            return XidReported(
                gpu_uuid=uuid, xid=int(xid), gpu_instance_id=outer, compute_instance_id=inner
            )
        case [uuid, "double-bit", *places]:
            outer, inner = _places(path, line, places)
            return MemoryErrorReported(
                gpu_uuid=uuid, gpu_instance_id=outer, compute_instance_id=inner
            )
        case _:
            message = f"A line of '{path}' is no event: {line}"
            raise MachineError(message)


def _places(path: Path, line: str, places: list[str]) -> tuple[int | None, int | None]:
    match places:
        case []:
            return None, None
        case [outer] if outer.isdecimal():
            return int(outer), None
        case [outer, inner] if outer.isdecimal() and inner.isdecimal():
            return int(outer), int(inner)
        case _:
            message = f"A line of '{path}' is no event: {line}"
            raise MachineError(message)


def _lines(path: Path) -> list[str]:
    """Return the whole lines of a file; one that is still being written has no end yet."""
    return _text(path).split("\n")[:-1]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        message = f"'{path}' cannot be read: {error}"
        raise MachineError(message) from error
