"""A small client of the Kubernetes API, for tests: paths in, objects out, refusals as errors."""

import json
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.cluster.pki import Leaf
from tests.cluster.waiting import RigError

REQUEST_SECONDS = 30.0

Json = dict[str, Any]


def path_of(api_version: str, plural: str, name: str = "", *, namespace: str = "") -> str:
    """Return the path of a collection, or of the object *name* in it.

    `path_of("resource.k8s.io/v1", "resourceclaims", "a", namespace="default")` is
    `/apis/resource.k8s.io/v1/namespaces/default/resourceclaims/a`.
    """
    group = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    inside = f"/namespaces/{namespace}" if namespace else ""
    return f"{group}{inside}/{plural}{f'/{name}' if name else ''}"


class Refusal(Exception):  # noqa: N818 - it is what the server did, not an error of ours
    """The API server answered with a Status instead of an object.

    Attributes:
        status: The Status object.
        code: The HTTP status code.
        reason: The reason in one word, such as `Invalid`.
        message: The sentence for people.
    """

    def __init__(self, response: httpx.Response) -> None:
        try:
            self.status: Json = response.json()
        except ValueError:
            self.status = {"message": response.text}
        self.code = response.status_code
        self.reason: str = self.status.get("reason", "")
        self.message: str = self.status.get("message", "")
        request = response.request
        super().__init__(f"{request.method} {request.url}: {self.code} {self.message}")


class Client:
    """A client with one identity.

    Attributes:
        http: The client below, for what is not wrapped here; it reads nothing from the
            environment.
    """

    def __init__(
        self,
        server: str,
        *,
        authority: Path,
        leaf: Leaf | None = None,
        token: str = "",
        timeout_seconds: float = REQUEST_SECONDS,
    ) -> None:
        """Connect to nothing yet.

        Args:
            server: The URL without a path.
            authority: The certificate that signed the server's, a PEM file.
            leaf: A client certificate, or none.
            token: A bearer token, or none.
            timeout_seconds: How long one request may take.
        """
        context = ssl.create_default_context(cafile=str(authority))
        if leaf is not None:
            context.load_cert_chain(leaf.certificate, leaf.key)
        self.http = httpx.Client(
            base_url=server,
            verify=context,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=timeout_seconds,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self.http.close()

    def ready(self) -> bool:
        """Say whether the server says that it is ready."""
        try:
            answer = self.http.get("/readyz")
        except httpx.TransportError:
            return False
        return answer.status_code == httpx.codes.OK and answer.text == "ok"

    def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """Send a request and return the response, whose headers carry the warnings.

        Raises:
            Refusal: The server refused.
        """
        # As kubectl writes it: the server compares the opaque parameters of a claim byte by byte,
        # and takes a patch of other JSON for a change of the spec.
        text = json.dumps(body, sort_keys=True, separators=(",", ":"))
        response = self.http.request(
            method,
            path,
            content=None if body is None else text,
            headers={} if body is None else {"Content-Type": content_type},
            params=params or {},
        )
        if response.is_error:
            raise Refusal(response)
        return response

    def get(self, path: str, **params: str) -> Json:
        """Return the object at *path*, or a list object."""
        found: Json = self.send("GET", path, params=params).json()
        return found

    def find(self, path: str) -> Json | None:
        """Return the object at *path*; None when there is none."""
        try:
            return self.get(path)
        except Refusal as refusal:
            if refusal.code == httpx.codes.NOT_FOUND:
                return None
            raise

    def list(self, path: str, **params: str) -> list[Json]:
        """Return the objects of a collection."""
        items: list[Json] = self.get(path, **params).get("items") or []
        return items

    def create(self, path: str, body: Json, **params: str) -> Json:
        """Create an object in the collection *path*; parameters such as `dryRun="All"`."""
        created: Json = self.send("POST", path, body, params=params).json()
        return created

    def replace(self, path: str, body: Json, **params: str) -> Json:
        """Replace the object at *path*."""
        replaced: Json = self.send("PUT", path, body, params=params).json()
        return replaced

    def patch(self, path: str, body: object, **params: str) -> Json:
        """Change the object at *path*: a list is a JSON patch, an object a merge patch."""
        kind = "json-patch" if isinstance(body, list) else "merge-patch"
        content_type = f"application/{kind}+json"
        patched: Json = self.send(
            "PATCH", path, body, content_type=content_type, params=params
        ).json()
        return patched

    def apply(self, path: str, body: Json, **params: str) -> Json:
        """Apply the object at *path* on the server's side, taking fields over from others."""
        wanted = {"fieldManager": "tests", "force": "true"} | params
        applied: Json = self.send(
            "PATCH", path, body, content_type="application/apply-patch+yaml", params=wanted
        ).json()
        return applied

    def delete(self, path: str, **params: str) -> None:
        """Delete the object at *path*; it may stay for a while."""
        self.send("DELETE", path, params=params)

    def wait(
        self, path: str, condition: Callable[[Json | None], bool], *, seconds: float
    ) -> Json | None:
        """Watch the object at *path* until *condition* holds for it.

        Args:
            path: The path of one object, which need not exist.
            condition: Told the object, or None when there is none.
            seconds: How long to wait at most.

        Returns:
            The object for which the condition holds.

        Raises:
            RigError: It does not hold in time; the error carries the last object.
            Refusal: The server refuses the watch.
        """
        last: Json | None = None
        for last in self._versions(path, seconds=seconds):
            if condition(last):
                return last
        raise RigError(
            f"{path} is not as it should be after {seconds:g} seconds; it is\n"
            f"{json.dumps(last, indent=1)}"
        )

    def wait_gone(self, path: str, *, seconds: float) -> None:
        """Wait until there is no object at *path*.

        Raises:
            RigError: It is still there.
        """
        self.wait(path, lambda found: found is None, seconds=seconds)

    def _versions(self, path: str, *, seconds: float) -> Iterator[Json | None]:
        """Yield the object at *path* as it is and after each change, for so many seconds."""
        collection, _, name = path.rpartition("/")
        only = {"fieldSelector": f"metadata.name={name}"}
        deadline = time.monotonic() + seconds
        while True:
            listed = self.get(collection, **only)
            items: list[Json] = listed.get("items") or []
            yield items[0] if items else None
            left = deadline - time.monotonic()
            if left <= 0:
                return
            watch = {
                "watch": "true",
                "resourceVersion": listed["metadata"]["resourceVersion"],
                # The server counts whole seconds, and 0 means its own choice.
                "timeoutSeconds": str(int(left) + 1),
            }
            yield from self._events(collection, only | watch, deadline)

    def _events(
        self, collection: str, params: Mapping[str, str], deadline: float
    ) -> Iterator[Json | None]:
        """Yield what one watch reports; it ends with its time, or when the server ends it."""
        left = max(0.1, deadline - time.monotonic())
        try:
            with self.http.stream("GET", collection, params=dict(params), timeout=left) as stream:
                if stream.is_error:
                    stream.read()
                    raise Refusal(stream)
                for line in stream.iter_lines():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        return
                    yield None if event["type"] == "DELETED" else event["object"]
        except (httpx.TimeoutException, httpx.RemoteProtocolError, httpx.ReadError):
            return
