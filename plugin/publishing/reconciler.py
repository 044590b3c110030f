"""One turn at a time: compare, write what differs, judge the answers, say when to look again."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from kube.errors import ConflictError, KubeError, NotFoundError, UnreachableError
from plugin.publishing import answer, limits
from plugin.publishing.comparison import meaning
from plugin.publishing.device import Device
from plugin.publishing.layout import Layout, LeftOut, Offer, lay_out
from plugin.publishing.mirror import Mirror
from plugin.publishing.pace import MOST_REPAIRS, SLOW_SECONDS, RepairPace
from plugin.publishing.plan import CreateSlice, DeleteSlice, Plan, ReplaceSlice, Write, plan
from plugin.publishing.reports import (
    Altered,
    Contested,
    NotPublishable,
    Published,
    Tell,
    Withdrawn,
    WriteFailed,
)
from plugin.publishing.slices import Owner, SliceServer, StoredSlice

FIRST_RETRY_SECONDS: Final = 1.0
LONGEST_RETRY_SECONDS: Final = 300.0
MOST_DOUBLINGS: Final = 10
QUICK_RETRIES: Final = 3
"""How often in a row a write is tried again at once, since the slice was changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The slices are as they should be; nothing is to be done until something changes."""


@dataclass(frozen=True, slots=True)
class Again:
    """Something is left to do, after so many seconds, or earlier if something changes."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody knows yet what the server has."""


@dataclass(frozen=True, slots=True)
class Disconnected:
    """A write got no answer, so nobody knows any more what the server has: list anew."""


Turn = Settled | Again | Unknown | Disconnected


class Reconciler:
    """Brings the server's slices to an offer. Not for two threads at once."""

    def __init__(
        self,
        server: SliceServer,
        mirror: Mirror,
        *,
        tell: Tell,
        monotonic: Callable[[], float],
        jitter: Callable[[float], float],
        may_write: Callable[[], bool],
    ) -> None:
        """Write nothing yet.

        Args:
            server: The API server.
            mirror: What it has; somebody else feeds it what it tells.
            tell: Hears what happens.
            monotonic: Seconds of a clock that never goes back.
            jitter: Returns a random number from 0 to its argument.
            may_write: Asked before each write; once it says no, the turn ends.
        """
        self._server = server
        self._mirror = mirror
        self._tell = tell
        self._monotonic = monotonic
        self._jitter = jitter
        self._may_write = may_write
        self._pace = RepairPace()
        self._owner: Owner | None = None
        self._owner_is_fresh = False
        self._offer: Offer | None = None
        self._settled = False
        self._not_before = 0.0
        self._failures = 0
        self._restless = 0
        self._left_out: tuple[LeftOut, ...] = ()
        self._meet(-1)

    def _meet(self, epoch: int) -> None:
        """Presume nothing of the server, which may be another version since the last list."""
        self._epoch = epoch
        self._minor: int | None = None
        self._adopted: dict[bytes, bytes] = {}
        self._withdrawn: dict[str, Device] = {}
        self._lost_sets: frozenset[str] = frozenset()

    def turn(self, offer: Offer) -> Turn:
        """Write what differs between *offer* and what the server has, as far as it is time."""
        if offer != self._offer:
            self._offer, self._settled = offer, False
            self._not_before, self._failures, self._restless = 0.0, 0, 0
        if self._mirror.epoch != self._epoch:
            self._meet(self._mirror.epoch)
        stored = self._mirror.slices()
        if stored is None:
            return Unknown()
        now = self._monotonic()
        if now < self._not_before:
            return Again(self._not_before - now)
        try:
            return self._written(offer, stored, now)
        except UnreachableError as error:
            if error.refused:
                return self._later(error, max(FIRST_RETRY_SECONDS, error.retry_after_seconds))
            # The write may have been made all the same, so what is there must be asked for.
            self._mirror.forget()
            return Disconnected()
        except KubeError as error:
            return self._later(error, FIRST_RETRY_SECONDS)

    def _written(self, offer: Offer, stored: tuple[StoredSlice, ...], now: float) -> Turn:
        owner = self._owner or self._ask_owner()
        layout = self._layout(offer)
        planned = plan(layout.contents, stored, owner, adopted=self._adopted)
        if not planned.writes:
            self._pace.nothing_needed()
            self._settled, self._failures, self._restless = True, 0, 0
            self._owner_is_fresh = False
            return Settled()
        # Whoever changes each of our writes must not get us to write without pause either.
        contested = self._settled or self._restless >= QUICK_RETRIES
        if contested:
            was_slow = self._pace.slow
            delay = self._pace.delay(now, changed_at=self._mirror.changed_at)
            if self._pace.slow and not was_slow:
                self._tell(Contested(repairs=MOST_REPAIRS, seconds=SLOW_SECONDS))
            if delay > 0:
                return Again(delay)
        creates = any(isinstance(write, CreateSlice) for write in planned.writes)
        if creates and not self._owner_is_fresh:
            # A Node that was made anew has another uid, and what the old one owned is deleted.
            owner, known = self._ask_owner(), owner
            if owner != known:
                planned = plan(layout.contents, stored, owner, adopted=self._adopted)
        missed = self._make(planned.writes)
        if missed is not None:
            return missed
        if contested:
            self._pace.repaired(now)
        self._restless += 1
        self._tell_of(layout, planned)
        return Again(0.0)

    def _ask_owner(self) -> Owner:
        """Ask who owns the slices, which then counts until they are as they should be."""
        self._owner = self._server.owner()
        self._owner_is_fresh = True
        return self._owner

    def _layout(self, offer: Offer) -> Layout:
        """Return the slices for an offer, less the devices that the server does not do justice."""
        devices = tuple(
            device
            for device in offer.devices
            if self._withdrawn.get(device.name) != device
            and not self._lost_sets.intersection(one.counter_set for one in device.consumes)
        )
        kept = replace(offer, devices=devices)
        if kept.depends_on_release and self._minor is None:
            self._minor = self._server.minor()
        layout = lay_out(kept, minor=self._minor or limits.FIRST_SPLIT_MINOR)
        if layout.left_out != self._left_out:
            self._left_out = layout.left_out
            if layout.left_out:
                self._tell(NotPublishable(left_out=layout.left_out))
        return layout

    def _make(self, writes: tuple[Write, ...]) -> Again | None:
        """Make the writes in order; return when to plan anew if one did not go as planned."""
        for write in writes:
            if not self._may_write():
                return Again(0.0)
            if isinstance(write, CreateSlice):
                if not self._judge(write, self._server.create(write.metadata, write.spec)):
                    return Again(0.0)
                continue
            try:
                if isinstance(write, DeleteSlice):
                    self._server.delete(write.stored)
                    self._mirror.removed(write.stored)
                elif not self._judge(write, self._server.replace(write.metadata, write.spec)):
                    return Again(0.0)
            except ConflictError:
                self._look_at(write.stored)
                return self._after_conflict()
            except NotFoundError:
                self._mirror.removed(write.stored)
                if not isinstance(write, DeleteSlice):
                    return self._after_conflict()
        return None

    def _look_at(self, stored: StoredSlice) -> None:
        """Read a slice that is not as we know it."""
        try:
            found = self._server.read(stored.name)
        except NotFoundError:
            self._mirror.removed(stored)
            return
        if found.uid != stored.uid:
            self._mirror.removed(stored)
        self._mirror.wrote(found)

    def _judge(self, write: CreateSlice | ReplaceSlice, stored: StoredSlice) -> bool:
        """Take over what was written; False if the server dropped what must not be missing."""
        self._mirror.wrote(stored)
        sent = meaning(write.spec)
        if stored.meaning == sent:
            return True
        unsafe = answer.unsafe_devices(write.spec, stored.spec)
        lost_sets = answer.lost_counter_sets(write.spec, stored.spec)
        if not unsafe and not lost_sets:
            self._adopted[sent] = stored.meaning
            self._tell(Altered(slice=stored.name))
            return True
        self._lost_sets |= lost_sets
        withdrawn = {
            device.name: device
            for device in (self._offer or Offer()).devices
            if device.name in unsafe
            or lost_sets.intersection(one.counter_set for one in device.consumes)
        }
        self._withdrawn |= withdrawn
        self._tell(Withdrawn(devices=tuple(withdrawn)))
        return False

    def _tell_of(self, layout: Layout, planned: Plan) -> None:
        self._tell(
            Published(
                generation=planned.generation,
                slices=len(layout.contents),
                devices=sum(len(one.get("devices", ())) for one in layout.contents),
                writes=len(planned.writes),
                repaired=self._settled,
            )
        )

    def _after_conflict(self) -> Again:
        self._failures += 1
        return Again(0.0 if self._failures <= QUICK_RETRIES else FIRST_RETRY_SECONDS)

    def _later(self, error: KubeError, shortest_seconds: float) -> Again:
        """Return when to try again: twice as late each time, and not all nodes together."""
        # No number is large enough for what doubles with every failure of a long weekend.
        doublings = min(self._failures, MOST_DOUBLINGS)
        seconds = min(LONGEST_RETRY_SECONDS, shortest_seconds * 2.0**doublings)
        seconds += self._jitter(seconds / 2)
        self._failures += 1
        self._not_before = self._monotonic() + seconds
        self._tell(WriteFailed(reason=str(error), retry_seconds=seconds))
        return Again(seconds)
