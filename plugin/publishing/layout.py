"""Which device lies in which slice of the pool."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from plugin.publishing import limits
from plugin.publishing.device import (
    CounterSet,
    Device,
    Json,
    TaintEffect,
    render_counter_set,
    render_device,
)

_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A device that cannot be published, and why, as half a sentence."""

    device: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a node has to offer."""

    devices: tuple[Device, ...] = ()
    """In order of preference; the devices of a board stand together."""
    counter_sets: tuple[CounterSet, ...] = ()

    @property
    def depends_on_release(self) -> bool:
        """Say whether servers of different versions take it in different forms."""
        return any(
            device.consumes
            or len(device.taints) > limits.OLD_TAINTS_PER_DEVICE
            or any(taint.effect is TaintEffect.NONE for taint in device.taints)
            for device in self.devices
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The contents of the slices of a pool, at least one, in order."""

    contents: tuple[Json, ...]
    """Each holds `devices`, `sharedCounters`, or before 1.35 both."""
    left_out: tuple[LeftOut, ...]


def lay_out(offer: Offer, *, minor: int) -> Layout:
    """Return the slices for an offer.

    Without counters, boards are put into slices until 64 devices are reached, none across two
    slices if it fits into one. With counters, every board has slices of its own, so that a
    change to one board rewrites no other; counter sets that nothing consumes are not published.

    Args:
        offer: What to publish.
        minor: The server's minor version of Kubernetes 1.
    """
    accepted, left_out = _sorted_out(offer, minor)
    consumed = {one.counter_set for device in accepted for one in device.consumes}
    sets = [
        counter_set
        for name, counter_set in limits.usable(offer.counter_sets).items()
        if name in consumed
    ]
    if not sets:
        contents = [_devices(devices) for devices in _packed(accepted)]
    elif minor >= limits.FIRST_SPLIT_MINOR:
        contents = [
            {"sharedCounters": [render_counter_set(one) for one in some]}
            for some in _chunks(sets, limits.COUNTER_SETS_PER_SLICE)
        ]
        contents += (
            _devices(devices)
            for board in _boards(accepted)
            for devices in _chunks(board, limits.DEVICES_PER_SLICE)
        )
    else:
        contents, more = _combined(accepted, sets)
        left_out += more
    return Layout(
        contents=tuple(contents) or (_devices(()),),
        left_out=tuple(left_out),
    )


def _sorted_out(offer: Offer, minor: int) -> tuple[list[Device], list[LeftOut]]:
    """Return the devices that the server takes one by one, and the others."""
    counter_sets = limits.usable(offer.counter_sets)
    accepted: dict[str, Device] = {}
    left_out: list[LeftOut] = []
    for device in offer.devices:
        fault = limits.fault_of_device(device, counter_sets)
        if fault is None and device.name in accepted:
            fault = "another device has its name"
        if fault is not None:
            left_out.append(LeftOut(device.name, fault))
        else:
            accepted[device.name] = limits.with_bearable_taints(device, minor)
    return list(accepted.values()), left_out


def _packed(devices: Sequence[Device]) -> Iterator[list[Device]]:
    room: list[Device] = []
    for board in _boards(devices):
        if room and len(room) + len(board) > limits.DEVICES_PER_SLICE:
            yield room
            room = []
        room = [*room, *board]
        while len(room) > limits.DEVICES_PER_SLICE:
            yield room[: limits.DEVICES_PER_SLICE]
            room = room[limits.DEVICES_PER_SLICE :]
    if room:
        yield room


def _combined(
    devices: Sequence[Device], sets: Sequence[CounterSet]
) -> tuple[list[Json], list[LeftOut]]:
    """Return slices that hold a board's counter sets and its devices, and what fits nowhere."""
    contents: list[Json] = []
    left_out: list[LeftOut] = []
    for board in _boards(devices):
        own = [one for one in sets if one.board == board[0].board]
        held: list[Device] = []
        consumed = 0
        counters = sum(len(one.counters) for one in own)
        names = {one.name for one in own}
        for device in board:
            more = sum(len(one.counters) for one in device.consumes)
            if counters > limits.COUNTERS_PER_SET:
                reason = "the counters of its board do not fit into one slice"
            elif not names.issuperset(one.counter_set for one in device.consumes):
                reason = "it consumes counters of another board"
            elif (
                len(held) == limits.DEVICES_PER_SLICE
                or consumed + more > limits.OLD_CONSUMED_PER_SLICE
            ):
                reason = "the devices of its board do not fit into one slice"
            else:
                held.append(device)
                consumed += more
                continue
            left_out.append(LeftOut(device.name, f"{reason}, which servers before 1.35 need"))
        if held:
            used = {one.counter_set for device in held for one in device.consumes}
            shared = [render_counter_set(one) for one in own if one.name in used]
            contents.append(({"sharedCounters": shared} if shared else {}) | _devices(held))
    return contents, left_out


def _boards(devices: Iterable[Device]) -> list[list[Device]]:
    """Return the devices board by board, in the order of each board's first device."""
    boards: dict[str, list[Device]] = {}
    for device in devices:
        boards.setdefault(device.board, []).append(device)
    return list(boards.values())


def _chunks(items: Sequence[_Item], size: int) -> list[Sequence[_Item]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _devices(devices: Iterable[Device]) -> Json:
    return {"devices": [render_device(device) for device in devices]}
