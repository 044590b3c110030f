"""The line of each decision, made at the least cost and written after the answer."""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
from msgspec import Struct

from logs.lines import Log, LogLevel

_LONGEST_FIELD_CHARACTERS: Final = 253
"""Kubernetes' longest name; what is longer was not sent by an API server."""


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


class DecisionLog:
    """Collects the decisions of one event loop; used by the loop's thread alone, so unlocked."""

    def __init__(self, log: Log) -> None:
        """Write into *log*, which others may use from other threads."""
        self._now, self._write = log.now, log.write
        self._encode = msgspec.json.Encoder(order=None).encode
        self._pending: list[bytes] = []
        self._defer: Callable[[Callable[[], object]], object] | None = None
        self.shown = log.shows(LogLevel.INFO)
        """Whether decisions are logged at all; asked before a line is made."""

    def defer_with(self, call_soon: Callable[[Callable[[], object]], object]) -> None:
        """Collect decisions from now on, and write those of one turn of the loop together."""
        self._defer = call_soon

    def flush(self) -> None:
        """Write what has been collected."""
        lines = b"".join(self._pending)
        self._pending.clear()
        self._write(lines)

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
