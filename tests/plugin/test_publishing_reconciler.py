"""What the publisher does turn by turn, against a server made of data and a clock of ours."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from threading import Condition

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kube.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    KubeError,
    UnreachableError,
)
from plugin.publishing.device import Consumption, CounterSet, Device, Taint, TaintEffect
from plugin.publishing.layout import Offer
from plugin.publishing.mirror import Mirror
from plugin.publishing.reconciler import Again, Disconnected, Reconciler, Settled, Turn, Unknown
from plugin.publishing.reports import (
    Altered,
    Contested,
    NotPublishable,
    Published,
    Report,
    Withdrawn,
    WriteFailed,
)
from plugin.publishing.slices import SliceChanged
from tests.plugin.slice_server import Json, MemoryServer, MemoryWatch

TAINT = Taint(key="gpu.nvidia.com/xid", value="79", effect=TaintEffect.NO_EXECUTE)
COUNTERS = CounterSet(name="gpu-0-counter-set", board="board", counters={"memory": 8})


def devices(count: int, *, taints: tuple[Taint, ...] = ()) -> Offer:
    return Offer(
        devices=tuple(
            Device(name=f"gpu-{index}", board=f"board-{index}", taints=taints)
            for index in range(count)
        )
    )


def partitions(count: int) -> Offer:
    consumes = (Consumption(counter_set=COUNTERS.name, counters={"memory": 1}),)
    return Offer(
        devices=tuple(
            Device(name=f"part-{index}", board="board", consumes=consumes)
            for index in range(count)
        ),
        counter_sets=(COUNTERS,),
    )


@dataclass
class Bench:
    """A reconciler, its server, and the hand that moves the clock."""

    server: MemoryServer = field(default_factory=MemoryServer)
    now: float = 100.0
    told: list[Report] = field(default_factory=list)
    allowed: bool = True

    def __post_init__(self) -> None:
        self.mirror = Mirror(Condition(), monotonic=lambda: self.now)
        self.reconciler = Reconciler(
            self.server,
            self.mirror,
            tell=self.told.append,
            monotonic=lambda: self.now,
            jitter=lambda longest: longest,
            may_write=lambda: self.allowed,
        )
        self.connect()

    def connect(self) -> None:
        self.mirror.reset(self.server.connect())
        self.watch: MemoryWatch = self.server.watch("0")

    def hear(self) -> None:
        """Let the mirror hear what its watch was told."""
        while not self.watch.queue.empty():
            event = self.watch.queue.get()
            assert event is not None
            assert not isinstance(event, KubeError)
            self.mirror.apply(event)

    def turn(self, offer: Offer) -> Turn:
        self.hear()
        return self.reconciler.turn(offer)

    def settle(self, offer: Offer) -> list[float]:
        """Make turns until nothing is left to do; return how long each one asked to wait."""
        waits: list[float] = []
        for _ in range(50):
            match self.turn(offer):
                case Settled():
                    self.hear()
                    return waits
                case Again(seconds):
                    waits.append(seconds)
                    self.now += seconds
                case Unknown() | Disconnected():
                    self.connect()
        raise AssertionError(f"it never settles: {self.told[-3:]}")

    def of(self, kind: type[Report]) -> list[Report]:
        return [report for report in self.told if isinstance(report, kind)]

    @property
    def names(self) -> set[str]:
        return {
            device["name"]
            for one in self.server.by_name.values()
            for device in one.spec.get("devices", ())
        }


def test_a_start_costs_four_requests() -> None:
    bench = Bench()
    bench.settle(devices(8))
    assert bench.server.requests == ["list", "watch", "node", "create"]


def test_a_start_over_slices_that_are_right_writes_nothing() -> None:
    first = Bench()
    first.settle(devices(8))
    second = Bench(MemoryServer(first.server.by_name))
    second.settle(devices(8))
    assert second.server.requests == ["list", "watch", "node"]


def test_nothing_is_asked_when_nothing_changes() -> None:
    bench = Bench()
    bench.settle(devices(3))
    before = list(bench.server.requests)
    for _ in range(3):
        assert bench.turn(devices(3)) == Settled()
    assert bench.server.requests == before


def test_a_node_without_devices_still_says_that_the_driver_runs() -> None:
    bench = Bench()
    bench.settle(Offer())
    assert [one.spec["devices"] for one in bench.server.by_name.values()] == [[]]


def test_what_somebody_removed_is_back_within_two_seconds() -> None:
    """D57: the reference driver looks again after a fixed 30 seconds."""
    bench = Bench()
    bench.settle(devices(130))
    for name in list(bench.server.by_name):
        bench.server.drop_slice(name)
    waits = bench.settle(devices(130))
    assert sum(waits) < 2
    assert len(bench.names) == 130
    published = bench.of(Published)[-1]
    assert isinstance(published, Published)
    assert published.repaired


def test_a_kubelet_that_deletes_slice_after_slice_causes_one_repair() -> None:
    bench = Bench()
    bench.settle(devices(640))
    reports = len(bench.of(Published))
    for name in list(bench.server.by_name):
        bench.server.drop_slice(name)
        assert isinstance(bench.turn(devices(640)), Again)
        bench.now += 0.05
    bench.settle(devices(640))
    assert len(bench.of(Published)) == reports + 1


def test_slices_that_never_come_to_rest_are_repaired_all_the_same() -> None:
    bench = Bench()
    bench.settle(devices(640))
    begun = bench.now
    writes = len(bench.server.writes)
    while len(bench.server.writes) == writes:
        bench.server.drop_slice(min(bench.server.by_name))
        bench.turn(devices(640))
        bench.now += 0.2
    assert bench.now - begun < 2


def test_after_five_repairs_in_a_minute_they_come_half_a_minute_apart() -> None:
    bench = Bench()
    bench.settle(devices(1))
    waits = []
    for _ in range(8):
        bench.server.drop_slice(next(iter(bench.server.by_name)))
        waits.append(sum(bench.settle(devices(1))))
    assert all(wait < 2 for wait in waits[:5])
    assert all(25 < wait <= 30 for wait in waits[5:])
    assert len(bench.of(Contested)) == 1


def test_repairs_are_fast_again_after_a_quiet_minute() -> None:
    bench = Bench()
    bench.settle(devices(1))
    for _ in range(6):
        bench.server.drop_slice(next(iter(bench.server.by_name)))
        bench.settle(devices(1))
    bench.now += 61
    for _ in range(2):
        bench.server.drop_slice(next(iter(bench.server.by_name)))
        assert sum(bench.settle(devices(1))) < 2


def test_our_own_changes_are_written_at_once_however_contested_the_slices_are() -> None:
    bench = Bench()
    bench.settle(devices(1))
    for _ in range(6):
        bench.server.drop_slice(next(iter(bench.server.by_name)))
        bench.settle(devices(1))
    assert sum(bench.settle(devices(2))) == 0


def test_a_node_that_was_made_anew_owns_the_repaired_slices() -> None:
    bench = Bench()
    bench.settle(devices(1))
    bench.server.node_uid = "another"
    bench.server.drop_slice(next(iter(bench.server.by_name)))
    bench.settle(devices(1))
    assert [one.owners[0]["uid"] for one in bench.server.by_name.values()] == ["another"]


def _without(field_name: str) -> Callable[[dict[str, object]], dict[str, object]]:
    def drop(spec: dict[str, object]) -> dict[str, object]:
        kept = {key: value for key, value in spec.items() if key != field_name}
        found = kept.get("devices")
        if isinstance(found, list):
            kept["devices"] = [
                {key: value for key, value in device.items() if key != field_name}
                for device in found
            ]
        return kept

    return drop


def test_a_device_whose_taint_the_server_drops_is_withdrawn_at_once() -> None:
    bench = Bench(MemoryServer(drop=_without("taints")))
    offer = Offer(devices=(*devices(1, taints=(TAINT,)).devices, *devices(2).devices[1:]))
    assert sum(bench.settle(offer)) == 0
    assert bench.names == {"gpu-1"}
    assert bench.of(Withdrawn) == [Withdrawn(devices=("gpu-0",))]
    assert bench.turn(offer) == Settled()


def test_a_device_whose_taint_is_gone_is_offered_again() -> None:
    bench = Bench(MemoryServer(drop=_without("taints")))
    bench.settle(devices(1, taints=(TAINT,)))
    bench.settle(devices(1))
    assert bench.names == {"gpu-0"}


@pytest.mark.parametrize("dropped", ["consumesCounters", "sharedCounters"])
def test_devices_whose_counters_the_server_drops_are_withdrawn(dropped: str) -> None:
    bench = Bench(MemoryServer(drop=_without(dropped)))
    offer = partitions(3)
    plain = Device(name="plain", board="other")
    bench.settle(replace(offer, devices=(*offer.devices, plain)))
    assert bench.names == {"plain"}
    assert bench.of(Withdrawn)


def test_a_server_that_learned_to_keep_taints_is_asked_anew_after_an_outage() -> None:
    bench = Bench(MemoryServer(drop=_without("taints")))
    bench.settle(devices(1, taints=(TAINT,)))
    bench.server.drop = lambda spec: spec
    bench.connect()
    bench.settle(devices(1, taints=(TAINT,)))
    assert bench.names == {"gpu-0"}


def test_another_form_of_the_server_is_taken_and_told_once() -> None:
    bench = Bench(MemoryServer(drop=_without("attributes")))
    offer = Offer(devices=(Device(name="a", board="a", attributes={"x": 1}),))
    bench.settle(offer)
    assert bench.turn(offer) == Settled()
    assert len(bench.of(Altered)) == 1
    assert len(bench.server.writes) == 1


@pytest.mark.parametrize(("minor", "slices"), [(34, 1), (35, 2), (36, 2)])
def test_the_layout_of_counters_is_what_the_server_takes(minor: int, slices: int) -> None:
    bench = Bench(MemoryServer(minor_version=minor))
    bench.settle(partitions(3))
    assert len(bench.server.by_name) == slices
    assert len(bench.names) == 3


def test_the_layout_follows_a_server_that_was_upgraded() -> None:
    """D82: the reference driver decides once, when it starts."""
    bench = Bench(MemoryServer(minor_version=34))
    bench.settle(partitions(3))
    bench.server.minor_version = 36
    bench.connect()
    bench.settle(partitions(3))
    assert len(bench.server.by_name) == 2


def test_what_cannot_be_published_is_told_once_and_hides_nothing_else() -> None:
    bench = Bench()
    wrong = Device(name="Wrong", board="b")
    offer = Offer(devices=(wrong, *devices(1).devices))
    bench.settle(offer)
    bench.turn(offer)
    assert bench.names == {"gpu-0"}
    assert len(bench.of(NotPublishable)) == 1


def test_a_conflict_is_looked_at_and_overcome() -> None:
    bench = Bench()
    bench.settle(devices(1))
    bench.server.tells = False
    bench.server.change(next(iter(bench.server.by_name)), devices=[{"name": "intruder"}])
    bench.settle(devices(2))
    assert bench.names == {"gpu-0", "gpu-1"}


def test_a_slice_that_disappears_meanwhile_is_made_anew() -> None:
    bench = Bench()
    bench.settle(devices(1))
    bench.server.tells = False
    bench.server.drop_slice(next(iter(bench.server.by_name)))
    bench.settle(devices(2))
    assert bench.names == {"gpu-0", "gpu-1"}


def test_conflicts_without_end_are_not_answered_without_pause() -> None:
    bench = Bench()
    bench.settle(devices(1))
    bench.server.fail = lambda request: ConflictError("no") if request == "replace" else None
    waits = [turn.seconds for _ in range(6) if isinstance(turn := bench.turn(devices(2)), Again)]
    assert waits[0] == 0
    assert waits[-1] == 1


@pytest.mark.parametrize("error", [InvalidError("no"), ForbiddenError("no")])
def test_a_refused_write_is_tried_again_later_and_later(error: KubeError) -> None:
    """D95: the reference driver never repeats a publication that failed."""
    bench = Bench()
    bench.server.fail = lambda request: error if request == "create" else None
    waits: list[float] = []
    for _ in range(12):
        turn = bench.turn(devices(1))
        assert isinstance(turn, Again)
        waits.append(turn.seconds)
        bench.now += turn.seconds
    assert waits == sorted(waits)
    assert waits[0] <= 2
    assert 300 <= waits[-1] <= 450
    assert len(bench.of(WriteFailed)) == 12


def test_a_refused_creation_is_made_again_without_another_look_at_the_node() -> None:
    left = [UnreachableError("busy", refused=True)] * 2
    bench = Bench()
    bench.server.fail = lambda request: left.pop() if request == "create" and left else None
    bench.settle(devices(2))
    assert bench.server.requests == ["list", "watch", "node", *3 * ["create"]]


def test_a_write_that_fails_for_weeks_is_tried_every_few_minutes() -> None:
    bench = Bench()
    bench.server.fail = lambda request: ForbiddenError("no") if request == "create" else None
    turn: Turn = Settled()
    for _ in range(2000):
        turn = bench.turn(devices(2))
        assert isinstance(turn, Again)
        bench.now += turn.seconds
    # Half of it is by chance.
    assert turn == Again(450.0)


def test_a_refused_write_is_not_tried_before_its_time_unless_the_offer_changes() -> None:
    bench = Bench()
    bench.server.fail = lambda request: InvalidError("no") if request == "create" else None
    bench.turn(devices(1))
    bench.turn(devices(1))
    assert len(bench.server.writes) == 1
    bench.turn(devices(2))
    assert len(bench.server.writes) == 2


def test_a_write_without_an_answer_makes_everything_uncertain() -> None:
    bench = Bench()
    bench.server.fail = lambda request: UnreachableError("?") if request == "create" else None
    assert bench.turn(devices(1)) == Disconnected()
    assert bench.turn(devices(1)) == Unknown()


def test_a_server_that_is_too_busy_is_left_alone_as_long_as_it_asks() -> None:
    bench = Bench()
    busy = UnreachableError("busy", refused=True, retry_after_seconds=7)
    bench.server.fail = lambda request: busy if request == "create" else None
    turn = bench.turn(devices(1))
    assert isinstance(turn, Again)
    assert turn.seconds >= 7
    assert bench.mirror.slices() is not None


def test_a_server_that_changes_each_write_is_not_written_to_without_pause() -> None:
    def recounted(spec: Json) -> Json:
        return {**spec, "pool": {**spec["pool"], "resourceSliceCount": 2}}

    bench = Bench(MemoryServer(drop=recounted))
    waits: list[float] = []
    for _ in range(40):
        turn = bench.turn(devices(1))
        assert isinstance(turn, Again)
        waits.append(turn.seconds)
        bench.now += turn.seconds
    assert sum(waits) > 15 * 30 * 0.9
    assert max(waits) == 30
    assert len(bench.of(Contested)) == 1


def test_devices_of_many_slices_are_withdrawn_without_a_pause() -> None:
    bench = Bench(MemoryServer(drop=_without("taints")))
    assert sum(bench.settle(devices(640, taints=(TAINT,)))) == 0
    assert bench.names == set()


def test_no_write_is_begun_after_the_lock_was_given_up() -> None:
    bench = Bench()
    bench.allowed = False
    bench.turn(devices(1))
    assert bench.server.writes == []


def test_late_news_of_a_slice_that_we_deleted_do_not_bring_it_back() -> None:
    bench = Bench()
    bench.settle(devices(130))
    last = max(bench.mirror.slices() or (), key=lambda one: one.name)
    bench.server.tells = False
    bench.settle(devices(1))
    bench.mirror.apply(SliceChanged(replace(last, resource_version="999999")))
    requests = len(bench.server.requests)
    assert bench.turn(devices(1)) == Settled()
    assert len(bench.server.requests) == requests


OFFERS = st.one_of(
    st.integers(0, 200).map(devices),
    st.integers(1, 3).map(partitions),
    st.integers(1, 70).map(lambda count: devices(count, taints=(TAINT,))),
)


@given(
    st.lists(st.tuples(OFFERS, st.sampled_from(["drop", "change", "bump", "nothing"])), max_size=5)
)
def test_any_offer_over_any_mischief_comes_to_rest_as_it_should_be(
    steps: list[tuple[Offer, str]],
) -> None:
    bench = Bench()
    for offer, mischief in steps:
        bench.settle(offer)
        assert bench.names == {device.name for device in offer.devices}
        name = min(bench.server.by_name)
        match mischief:
            case "drop":
                bench.server.drop_slice(name)
            case "change":
                kept = (
                    "sharedCounters"
                    if "sharedCounters" in bench.server.by_name[name].spec
                    else "devices"
                )
                bench.server.change(name, **{kept: []})
            case "bump":
                pool = bench.server.by_name[name].spec["pool"]
                bench.server.change(name, pool={**pool, "generation": pool["generation"] + 5})
            case _:
                pass
        bench.settle(offer)
        assert bench.names == {device.name for device in offer.devices}
        before = len(bench.server.requests)
        assert bench.turn(offer) == Settled()
        assert len(bench.server.requests) == before
