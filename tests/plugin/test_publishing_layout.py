"""Which device lies in which slice, and that no slice is more than a server takes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.publishing.device import Consumption, CounterSet, Device, Taint, TaintEffect, Version
from plugin.publishing.layout import Layout, Offer, lay_out
from plugin.publishing.limits import fault_of_device
from tests.plugin.slice_server import NODE, MemoryServer

MINORS = st.sampled_from([34, 35, 36])


@st.composite
def offers(draw: st.DrawFn) -> Offer:
    """Draw what health, MIG and mistakes of ours could ask for."""
    boards = draw(st.integers(0, 10))
    sets = [
        CounterSet(
            name=f"set-{board}-{number}",
            board=f"board-{board}",
            counters={f"c{one}": 1 for one in range(draw(st.integers(0, 40)))},
        )
        for board in range(boards)
        for number in range(draw(st.integers(0, 2)))
    ]
    devices: list[Device] = []
    for board in range(boards):
        own = [one for one in sets if one.board == f"board-{board}"] or sets
        for number in range(draw(st.sampled_from([0, 1, 3, 20, 70]))):
            taken = own[: number % 4] if draw(st.integers(0, 3)) else []
            devices.append(
                Device(
                    name=f"gpu-{board}-{number}" if number % 17 else f"gpu-{number}",
                    board=f"board-{board}",
                    attributes={f"a{one}": one for one in range(number % 40)},
                    taints=tuple(
                        Taint(key=f"t{one}", value="", effect=list(TaintEffect)[one % 3])
                        for one in range(number % 19)
                    ),
                    consumes=tuple(
                        Consumption(
                            counter_set=one.name, counters=dict(list(one.counters.items())[:3])
                        )
                        for one in taken
                    ),
                )
            )
    return Offer(devices=tuple(devices), counter_sets=tuple(sets))


def names(layout: Layout) -> list[str]:
    return [device["name"] for one in layout.contents for device in one.get("devices", ())]


@given(offers(), MINORS)
def test_whatever_is_offered_the_server_takes_the_slices(offer: Offer, minor: int) -> None:
    layout = lay_out(offer, minor=minor)
    server = MemoryServer(minor_version=minor)
    for number, content in enumerate(layout.contents):
        pool = {"name": NODE, "generation": 1, "resourceSliceCount": len(layout.contents)}
        server.create({"generateName": f"{number:05x}-"}, {"pool": pool, **content})
    left_out = [one.device for one in layout.left_out]
    assert sorted(names(layout) + left_out) == sorted(device.name for device in offer.devices)
    assert len(set(names(layout))) == len(names(layout))


@given(offers(), MINORS)
def test_every_counter_that_a_device_consumes_is_published_once(offer: Offer, minor: int) -> None:
    layout = lay_out(offer, minor=minor)
    published = [
        (one["name"], counter)
        for content in layout.contents
        for one in content.get("sharedCounters", ())
        for counter in one["counters"]
    ]
    consumed = {
        (one["counterSet"], counter)
        for content in layout.contents
        for device in content.get("devices", ())
        for one in device.get("consumesCounters", ())
        for counter in one["counters"]
    }
    assert consumed <= set(published)
    assert len(set(published)) == len(published)
    assert {name for name, _ in published} == {name for name, _ in consumed}


def plain(board: int, count: int) -> list[Device]:
    return [Device(name=f"gpu-{board}-{one}", board=str(board)) for one in range(count)]


def sizes(*boards: int) -> list[int]:
    devices = [device for board, count in enumerate(boards) for device in plain(board, count)]
    layout = lay_out(Offer(devices=tuple(devices)), minor=36)
    return [len(one["devices"]) for one in layout.contents]


def test_boards_share_slices_and_none_lies_in_two_if_it_fits_into_one() -> None:
    """D84: the reference driver has one slice, which holds 128 devices, or 64 with taints."""
    assert sizes(*[1] * 8) == [8]
    assert sizes(*[7] * 8) == [56]
    assert sizes(*[7] * 10) == [63, 7]
    assert sizes(60, 5, 59, 1) == [60, 64, 1]
    assert sizes(130, 1) == [64, 64, 3]
    assert sizes() == [0]


def counted(boards: int, *, of_each: int = 3) -> Offer:
    return Offer(
        counter_sets=tuple(
            CounterSet(name=f"set-{board}", board=str(board), counters={"memory": 8})
            for board in range(boards)
        ),
        devices=tuple(
            Device(
                name=f"gpu-{board}-{number}",
                board=str(board),
                consumes=(Consumption(counter_set=f"set-{board}", counters={"memory": 1}),),
            )
            for board in range(boards)
            for number in range(of_each)
        ),
    )


def test_since_1_35_counters_lie_in_slices_of_their_own_before_the_devices() -> None:
    """D83: the reference driver puts all counter sets into one slice, which holds eight."""
    layout = lay_out(counted(9), minor=35)
    counters = [len(one.get("sharedCounters", ())) for one in layout.contents]
    assert counters == [8, 1, *[0] * 9]
    assert [len(one.get("devices", ())) for one in layout.contents] == [0, 0, *[3] * 9]


def test_before_1_35_a_board_lies_with_its_counters() -> None:
    layout = lay_out(counted(9), minor=34)
    assert [len(one["sharedCounters"]) for one in layout.contents] == [1] * 9
    assert [len(one["devices"]) for one in layout.contents] == [3] * 9


def test_what_fits_into_no_old_slice_is_left_out_with_a_reason() -> None:
    layout = lay_out(counted(1, of_each=65), minor=34)
    (one,) = layout.left_out
    assert one.device == "gpu-0-64"
    assert "before 1.35" in one.reason
    assert not lay_out(counted(1, of_each=65), minor=35).left_out


def test_a_counter_set_that_nothing_consumes_is_not_published() -> None:
    """D86: an empty counter set broke the reference driver's publication."""
    offer = Offer(devices=tuple(plain(0, 1)), counter_sets=counted(1).counter_sets)
    assert lay_out(offer, minor=36).contents == ({"devices": [{"name": "gpu-0-0"}]},)


def test_old_servers_get_the_worst_taints_that_they_take() -> None:
    """D97: the reference driver sends effect None to servers that refuse it."""
    effects = (TaintEffect.NONE, TaintEffect.NO_SCHEDULE, TaintEffect.NO_EXECUTE)
    taints = tuple(
        Taint(key=f"t{number}", value="", effect=effects[number % 3]) for number in range(12)
    )
    offer = Offer(devices=(Device(name="a", board="a", taints=taints),))

    def sent(minor: int) -> list[str]:
        (content,) = lay_out(offer, minor=minor).contents
        return [taint["effect"] for taint in content["devices"][0]["taints"]]

    assert sent(34) == ["NoExecute"] * 4
    assert sent(36) == [taint.effect.value for taint in taints]


def cut(*consumed: tuple[str, int], counters: int = 16) -> Offer:
    """Return one board with two sets, and a device for each set and number of its counters."""
    names = [f"c{number}" for number in range(counters)]
    sets = tuple(
        CounterSet(name=name, board="0", counters=dict.fromkeys(names, 1)) for name in ("a", "b")
    )
    return Offer(
        counter_sets=sets,
        devices=tuple(
            Device(
                name=f"part-{number}",
                board="0",
                consumes=(
                    Consumption(counter_set=name, counters=dict.fromkeys(names[:count], 1)),
                ),
            )
            for number, (name, count) in enumerate(consumed)
        ),
    )


def test_an_old_slice_holds_only_the_counters_that_its_devices_consume() -> None:
    layout = lay_out(cut(*[("a", 1)] * 64, ("b", 1)), minor=34)
    (content,) = layout.contents
    assert [one["name"] for one in content["sharedCounters"]] == ["a"]
    assert [one.device for one in layout.left_out] == ["part-64"]


def test_the_devices_of_an_old_slice_consume_no_more_than_it_may() -> None:
    layout = lay_out(cut(*[("a", 32)] * 40, counters=32), minor=34)
    assert len(names(layout)) == 1024 // 32
    assert len(layout.left_out) == 8


def test_counters_that_fit_into_no_old_slice_leave_their_devices_out() -> None:
    layout = lay_out(cut(("a", 1), ("b", 1), counters=17), minor=34)
    assert [one.reason.partition(",")[0] for one in layout.left_out] == [
        "the counters of its board do not fit into one slice"
    ] * 2
    assert layout.contents == ({"devices": []},)


SET = CounterSet(name="set", board="0", counters={"memory": 8})


def consuming(*names: str, counter: str = "memory") -> Device:
    return Device(
        name="a",
        board="0",
        consumes=tuple(Consumption(counter_set=name, counters={counter: 1}) for name in names),
    )


@pytest.mark.parametrize(
    ("device", "said"),
    [
        (Device(name="gpu-0", board="0"), None),
        (Device(name="Gpu", board="0"), "no DNS label"),
        (Device(name="", board="0"), "no DNS label"),
        (Device(name="a" * 64, board="0"), "no DNS label"),
        (Device(name="a-", board="0"), "no DNS label"),
        (Device(name="a", board="0", capacity=dict.fromkeys(map(chr, range(65, 91)), 1)), None),
        (
            Device(name="a", board="0", attributes={f"a{one}": 1 for one in range(33)}),
            "more than 32",
        ),
        (Device(name="a", board="0", attributes={"a-b": 1}), "'a-b'"),
        (Device(name="a", board="0", attributes={"a" * 33: 1}), "no name of an attribute"),
        (Device(name="a", board="0", attributes={"k8s.io/a": 1, "_a1": 1}), None),
        (Device(name="a", board="0", attributes={"a": "x" * 64}), None),
        (Device(name="a", board="0", attributes={"a": "x" * 65}), "longer than 64"),
        (Device(name="a", board="0", attributes={"a": "ü" * 33}), "longer than 64"),
        (Device(name="a", board="0", attributes={"a": Version("1" * 65)}), "longer than 64"),
        (consuming("set"), None),
        (consuming("set", "set", "set"), "more than 2 counter sets"),
        (consuming("other"), "no usable counter set 'other'"),
        (consuming("set", counter="other"), "no counter 'other'"),
        (
            Device(name="a", board="0", consumes=(Consumption(counter_set="set", counters={}),)),
            "no counter of 'set'",
        ),
    ],
)
def test_why_a_device_cannot_be_published_is_said(device: Device, said: str | None) -> None:
    fault = fault_of_device(device, {SET.name: SET})
    assert (fault is None) if said is None else (fault is not None and said in fault)


def test_a_counter_set_that_the_server_refuses_leaves_its_devices_out() -> None:
    for bad in ({}, {f"c{one}": 1 for one in range(33)}, {"camelCase": 1}):
        offer = Offer(
            devices=(consuming("set"),),
            counter_sets=(CounterSet(name="set", board="0", counters=bad),),
        )
        assert [one.device for one in lay_out(offer, minor=36).left_out] == ["a"]
