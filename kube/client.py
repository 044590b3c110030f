"""A client of the Kubernetes API: paths in, JSON out, errors by what can be done about them."""

import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any, Final
from urllib.parse import quote

import msgspec

from kube.access import Access, Connections
from kube.answers import decoded
from kube.errors import NotFoundError
from kube.exchange import Exchange
from kube.watch import Watch

Json = dict[str, Any]

REQUEST_SECONDS: Final = 10.0
SILENCE_SECONDS: Final = 300.0
"""How long a watch may tell nothing; the server sends a bookmark about every minute."""

PAGE: Final = 500
_LONGEST_PREFIX: Final = 200
"""The server takes 253 characters and keeps 58 of them."""


class Patch(StrEnum):
    """What a patch says of the object, by the name of its format."""

    MERGE = "application/merge-patch+json"
    """Each member takes the place of the object's; lists are replaced whole."""
    STRATEGIC_MERGE = "application/strategic-merge-patch+json"
    """As `MERGE`, but the entries of lists are merged by the key that their API documents."""


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
        quote_refusals: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect to nothing yet.

        Args:
            access: The server and the account.
            user_agent: Who we are, as the server's audit log shows it.
            request_seconds: How long a request may take if its caller does not say.
            quote_refusals: Whether an `InvalidError` holds the server's sentence, which may quote
                what was sent. Where that is secret, its reason in a word has to do.
            monotonic: Seconds of a clock that never goes back.
        """
        self._connections = Connections(access)
        self._request_seconds = request_seconds
        self._exchange = Exchange(
            self._connections,
            user_agent=user_agent,
            quote_refusals=quote_refusals,
            monotonic=monotonic,
        )

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

    def patch(
        self,
        path: str,
        body: Json,
        *,
        kind: Patch,
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> Json:
        """Change the object at *path* and return it as it is stored.

        Raises:
            NotFoundError: There is none.
            ConflictError: It is not of the resourceVersion or uid that *body* has.
        """
        answer = self._ask(
            "PATCH", path, body=body, content_type=kind, params=params, seconds=seconds
        )
        return decoded("PATCH", path, answer)

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
        answer = self._exchange.listen(path, params=wanted, silence_seconds=silence_seconds)
        return Watch(path, answer)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._connections.close()

    def _ask(
        self,
        method: str,
        path: str,
        *,
        body: Json | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
        seconds: float | None = None,
    ) -> bytes:
        """Send one request and return the answer; both may take no longer than *seconds*."""
        return self._exchange.ask(
            method,
            path,
            content=None if body is None else (content_type, msgspec.json.encode(body)),
            params=params or {},
            seconds=self._request_seconds if seconds is None else seconds,
        )


def find(client: Client, path: str) -> Json | None:
    """Return the object at *path*, or None if there is none."""
    try:
        return client.get(path)
    except NotFoundError:
        return None
