"""How far a run over many files has come, on one line of a terminal that is cleared again."""

from collections.abc import Callable
from typing import Final, TextIO

_FEWEST: Final = 200
"""Below this many files nothing is drawn: they are done before it could be read."""
_SECONDS: Final = 0.1
_WIDTH: Final = 30


class Progress:
    """A bar on standard error; it draws nothing for few files."""

    def __init__(self, out: TextIO, clock: Callable[[], float], total: int) -> None:
        """Draw on *out*, a terminal, for *total* files, at most ten times a second."""
        self._out = out
        self._clock = clock
        self._total = total
        self._done = 0
        self._next = 0.0
        self._drawn = False

    def step(self) -> None:
        """Count one file."""
        self._done += 1
        if self._total < _FEWEST:
            return
        now = self._clock()
        if now < self._next:
            return
        self._next = now + _SECONDS
        filled = _WIDTH * self._done // self._total
        bar = "#" * filled + "-" * (_WIDTH - filled)
        print(f"\r[{bar}] {self._done} of {self._total} files", end="", file=self._out, flush=True)
        self._drawn = True

    def clear(self) -> None:
        """Take the line away, so that something else can be written."""
        if self._drawn:
            print("\r\x1b[K", end="", file=self._out, flush=True)
            self._drawn = False
