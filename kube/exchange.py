"""One request and its answer: sent under our name, read within a time, or an error."""

from collections.abc import Callable, Mapping
from errno import ETIMEDOUT
from typing import Final
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError

from kube.access import Connections, bearer
from kube.answers import cause, refusal
from kube.errors import UnreachableError

CONNECT_SECONDS: Final = 5.0
_CHUNK_BYTES: Final = 64 * 1024


class Exchange:
    """Asks one server under one account; safe to use from several threads."""

    def __init__(
        self,
        connections: Connections,
        *,
        user_agent: str,
        quote_refusals: bool,
        monotonic: Callable[[], float],
    ) -> None:
        """Ask over *connections*; the rest is as `Client` says."""
        self._connections = connections
        self._user_agent = user_agent
        self._quote_refusals = quote_refusals
        self._monotonic = monotonic

    def ask(
        self,
        method: str,
        path: str,
        *,
        content: tuple[str, bytes] | None,
        params: Mapping[str, str],
        seconds: float,
    ) -> bytes:
        """Send *content*, its type first, and return the answer, both within *seconds*."""
        deadline = self._monotonic() + seconds
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), total=seconds)
        response = self._send(method, path, content, params, timeout)
        try:
            return self._received(response, deadline)
        except (HTTPError, OSError) as error:
            response.close()
            raise UnreachableError(f"{method} {path}: {cause(error)}") from None

    def listen(
        self, path: str, *, params: Mapping[str, str], silence_seconds: float
    ) -> urllib3.BaseHTTPResponse:
        """Return an answer that goes on, still unread; its reader bears the silence."""
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=silence_seconds)
        return self._send("GET", path, None, params, timeout)

    def _received(self, response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """Return the whole body and give the connection back."""
        received = bytearray()
        # The library's own limit is for each read, so a dripping answer could last for ever.
        for chunk in response.stream(_CHUNK_BYTES):
            received += chunk
            if self._monotonic() > deadline:
                raise TimeoutError(ETIMEDOUT, "the answer does not end in time")
        response.release_conn()
        return bytes(received)

    def _send(
        self,
        method: str,
        path: str,
        content: tuple[str, bytes] | None,
        params: Mapping[str, str],
        timeout: urllib3.Timeout,
    ) -> urllib3.BaseHTTPResponse:
        """Return an answer that tells success, its body still unread."""
        access = self._connections.access
        headers = {"accept": "application/json", "user-agent": self._user_agent}
        if access.token is not None:
            headers["authorization"] = bearer(access.token)
        if content is not None:
            headers["content-type"] = content[0]
        query = f"?{urlencode(params)}" if params else ""
        pool = self._connections.pool()
        try:
            response = pool.request(
                method,
                f"{access.prefix}{path}{query}",
                body=None if content is None else content[1],
                headers=headers,
                timeout=timeout,
                redirect=False,
                preload_content=False,
            )
            if response.status in {200, 201, 202}:
                return response
            told = response.read(_CHUNK_BYTES)
            response.close()
        except (HTTPError, OSError) as error:
            raise UnreachableError(f"{method} {path}: {cause(error)}") from None
        quote = self._quote_refusals
        raise refusal(f"{method} {path}", response.status, told, response.headers, quote=quote)
