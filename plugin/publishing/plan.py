"""The fewest writes that turn the slices that are there into those that should be."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from kube.client import name_prefix
from plugin.publishing.comparison import meaning
from plugin.publishing.device import Json
from plugin.publishing.slices import Owner, StoredSlice

LARGEST_GENERATION: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class DeleteSlice:
    """A slice that is not ours any more."""

    stored: StoredSlice


@dataclass(frozen=True, slots=True)
class ReplaceSlice:
    """A slice that is not as it should be."""

    stored: StoredSlice
    content: Json
    metadata: Json
    spec: Json


@dataclass(frozen=True, slots=True)
class CreateSlice:
    """A slice that is missing."""

    content: Json
    metadata: Json
    spec: Json


Write = DeleteSlice | ReplaceSlice | CreateSlice


@dataclass(frozen=True, slots=True)
class Plan:
    """Writes in the order in which they must be made, and the generation that they lead to."""

    generation: int
    writes: tuple[Write, ...]


def plan(
    contents: Sequence[Json],
    stored: Iterable[StoredSlice],
    owner: Owner,
    *,
    adopted: Mapping[bytes, bytes] | None = None,
) -> Plan:
    """Return what is to be written.

    A reader takes a pool for complete when as many slices of the highest generation exist as one
    of them says. Between two writes it must never see a complete pool that is neither the old nor
    the new one. Hence the generation grows, and every slice is written again, when two or more
    slices change while all are there, or when the number of slices changes. It stays when only
    one changes, or when some are missing: then the pool is incomplete until the last of them is
    created. Deletions come first, creations last.

    Args:
        contents: What the slices should hold, in order; at least one.
        stored: What is there, of this driver and node.
        owner: Who writes.
        adopted: For the meaning of a content, the other meaning that the server gave it when it
            stored it; that is as good.
    """
    wanted = [_Wanted(content, meaning(content), adopted or {}) for content in contents]
    present = list(stored)
    generation = max((one.generation for one in present), default=1)
    by_index, obsolete = _matched(wanted, present, owner, generation)
    changed = [
        index
        for index, found in by_index.items()
        if not wanted[index].is_kept_by(found, owner, generation, len(wanted))
    ]
    missing = [index for index in range(len(wanted)) if index not in by_index]
    recount = any(found.count != len(wanted) for found in by_index.values())
    if recount or (len(changed) > 1 and not missing):
        generation = generation + 1 if generation < LARGEST_GENERATION else 1
        changed = list(by_index)
    pool = {
        "name": owner.node_name,
        "generation": generation,
        "resourceSliceCount": len(wanted),
    }
    return Plan(
        generation=generation,
        writes=(
            *(DeleteSlice(one) for one in obsolete),
            *(
                _replacement(wanted[index].content, by_index[index], owner, pool)
                for index in sorted(changed)
            ),
            *(_creation(index, wanted[index].content, owner, pool) for index in missing),
        ),
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    content: Json
    meaning: bytes
    adopted: Mapping[bytes, bytes]

    def holds(self, found: StoredSlice) -> bool:
        """Say whether a slice has the devices and counters that it should have."""
        return found.meaning in {self.meaning, self.adopted.get(self.meaning)}

    def is_kept_by(self, found: StoredSlice, owner: Owner, generation: int, count: int) -> bool:
        """Say whether a slice needs no write."""
        return (
            self.holds(found)
            and found.generation == generation
            and found.count == count
            and found.owners == owner.references
        )


def _matched(
    wanted: Sequence[_Wanted],
    present: Iterable[StoredSlice],
    owner: Owner,
    generation: int,
) -> tuple[dict[int, StoredSlice], list[StoredSlice]]:
    """Return which slice takes which place, and those that take none."""
    by_index: dict[int, StoredSlice] = {}
    obsolete: list[StoredSlice] = []

    def preference(found: StoredSlice) -> tuple[bool, bool, str]:
        index = found.index
        right = index is not None and index < len(wanted) and wanted[index].holds(found)
        return not right, found.generation != generation, found.name

    for found in sorted(present, key=preference):
        index = found.index
        if (
            index is None
            or index >= len(wanted)
            or index in by_index
            or found.spec["pool"]["name"] != owner.node_name
            # A slice on its way out is as good as gone.
            or found.metadata.get("deletionTimestamp")
        ):
            obsolete.append(found)
        else:
            by_index[index] = found
    return by_index, [found for found in obsolete if not found.metadata.get("deletionTimestamp")]


def _replacement(content: Json, found: StoredSlice, owner: Owner, pool: Json) -> ReplaceSlice:
    # What others wrote into labels and annotations is theirs.
    metadata = {**found.metadata, "ownerReferences": owner.references}
    spec = _spec(with_times(content, found.spec), owner, pool)
    return ReplaceSlice(found, content, metadata, spec)


def _creation(index: int, content: Json, owner: Owner, pool: Json) -> CreateSlice:
    # The scheduler takes slices in the order of their names.
    metadata = {
        "generateName": name_prefix(f"{index:05x}", owner.driver, owner.node_name),
        "ownerReferences": owner.references,
    }
    return CreateSlice(content, metadata, _spec(content, owner, pool))


def _spec(content: Json, owner: Owner, pool: Json) -> Json:
    return {"driver": owner.driver, "nodeName": owner.node_name, "pool": pool, **content}


def with_times(content: Json, spec: Json) -> Json:
    """Return *content* in which taints that *spec* has too keep the time they were added.

    The server would otherwise take each write for a new taint, and pods that tolerate it for a
    while would stay longer.
    """
    times = {
        (device["name"], taint["key"], taint.get("value", ""), taint["effect"]): taint["timeAdded"]
        for device in spec.get("devices") or ()
        for taint in device.get("taints") or ()
        if taint.get("timeAdded")
    }
    if not times:
        return content

    def timed(device: Json, taint: Json) -> Json:
        key = (device["name"], taint["key"], taint.get("value", ""), taint["effect"])
        if "timeAdded" in taint or key not in times:
            return taint
        return {**taint, "timeAdded": times[key]}

    devices = [
        {**device, "taints": [timed(device, taint) for taint in device["taints"]]}
        if device.get("taints")
        else device
        for device in content.get("devices", ())
    ]
    return {**content, "devices": devices} if devices else content
