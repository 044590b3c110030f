"""A server of slices made of data, which refuses and keeps what the real one does."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any

from kube.errors import ConflictError, InvalidError, KubeError, NotFoundError
from plugin.publishing.slices import (
    Owner,
    SliceChanged,
    SliceDeleted,
    SliceEvent,
    Snapshot,
    StoredSlice,
    stored_slice,
)

Json = dict[str, Any]

NODE = "node1"
DRIVER = "gpu.nvidia.com"
OWNER = Owner(driver=DRIVER, node_name=NODE, node_uid="uid-of-node1")


def stored(
    index: int, content: Json, *, generation: int = 1, count: int = 1, version: int = 1
) -> StoredSlice:
    """Return a slice of ours as a server has it."""
    name = f"{index:05x}-{DRIVER}-{NODE}-{version:04d}"
    return stored_slice(
        {
            "name": name,
            "uid": f"uid-{version}",
            "resourceVersion": str(version),
            "ownerReferences": OWNER.references,
        },
        {
            "driver": DRIVER,
            "nodeName": NODE,
            "pool": {"name": NODE, "generation": generation, "resourceSliceCount": count},
            **content,
        },
    )


def complete_pool(slices: list[StoredSlice]) -> list[Json] | None:
    """Return what a scheduler sees of the pool, or None while it is incomplete."""
    if not slices:
        return None
    newest = max(one.generation for one in slices)
    pool = sorted((one for one in slices if one.generation == newest), key=lambda one: one.name)
    if any(one.count != len(pool) for one in pool):
        return None
    kept = ("devices", "sharedCounters")
    return [{key: one.spec[key] for key in kept if key in one.spec} for one in pool]


class MemoryWatch:
    """Hands out what its server tells."""

    def __init__(self, resource_version: str) -> None:
        self.resource_version = resource_version
        self.queue: SimpleQueue[SliceEvent | KubeError | None] = SimpleQueue()

    def __iter__(self) -> Iterator[SliceEvent]:
        while (told := self.queue.get()) is not None:
            if isinstance(told, KubeError):
                raise told
            self.resource_version = told.slice.resource_version
            yield told

    def end(self) -> None:
        self.queue.put(None)


@dataclass
class MemoryServer:
    """Implements `slices.SliceServer`; everything it was asked for stands in `requests`."""

    by_name: dict[str, StoredSlice] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    node_uid: str = OWNER.node_uid
    minor_version: int = 36
    drop: Callable[[Json], Json] = field(default=lambda spec: spec)
    """What the server makes of a spec."""
    fail: Callable[[str], KubeError | None] = field(default=lambda _request: None)
    """Returns the error that a request ends with, after which nothing has happened."""
    after_write: Callable[[], None] = field(default=lambda: None)
    watches: list[MemoryWatch] = field(default_factory=list)
    tells: bool = True
    """Whether watches hear of writes."""
    clock: Iterator[int] = field(default_factory=lambda: itertools.count(1000))

    def _ask(self, request: str) -> None:
        self.requests.append(request)
        error = self.fail(request)
        if error is not None:
            raise error

    @property
    def writes(self) -> list[str]:
        return [one for one in self.requests if one in {"create", "replace", "delete"}]

    def put(self, found: StoredSlice) -> None:
        """Let somebody else write a slice."""
        self.by_name[found.name] = found
        self._tell(SliceChanged(found))

    def drop_slice(self, name: str) -> None:
        """Let somebody else delete a slice."""
        self._tell(SliceDeleted(self._again(self.by_name.pop(name))))

    def change(self, name: str, **spec: Any) -> None:
        """Let somebody else change a slice."""
        found = self.by_name[name]
        self.put(self._again(stored_slice(found.metadata, {**found.spec, **spec})))

    def _again(self, found: StoredSlice) -> StoredSlice:
        version = str(next(self.clock))
        return stored_slice({**found.metadata, "resourceVersion": version}, found.spec)

    def _tell(self, event: SliceEvent) -> None:
        if self.tells:
            for watch in self.watches:
                watch.queue.put(event)

    def connect(self) -> Snapshot:
        self._ask("list")
        return Snapshot(tuple(self.by_name.values()), str(next(self.clock)))

    def watch(self, resource_version: str) -> MemoryWatch:
        self._ask("watch")
        watch = MemoryWatch(resource_version)
        self.watches.append(watch)
        return watch

    def minor(self) -> int:
        self._ask("version")
        return self.minor_version

    def owner(self) -> Owner:
        self._ask("node")
        return Owner(driver=DRIVER, node_name=NODE, node_uid=self.node_uid)

    def read(self, name: str) -> StoredSlice:
        self._ask("get")
        return self._present(name)

    def create(self, metadata: Json, spec: Json) -> StoredSlice:
        self._ask("create")
        self._validate(spec)
        version = next(self.clock)
        name = metadata.get("name") or f"{metadata['generateName'][:58]}{version:05d}"
        given = {"name": name, "uid": f"uid-{version}", "resourceVersion": str(version)}
        return self._keep(stored_slice({**metadata, **given}, self.drop(spec)))

    def replace(self, metadata: Json, spec: Json) -> StoredSlice:
        self._ask("replace")
        self._expect(metadata["name"], metadata["uid"], metadata["resourceVersion"])
        self._validate(spec)
        version = {"resourceVersion": str(next(self.clock))}
        return self._keep(stored_slice({**metadata, **version}, self.drop(spec)))

    def delete(self, stored: StoredSlice) -> None:
        self._ask("delete")
        self._expect(stored.name, stored.uid, stored.resource_version)
        self._tell(SliceDeleted(self._again(self.by_name.pop(stored.name))))
        self.after_write()

    def _keep(self, found: StoredSlice) -> StoredSlice:
        self.by_name[found.name] = found
        self._tell(SliceChanged(found))
        self.after_write()
        return found

    def _present(self, name: str) -> StoredSlice:
        if name not in self.by_name:
            raise NotFoundError(f"{name} is gone.")
        return self.by_name[name]

    def _expect(self, name: str, uid: str, resource_version: str) -> None:
        found = self._present(name)
        if (found.uid, found.resource_version) != (uid, resource_version):
            raise ConflictError(f"{name} was changed.")

    def _validate(self, spec: Json) -> None:
        """Refuse what the real server of this version refuses."""
        split = self.minor_version >= 35
        devices, counters = spec.get("devices", []), spec.get("sharedCounters", [])
        refused = [
            split and "sharedCounters" in spec and "devices" in spec,
            len(devices) > 64,
            len(counters) > 8,
            not split and sum(len(one["counters"]) for one in counters) > 32,
            not split
            and sum(
                len(one["counters"])
                for device in devices
                for one in device.get("consumesCounters", [])
            )
            > 1024,
            not split
            and not {one["name"] for one in counters}.issuperset(
                one["counterSet"]
                for device in devices
                for one in device.get("consumesCounters", [])
            ),
            any(not 1 <= len(one["counters"]) <= 32 for one in counters),
            any(len(one.get("taints", [])) > (16 if split else 4) for one in devices),
            not split
            and any(
                taint["effect"] == "None" for one in devices for taint in one.get("taints", [])
            ),
            any(
                len(one.get("attributes", {})) + len(one.get("capacity", {})) > 32
                for one in devices
            ),
            any(len(one.get("consumesCounters", [])) > 2 for one in devices),
            len({one["name"] for one in devices}) != len(devices),
        ]
        if any(refused):
            raise InvalidError(f"The slice is refused: {refused}.")
