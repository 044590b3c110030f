"""Which slices the server has, from what it lists, what it tells, and what we wrote ourselves."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from plugin.publishing.slices import SliceDeleted, SliceEvent, Snapshot, StoredSlice

REMEMBERED: Final = 1024
"""How many slices that are gone are remembered, so that no late message brings one back."""


class Mirror:
    """The slices of one pool, fed by two threads that hear of changes in different order.

    Attributes:
        version: Grows with each change that did not come from us.
        epoch: Grows with each list.
        changed_at: When `version` grew last.
    """

    def __init__(self, changed: threading.Condition, *, monotonic: Callable[[], float]) -> None:
        """Know nothing yet.

        Args:
            changed: Guards the mirror, and is notified of changes that did not come from us.
            monotonic: Seconds of a clock that never goes back.
        """
        self._changed = changed
        self._monotonic = monotonic
        self._by_uid: dict[str, StoredSlice] | None = None
        self._ours: dict[str, StoredSlice] = {}
        self._gone: OrderedDict[str, None] = OrderedDict()
        self.version = 0
        self.epoch = 0
        self.changed_at = monotonic()

    def slices(self) -> tuple[StoredSlice, ...] | None:
        """Return the slices, or None while nobody knows them."""
        with self._changed:
            return None if self._by_uid is None else tuple(self._by_uid.values())

    def reset(self, snapshot: Snapshot) -> None:
        """Take over a list, except for what is known to be older than our own writes."""
        with self._changed:
            listed_at = _order(snapshot.resource_version)
            listed = {one.uid: one for one in snapshot.slices if one.uid not in self._gone}
            newer = {
                uid: ours
                for uid, ours in self._ours.items()
                if _order(ours.resource_version) > listed_at
            }
            self._ours = {}
            self._by_uid = listed | newer
            self.epoch += 1
            self._note()

    def forget(self) -> None:
        """Know nothing any more, until the next list."""
        with self._changed:
            self._by_uid = None
            self._note()

    def apply(self, event: SliceEvent) -> None:
        """Take over what the server tells; what is older than what is known changes nothing."""
        with self._changed:
            found = event.slice
            if self._by_uid is None or found.uid in self._gone:
                return
            known = self._by_uid.get(found.uid)
            if isinstance(event, SliceDeleted):
                self._remove(found.uid)
            elif known is None or _order(found.resource_version) > _order(known.resource_version):
                self._by_uid[found.uid] = found
            else:
                return
            self._note()

    def wrote(self, stored: StoredSlice) -> None:
        """Take over a slice as the server returned it to us."""
        with self._changed:
            if self._by_uid is None or stored.uid in self._gone:
                return
            known = self._by_uid.get(stored.uid)
            if known is None or _order(stored.resource_version) > _order(known.resource_version):
                self._by_uid[stored.uid] = stored
                self._ours[stored.uid] = stored

    def removed(self, stored: StoredSlice) -> None:
        """Take over that a slice is gone."""
        with self._changed:
            self._remove(stored.uid)

    def _remove(self, uid: str) -> None:
        self._gone[uid] = None
        while len(self._gone) > REMEMBERED:
            self._gone.popitem(last=False)
        self._ours.pop(uid, None)
        if self._by_uid is not None:
            self._by_uid.pop(uid, None)

    def _note(self) -> None:
        self.version += 1
        self.changed_at = self._monotonic()
        self._changed.notify_all()


def _order(resource_version: str) -> int:
    """Return a number that grows with each write, as Kubernetes promises since 1.35."""
    return int(resource_version) if resource_version.isdecimal() else 0
