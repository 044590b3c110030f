"""Bounds on what a client may cost: bytes, seconds, connections.

uvicorn waits without end for the rest of a header or a body, and collects headers of any length.
"""

import asyncio
import re
from dataclasses import dataclass
from typing import Any, Final, cast

from starlette.types import Receive
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.server import ServerState

_TIMEOUT: Final = re.compile(rb"[?&]timeout=([0-9]{1,4})s(?:&|$)")
_MOST_HEADERS: Final = 128


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds; the defaults are those of the service."""

    body_bytes: int = 7 << 20
    """Two objects of the API server's 3 MiB and the envelope."""
    buffered_bytes: int = 64 << 20
    """What all bodies that are being read may take together, in one worker."""
    header_bytes: int = 64 << 10
    handshake_seconds: float = 10.0
    header_seconds: float = 10.0
    """From the first byte, or from the handshake on a new connection, to the end of the header."""
    body_seconds: float = 5.0
    """From the end of the header to the end of the body; less when the caller gives up earlier."""
    write_seconds: float = 10.0
    """How long a client may leave an answer unread."""
    close_seconds: float = 5.0
    """How long a connection that we close may take to flush and to say goodbye."""
    keep_alive_seconds: int = 120
    """More than the 90 s for which API servers keep an idle connection: whoever closes first must
    not be us, because a POST on a connection just closed is not repeated."""
    connections: int = 512
    """Per worker; a request on one more is answered 503."""


class BodyTooLarge(ValueError):  # noqa: N818 - named like InvalidConfig
    """The body is longer than the limit."""


class TooManyBodies(RuntimeError):  # noqa: N818 - named like InvalidConfig
    """The bodies being read take all the memory they may."""


class ClientGone(ConnectionError):  # noqa: N818 - named like InvalidConfig
    """The client has hung up before the end of its body."""


class BodyReader:
    """Reads the bodies of one worker."""

    def __init__(self, limits: Limits) -> None:
        """Read at most what *limits* allows."""
        self._limits = limits
        self._buffered_bytes = 0

    async def read(self, receive: Receive) -> bytes:
        """Return the whole body.

        Raises:
            BodyTooLarge: As soon as more has come than the limit allows.
            TooManyBodies: If all bodies together are more than may be kept.
            ClientGone: If the client hangs up, or was hung up on because it was too slow.
        """
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message["body"]
            if len(body) > self._limits.body_bytes:
                raise BodyTooLarge
            return body
        parts: list[bytes] = []
        size = 0
        try:
            while message["type"] == "http.request":
                part: bytes = message["body"]
                parts.append(part)
                size += len(part)
                self._buffered_bytes += len(part)
                if size > self._limits.body_bytes:
                    raise BodyTooLarge
                if self._buffered_bytes > self._limits.buffered_bytes:
                    raise TooManyBodies
                if not message.get("more_body", False):
                    return b"".join(parts)
                message = await receive()
            raise ClientGone
        finally:
            self._buffered_bytes -= size


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines for reading and writing, and a bound on headers."""

    def __init__(
        self,
        limits: Limits,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        """Serve one connection within *limits*."""
        super().__init__(config, server_state, app_state, _loop)
        self._limits = limits
        self._receiving = False
        self._in_body = False
        self._last_request = False
        self._discarding = False
        self._received_bytes = 0
        self._read_deadline: asyncio.TimerHandle | None = None
        self._write_deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the time in which a header must come."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._arm(self._limits.header_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadlines."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser, and see to the deadline when it wants more."""
        if self._discarding:
            return
        in_body = self._in_body
        super().data_received(data)
        if not self._receiving:
            if self._read_deadline is not None:
                self._disarm()
            return
        self._received_bytes += len(data)
        if self._read_deadline is None or self._in_body is not in_body:
            seconds = self._body_seconds() if self._in_body else self._limits.header_seconds
            self._arm(seconds)
        self._bound_bytes()

    def on_message_begin(self) -> None:
        """Note that a request has begun."""
        super().on_message_begin()
        self._disarm()
        self._receiving = True
        self._in_body = False
        self._received_bytes = 0

    def on_headers_complete(self) -> None:
        """Note that the body begins, and start the application."""
        super().on_headers_complete()
        self._in_body = True
        if self._last_request:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        super().on_message_complete()
        self._receiving = False

    def shutdown(self) -> None:
        """Close the connection, after the answer when a request is on its way."""
        if self._receiving and not self._in_body:
            self._last_request = True
        else:
            super().shutdown()

    def pause_writing(self) -> None:
        """Give the client some time to read."""
        super().pause_writing()
        if self._write_deadline is None:
            self._write_deadline = self.loop.call_later(
                self._limits.write_seconds, self.transport.abort
            )

    def resume_writing(self) -> None:
        """Note that the client reads."""
        if self._write_deadline is not None:
            self._write_deadline.cancel()
            self._write_deadline = None
        super().resume_writing()

    def _arm(self, seconds: float) -> None:
        self._disarm()
        self._read_deadline = self.loop.call_later(seconds, self._hang_up)

    def _disarm(self) -> None:
        if self._read_deadline is not None:
            self._read_deadline.cancel()
            self._read_deadline = None

    def _body_seconds(self) -> float:
        # The API server says how long it waits; nobody reads an answer that comes later.
        found = _TIMEOUT.search(self.url)
        limit = self._limits.body_seconds
        return min(limit, float(found[1])) if found is not None else limit

    def _bound_bytes(self) -> None:
        if not self._in_body:
            if self._received_bytes > self._limits.header_bytes:
                self._refuse(431)
        elif self._received_bytes > self._limits.body_bytes + (1 << 20):
            # Whoever got a 413 may go on sending for a while, so that the answer is not lost in a
            # reset connection; the bytes are dropped, and the deadline ends it.
            if self.cycle.response_complete:
                self._discarding = True
            else:
                self._refuse(413)
        elif len(self.headers) > _MOST_HEADERS:
            self._refuse(431)

    def _hang_up(self) -> None:
        self._read_deadline = None
        if self._receiving:
            self._refuse(408)
        else:
            self.transport.close()

    def _refuse(self, code: int) -> None:
        if self.transport.is_closing():
            return
        # In a header nobody has been answered yet; in a body only the application may have.
        if not self._in_body or not self.cycle.response_started:
            self.transport.write(
                STATUS_LINE[code] + b"content-length: 0\r\nconnection: close\r\n\r\n"
            )
        self._discarding = True
        self.transport.close()
