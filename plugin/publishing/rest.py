"""The slices of one driver on one node, over the API server's REST interface."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec
from msgspec import Struct

from kube.client import Client, path_of
from kube.errors import NotFoundError
from kube.recent import Reader
from kube.watch import ChangeKind, Watch
from plugin.publishing.device import Json
from plugin.publishing.dialects import DIALECTS, GROUP, Dialect
from plugin.publishing.slices import (
    Owner,
    SliceChanged,
    SliceDeleted,
    SliceEvent,
    Snapshot,
    StoredSlice,
    stored_slice,
)

WATCH_SECONDS: Final = 1800
"""A watch lasts so long, and up to as long again."""

NEWEST_MINOR: Final = 10_000
"""Stands for a server that does not tell its version, which is one that somebody built anew."""

_DIGITS: Final = re.compile(r"[0-9]+")


class _Metadata(Struct):
    uid: str


class _Node(Struct):
    metadata: _Metadata


class RestSlices:
    """Implements `slices.SliceServer`."""

    def __init__(
        self,
        client: Client,
        *,
        driver: str,
        node_name: str,
        jitter: Callable[[float], float],
        nodes: Reader | None = None,
        dialects: Sequence[Dialect] = DIALECTS,
        field_validation: str = "Ignore",
    ) -> None:
        """Ask nothing yet.

        Args:
            client: The API server.
            driver: Whose slices.
            node_name: On which node.
            jitter: Returns a random number from 0 to its argument.
            nodes: Reads the Node; *client* if left out.
            dialects: The versions of the API to choose from, the best first.
            field_validation: What the server does with fields that it does not know: `Ignore`
                drops them, and whoever writes compares the answer; `Strict` refuses them.
        """
        self._client = client
        self._nodes = nodes or client
        self._driver = driver
        self._node_name = node_name
        self._jitter = jitter
        self._dialects = tuple(dialects)
        self._dialect = self._dialects[0]
        self._connected = False
        self._params = {"fieldValidation": field_validation}
        self._selector = {
            "fieldSelector": f"spec.driver={driver},spec.nodeName={node_name}",
        }

    @property
    def dialect(self) -> Dialect:
        """Return the version of the API that is spoken at the moment."""
        return self._dialect

    @property
    def api_version(self) -> str | None:
        """Return group and version that the server is known to serve; None before it answered."""
        return self._dialect.api_version if self._connected else None

    def connect(self) -> Snapshot:
        """Find out which version of the API is served, and return our slices.

        The best version is tried without asking, which saves a request on nearly every server.

        Raises:
            NotFoundError: None of the versions is served.
        """
        self._dialect = self._dialects[0]
        try:
            listed = self._list()
        except NotFoundError:
            self._dialect = self._served()
            listed = self._list()
        self._connected = True
        return Snapshot(
            slices=tuple(self._read(item) for item in listed["items"]),
            resource_version=listed["metadata"]["resourceVersion"],
        )

    def watch(self, resource_version: str) -> "RestWatch":
        """Begin to watch our slices."""
        watch = self._client.watch(
            self._path(),
            resource_version=resource_version,
            params=self._selector,
            last_seconds=WATCH_SECONDS + int(self._jitter(WATCH_SECONDS)),
        )
        return RestWatch(watch, self._read, resource_version)

    def minor(self) -> int:
        """Return the minor version of Kubernetes 1 that is served.

        Only the leading digits count: vendors write `34+`, or a suffix into the whole version.
        """
        told = _DIGITS.match(str(self._client.get("/version").get("minor", "")))
        # A build without a stamp says 0 or nothing.
        return int(told[0]) or NEWEST_MINOR if told else NEWEST_MINOR

    def owner(self) -> Owner:
        """Return driver and node, with the node's present uid."""
        text = self._nodes.get_bytes(path_of("v1", "nodes", self._node_name))
        node = msgspec.json.decode(text, type=_Node)
        return Owner(driver=self._driver, node_name=self._node_name, node_uid=node.metadata.uid)

    def read(self, name: str) -> StoredSlice:
        """Return a slice."""
        return self._read(self._client.get(self._path(name)))

    def create(self, metadata: Json, spec: Json) -> StoredSlice:
        """Create a slice and return it as it is stored."""
        body = self._body(metadata, spec)
        return self._read(self._client.create(self._path(), body, params=self._params))

    def replace(self, metadata: Json, spec: Json) -> StoredSlice:
        """Replace a slice and return it as it is stored."""
        path = self._path(metadata["name"])
        body = self._body(metadata, spec)
        return self._read(self._client.replace(path, body, params=self._params))

    def delete(self, stored: StoredSlice) -> None:
        """Delete a slice."""
        self._client.delete(
            self._path(stored.name), uid=stored.uid, resource_version=stored.resource_version
        )

    def _served(self) -> Dialect:
        try:
            told = self._client.get(f"/apis/{GROUP}")
            entries: list[Json] = told.get("versions") or []
            served = {str(entry["version"]) for entry in entries}
        except NotFoundError:
            served = set[str]()
        for dialect in self._dialects:
            if dialect.version in served:
                return dialect
        spoken = ", ".join(dialect.version for dialect in self._dialects)
        raise NotFoundError(
            f"The API server serves no version of {GROUP} that is spoken here ({spoken}). "
            "Dynamic resource allocation may be turned off there."
        )

    def _list(self) -> Json:
        return self._client.list(self._path(), params=self._selector)

    def _path(self, name: str = "") -> str:
        return path_of(self._dialect.api_version, "resourceslices", name)

    def _body(self, metadata: Json, spec: Json) -> Json:
        return {
            "apiVersion": self._dialect.api_version,
            "kind": "ResourceSlice",
            "metadata": metadata,
            "spec": self._dialect.to_wire(spec),
        }

    def _read(self, document: Json) -> StoredSlice:
        return stored_slice(document["metadata"], self._dialect.from_wire(document["spec"]))


class RestWatch:
    """Implements `slices.SliceWatch`."""

    def __init__(
        self, watch: Watch, read: Callable[[Json], StoredSlice], resource_version: str
    ) -> None:
        """Take over *watch*, which began at *resource_version*."""
        self._watch = watch
        self._read = read
        self._resource_version = resource_version

    @property
    def resource_version(self) -> str:
        """Return where a next watch goes on."""
        return self._resource_version

    def __iter__(self) -> Iterator[SliceEvent]:
        """Yield changes until the watch ends."""
        with self._watch as watch:
            for event in watch:
                self._resource_version = event.object["metadata"]["resourceVersion"]
                if event.kind is ChangeKind.BOOKMARK:
                    continue
                found = self._read(event.object)
                if event.kind is ChangeKind.DELETED:
                    yield SliceDeleted(found)
                else:
                    yield SliceChanged(found)

    def end(self) -> None:
        """End the iteration, from any thread."""
        self._watch.close()
