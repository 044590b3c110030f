"""Log lines: one JSON object each, written whole, from any thread."""

import logging
import os
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum

import msgspec


class LogLevel(IntEnum):
    """How much a line matters; the numbers are those of the standard library."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


class Log:
    """Writes lines of at least one level; safe to use from several threads.

    Nothing here raises over a line: a full disk, a closed pipe or a field that is no JSON must
    cost nobody an admission or a claim.
    """

    def __init__(
        self, write: Callable[[bytes], object], clock: Callable[[], float], threshold: int
    ) -> None:
        """Write with *write*, and stamp lines with the Unix time that *clock* tells.

        Args:
            write: Gets whole lines, each with its end; never called by two threads at once.
            clock: Seconds since 1970.
            threshold: The least level that is written, a number of the standard library's logging.
        """
        self._write = write
        self._clock = clock
        self._threshold = threshold
        self._encode = msgspec.json.Encoder(enc_hook=str).encode
        self._lock = threading.Lock()

    def shows(self, level: int) -> bool:
        """Return whether lines of *level* are written; worth asking before a line is made."""
        return level >= self._threshold

    def now(self) -> datetime:
        """Return the time that a line made now bears."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def event(self, level: int, message: str, **fields: object) -> None:
        """Write one line, or lose it.

        Args:
            level: A number of the standard library's logging, written as the name of the highest
                `LogLevel` that it reaches.
            message: A fixed text.
            fields: What varies; plain JSON values, others are written as `str` shows them.
        """
        if level >= self._threshold:
            self.write(self._line(level, message, fields))

    def write(self, lines: bytes) -> None:
        """Write *lines*, made elsewhere, each with its end; none of another thread's between."""
        with self._lock:
            try:
                self._write(lines)
            except OSError:
                return

    def _line(self, level: int, message: str, fields: dict[str, object]) -> bytes:
        line = {"time": self.now(), "level": level_name(level), "message": message}
        try:
            return self._encode(line | fields) + b"\n"
        except (ValueError, TypeError, OverflowError, RecursionError):
            # Such as the name of a file that is no UTF-8, or a key that is no text.
            line["message"] = ascii(message)[1:-1]
            return self._encode(line | {"fields": ascii(fields)}) + b"\n"


def level_name(level: int) -> str:
    """Return the lower-case name of the highest `LogLevel` that *level* reaches."""
    reached = [known for known in LogLevel if known <= level]
    return max(reached, default=LogLevel.DEBUG).name.lower()


def write_line(descriptor: int, line: bytes) -> None:
    """Write all of *line* at once as far as the system can; processes may share *descriptor*.

    Raises:
        OSError: It cannot be written; a part of it may have been.
    """
    while line:
        line = line[os.write(descriptor, line) :]
