"""Log lines: one JSON object each, written at once."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

import msgspec
from msgspec import Struct

_LONGEST_FIELD_CHARACTERS: Final = 253
"""Kubernetes' longest name; what is longer was not sent by an API server."""


class LogLevel(IntEnum):
    """How much a line matters; the numbers are those of the standard library."""

    DEBUG = logging.DEBUG
    INFO = logging.INFO
    WARNING = logging.WARNING
    ERROR = logging.ERROR


class DecisionLine(Struct, gc=False):
    """What is logged about one request; never its body."""

    time: datetime
    level: str
    message: str
    uid: str
    operation: str
    kind: str
    namespace: str
    name: str
    verdict: str
    """allowed, denied or unusable."""
    rules: list[str]
    milliseconds: float


class Log:
    """Writes lines of at least one level."""

    def __init__(
        self, write: Callable[[bytes], object], clock: Callable[[], float], threshold: LogLevel
    ) -> None:
        """Write with *write*, and stamp lines with the Unix time that *clock* tells."""
        self._write = write
        self._clock = clock
        self._threshold = threshold
        self._encode = msgspec.json.Encoder(order=None).encode
        self._pending: list[bytes] = []
        self._defer: Callable[[Callable[[], object]], object] | None = None
        self.decisions_shown = threshold <= LogLevel.INFO
        """Whether decisions are logged at all; asked before a line is made."""

    def defer_with(self, call_soon: Callable[[Callable[[], object]], object]) -> None:
        """Collect decisions from now on, and write those of one turn of the loop together."""
        self._defer = call_soon

    def flush(self) -> None:
        """Write what has been collected."""
        lines = b"".join(self._pending)
        self._pending.clear()
        try:
            self._write(lines)
        except OSError:
            # A full disk or a closed pipe must not cost anybody an admission.
            return

    def event(self, level: LogLevel, message: str, **fields: object) -> None:
        """Write *message* with its *fields*, which must be plain JSON values."""
        if level >= self._threshold:
            line = {"time": self._now(), "level": level.name.lower(), "message": message}
            self._pending.append(self._encode(line | fields) + b"\n")
            self.flush()

    def decision(
        self,
        *,
        uid: str,
        verdict: str,
        nanoseconds: int,
        operation: str = "",
        kind: str = "",
        namespace: str = "",
        name: str = "",
        rules: list[str],
    ) -> None:
        """Write the line of one request, each field cut to 253 characters."""
        line = DecisionLine(
            self._now(),
            "info",
            "reviewed",
            uid[:_LONGEST_FIELD_CHARACTERS],
            operation,
            kind[:_LONGEST_FIELD_CHARACTERS],
            namespace[:_LONGEST_FIELD_CHARACTERS],
            name[:_LONGEST_FIELD_CHARACTERS],
            verdict,
            rules,
            round(nanoseconds / 1e6, 3),
        )
        if self._defer is not None and not self._pending:
            self._defer(self.flush)
        self._pending.append(self._encode(line) + b"\n")
        if self._defer is None:
            self.flush()

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock(), UTC)


class LogBridge(logging.Handler):
    """Turns the records of libraries, which use the standard library's logging, into lines."""

    def __init__(self, log: Log) -> None:
        """Write into *log*."""
        super().__init__(LogLevel.WARNING)
        self._log = log
        self._formatter = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        """Write *record*, with its traceback when it has one."""
        fields: dict[str, object] = {"logger": record.name}
        if record.exc_info:
            fields["traceback"] = self._formatter.formatException(record.exc_info)
        level = LogLevel.ERROR if record.levelno >= logging.ERROR else LogLevel.WARNING
        self._log.event(level, record.getMessage(), **fields)
