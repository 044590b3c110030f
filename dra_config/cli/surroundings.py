"""What a command gets from the process around it: streams, clock, settings."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import TextIO

from dra_config.cli.settings import Settings


class ExitCode(IntEnum):
    """What the process tells its caller."""

    FINE = 0
    """No error in any document."""
    REJECTED = 1
    """An error in a document, or a warning under ``--strict``."""
    UNUSABLE = 2
    """A file that could not be read, or wrong usage."""
    INTERNAL = 3
    """A mistake of ours."""
    INTERRUPTED = 130
    """Stopped from the keyboard; the same number as a shell gives."""
    PIPE_CLOSED = 141
    """Nobody read the output to its end; the same number as a shell gives."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Everything that a command may touch outside its own memory, but for the files it reads."""

    stdin: TextIO | None
    """Standard input, whose bytes are read from the buffer below; None if it is closed."""
    stdout: TextIO
    """Where findings go."""
    stderr: TextIO
    """Where everything goes that is no finding."""
    clock: Callable[[], float]
    """Seconds since any moment; only differences count."""
    settings: Settings
    """What the environment says."""

    def tell(self, message: str) -> None:
        """Write one line for the person at the terminal; it is no part of the result."""
        print(f"dra-config: {message}", file=self.stderr)
