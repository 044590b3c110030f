"""A ResourceSlice of ours as it is stored, and the server that stores it, in our words."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

from plugin.publishing.comparison import meaning
from plugin.publishing.device import Json

_INDEX: Final = re.compile(r"([0-9a-f]{5,})-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose slices: one driver on one node, in the pool that has the node's name."""

    driver: str
    node_name: str
    node_uid: str

    @property
    def references(self) -> list[Json]:
        """Return the owner references, through which the slices go when the Node goes."""
        return [
            {
                "apiVersion": "v1",
                "kind": "Node",
                "name": self.node_name,
                "uid": self.node_uid,
                "controller": True,
            }
        ]


@dataclass(frozen=True, slots=True)
class StoredSlice:
    """A slice as the server has it."""

    name: str
    uid: str
    resource_version: str
    metadata: Json = field(repr=False)
    spec: Json = field(repr=False)
    """In v1."""
    meaning: bytes = field(repr=False)
    """Of its devices and counters; see `comparison`."""

    @property
    def index(self) -> int | None:
        """Return its place in the pool, by its name; None if the name tells none."""
        match = _INDEX.match(self.name)
        return int(match[1], 16) if match else None

    @property
    def generation(self) -> int:
        """Return the generation of the pool that it belongs to."""
        return int(self.spec["pool"].get("generation", 0))

    @property
    def count(self) -> int:
        """Return how many slices it says that the pool has."""
        return int(self.spec["pool"]["resourceSliceCount"])

    @property
    def owners(self) -> list[Json]:
        """Return its owner references, without fields that are false."""
        references: list[Json] = self.metadata.get("ownerReferences") or []
        return [{key: value for key, value in one.items() if value} for one in references]


def stored_slice(metadata: Json, spec: Json) -> StoredSlice:
    """Return what an object's metadata and spec, in v1, tell."""
    kept = {key: value for key, value in metadata.items() if key != "managedFields"}
    return StoredSlice(
        name=kept["name"],
        uid=kept["uid"],
        resource_version=kept["resourceVersion"],
        metadata=kept,
        spec=spec,
        meaning=meaning(spec),
    )


@dataclass(frozen=True, slots=True)
class SliceChanged:
    """A slice is new or different."""

    slice: StoredSlice


@dataclass(frozen=True, slots=True)
class SliceDeleted:
    """A slice is gone."""

    slice: StoredSlice


SliceEvent = SliceChanged | SliceDeleted


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All slices of the pool at one moment."""

    slices: tuple[StoredSlice, ...]
    resource_version: str


class SliceWatch(Protocol):
    """Changes, one after another."""

    def __iter__(self) -> Iterator[SliceEvent]:
        """Yield changes until the watch ends; raises as `kube.watch.Watch` does."""
        ...

    @property
    def resource_version(self) -> str:
        """Return where a next watch goes on."""
        ...

    def end(self) -> None:
        """End the iteration, from any thread."""
        ...


class SliceServer(Protocol):
    """The API server, as far as slices go. Every method may raise `KubeError`."""

    def connect(self) -> Snapshot:
        """Find out which version of the API is served, and return our slices."""
        ...

    def watch(self, resource_version: str) -> SliceWatch:
        """Begin to watch our slices."""
        ...

    def minor(self) -> int:
        """Return the minor version of Kubernetes 1 that is served."""
        ...

    def owner(self) -> Owner:
        """Return driver and node, with the node's present uid.

        Raises:
            NotFoundError: There is no such Node.
        """
        ...

    def read(self, name: str) -> StoredSlice:
        """Return a slice.

        Raises:
            NotFoundError: It is gone.
        """
        ...

    def create(self, metadata: Json, spec: Json) -> StoredSlice:
        """Create a slice and return it as it is stored."""
        ...

    def replace(self, metadata: Json, spec: Json) -> StoredSlice:
        """Replace a slice and return it as it is stored.

        Raises:
            NotFoundError: It is gone.
            ConflictError: It is of another resourceVersion.
        """
        ...

    def delete(self, stored: StoredSlice) -> None:
        """Delete a slice.

        Raises:
            NotFoundError: It is gone.
            ConflictError: It is of another uid or resourceVersion.
        """
        ...
