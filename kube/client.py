"""A client of the Kubernetes API: paths in, JSON out, errors by what can be done about them."""

import time
from collections.abc import Callable, Mapping
from errno import ETIMEDOUT
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec
import urllib3
from urllib3.exceptions import HTTPError

from kube.access import Access, Connections, read
from kube.answers import cause, decoded, refusal
from kube.errors import NotFoundError, UnreachableError
from kube.watch import Watch

Json = dict[str, Any]

CONNECT_SECONDS: Final = 5.0
REQUEST_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 300.0
"""How long a watch may tell nothing; the server sends a bookmark about every minute."""

PAGE: Final = 500
_CHUNK_BYTES: Final = 64 * 1024
_LONGEST_PREFIX: Final = 200
"""The server takes 253 characters and keeps 58 of them."""


def path_of(api_version: str, plural: str, name: str = "", *, namespace: str = "") -> str:
    """Return the path of a collection, or of the object *name* in it."""
    group = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    inside = f"/namespaces/{quote(namespace, safe='')}" if namespace else ""
    last = f"/{quote(name, safe='')}" if name else ""
    return f"{group}{inside}/{plural}{last}"


def name_prefix(*parts: str) -> str:
    """Return what the server makes names from, out of texts that may be too long together."""
    return f"{'-'.join(parts)[:_LONGEST_PREFIX].rstrip('-.')}-"


class Client:
    """Asks one API server under one account; safe to use from several threads.

    Nothing is repeated here: whoever knows what a request means decides that. Every method may
    raise `ForbiddenError`, `InvalidError`, `UnreachableError` and `CredentialsError`; those
    listed are the ones with a meaning of their own there.
    """

    def __init__(
        self,
        access: Access,
        *,
        user_agent: str,
        request_seconds: float = REQUEST_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to nothing yet.

        Args:
            access: The server and the account.
            user_agent: Who we are, as the server's audit log shows it.
            request_seconds: How long a request may take if its caller does not say.
            monotonic: Seconds of a clock that never goes back.
        """
        self._connections = Connections(access)
        self._user_agent = user_agent
        self._request_seconds = request_seconds
        self._monotonic = monotonic

    def get(
        self, path: str, *, params: Mapping[str, str] | None = None, seconds: float | None = None
    ) -> Json:
        """Return the object at *path*.

        Raises:
            NotFoundError: There is none.
        """
        return decoded("GET", path, self.get_bytes(path, params=params, seconds=seconds))

    def get_bytes(
        self, path: str, *, params: Mapping[str, str] | None = None, seconds: float | None = None
    ) -> bytes:
        """Return the object at *path* as the server writes it, for whoever needs its very text.

        Raises:
            NotFoundError: There is none.
        """
        return self._ask("GET", path, params=params, seconds=seconds)

    def list(
        self, path: str, *, params: Mapping[str, str] | None = None, seconds: float | None = None
    ) -> Json:
        """Return the list at *path* with all its items, read in pages.

        Args:
            path: The path of a collection.
            params: Selectors and the like.
            seconds: How long each page may take.

        Raises:
            NotFoundError: There is no such API.
            ExpiredError: The list changed for so long that its pages do not fit together.
        """
        wanted = {"limit": str(PAGE), **(params or {})}
        page = whole = self.get(path, params=wanted, seconds=seconds)
        whole["items"] = whole.get("items") or []
        while following := page.get("metadata", {}).get("continue"):
            page = self.get(path, params=wanted | {"continue": following}, seconds=seconds)
            whole["items"] += page.get("items") or []
            whole["metadata"] = page["metadata"]
        return whole

    def create(
        self,
        path: str,
        body: Json,
        *,
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Json:
        """Create an object in the collection at *path* and return it as it is stored.

        Raises:
            ConflictError: There is one of this name.
        """
        answer = self._ask("POST", path, body=body, params=params, seconds=seconds)
        return decoded("POST", path, answer)

    def replace(
        self,
        path: str,
        body: Json,
        *,
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Json:
        """Replace the object at *path* and return it as it is stored.

        Raises:
            NotFoundError: There is none.
            ConflictError: It is not of the resourceVersion or uid that *body* has.
        """
        answer = self._ask("PUT", path, body=body, params=params, seconds=seconds)
        return decoded("PUT", path, answer)

    def delete(
        self,
        path: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Delete the object at *path*; finalizers may keep it for a while.

        Raises:
            NotFoundError: There is none.
            ConflictError: It is not of this uid or resourceVersion.
        """
        expected = {"uid": uid, "resourceVersion": resource_version}
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "preconditions": {key: value for key, value in expected.items() if value is not None},
        }
        self._ask("DELETE", path, body=body, seconds=seconds)

    def watch(
        self,
        path: str,
        *,
        resource_version: str,
        params: Mapping[str, str] | None = None,
        last_seconds: int,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> Watch:
        """Watch the collection at *path* for changes after *resource_version*.

        Args:
            path: The path of a collection.
            resource_version: Of a list or of an earlier event.
            params: Selectors and the like.
            last_seconds: When the server ends the watch.
            silence_seconds: After how long without a word the watch ends.

        Raises:
            NotFoundError: There is no such API.
            ExpiredError: The server does not remember so far back: list again.
        """
        wanted = {
            **(params or {}),
            "watch": "true",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(last_seconds),
        }
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=silence_seconds)
        response = self._send("GET", path, wanted, None, timeout)
        return Watch(path, response)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._connections.close()

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> bytes:
        """Send one request and return the answer; neither may take longer than *seconds*."""
        allowed = self._request_seconds if seconds is None else seconds
        deadline = self._monotonic() + allowed
        timeout = urllib3.Timeout(connect=min(CONNECT_SECONDS, allowed), total=allowed)
        response = self._send(method, path, params or {}, body, timeout)
        try:
            return self._received(response, deadline)
        except (HTTPError, OSError) as error:
            response.close()
            raise UnreachableError(f"{method} {path}: {cause(error)}") from None

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
        params: Mapping[str, str],
        body: Json | None,
        timeout: urllib3.Timeout,
    ) -> urllib3.BaseHTTPResponse:
        """Return an answer that tells success, its body still unread."""
        access = self._connections.access
        headers = {"accept": "application/json", "user-agent": self._user_agent}
        if access.token is not None:
            headers["authorization"] = f"Bearer {read(access.token).strip()}"
        if body is not None:
            headers["content-type"] = "application/json"
        query = f"?{urlencode(params)}" if params else ""
        pool = self._connections.pool()
        try:
            response = pool.request(
                method,
                f"{access.prefix}{path}{query}",
                body=None if body is None else msgspec.json.encode(body),
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
        raise refusal(f"{method} {path}", response.status, told, response.headers)


def find(client: Client, path: str) -> Json | None:
    """Return the object at *path*, or None if there is none."""
    try:
        return client.get(path)
    except NotFoundError:
        return None
