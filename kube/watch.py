"""An open watch: the changes of a collection, one after another, until one side ends it."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import msgspec
import urllib3
from urllib3.exceptions import HTTPError, ReadTimeoutError

from kube.answers import cause, refusal
from kube.errors import UnreachableError


class ChangeKind(StrEnum):
    """What happened to an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"
    BOOKMARK = "BOOKMARK"
    """Nothing happened: the object carries only the resourceVersion to go on from."""


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change; the object is as it was just after it, or just before it was deleted."""

    kind: ChangeKind
    object: dict[str, Any]


class Watch:
    """What the server tells, line by line.

    Iterate in one thread; `close` may be called from any other one and ends the iteration.
    """

    def __init__(self, path: str, response: urllib3.BaseHTTPResponse) -> None:
        """Take over *response*, whose body is not read yet."""
        self._path = path
        self._response = response
        self._closed = False

    def __enter__(self) -> Self:
        """Return the watch."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the watch and close its connection."""
        self._closed = True
        self._response.close()

    def close(self) -> None:
        """End the iteration; closing twice changes nothing."""
        self._closed = True
        # It raises when the answer has ended by itself meanwhile.
        with suppress(ValueError, RuntimeError, OSError):
            self._response.shutdown()

    def __iter__(self) -> Iterator[WatchEvent]:
        """Yield changes until the server ends the watch, is silent too long, or `close` is called.

        Raises:
            ExpiredError: The server does not remember so far back: list again.
            UnreachableError: The connection broke.
        """
        try:
            for line in self._lines():
                yield self._event(line)
        except ReadTimeoutError:
            return
        except (HTTPError, OSError, ValueError, AttributeError) as error:
            # Reading from a connection that another thread shut fails in several ways.
            if not self._closed:
                raise UnreachableError(f"watch of {self._path}: {cause(error)}") from None

    def _lines(self) -> Iterator[bytes]:
        rest = bytearray()
        for chunk in self._response.stream(None):
            rest += chunk
            *lines, last = rest.split(b"\n")
            rest = last
            yield from (bytes(line) for line in lines if line)

    def _event(self, line: bytes) -> WatchEvent:
        try:
            told = msgspec.json.decode(line, type=dict[str, Any])
            changed: dict[str, Any] = told["object"]
            if told["type"] == "ERROR":
                code = int(changed.get("code", 500))
                raise refusal(f"watch of {self._path}", code, msgspec.json.encode(changed), {})
            return WatchEvent(ChangeKind(told["type"]), changed)
        except (msgspec.MsgspecError, KeyError, ValueError):
            raise UnreachableError(f"watch of {self._path}: a line is not understood.") from None
