"""What a client in the kubelet's place measures: one claim over and over, beside few or many."""

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.allocated import NODES, SLICES, Caller, Claims
from benchmarks.comparison import REPEATS, Row, compare
from benchmarks.cores import cpu_seconds, resident_mebibytes
from benchmarks.plugins import MINIMAL, Kind, Place, ours, running
from benchmarks.publication import wait_devices
from plugin.rpc.stubs.kubelet_dra_v1_pb2 import Claim
from tests.cluster.node import Node

INDEPENDENT_GOAL: Final = 1.2
"""What a claim may cost with a hundred others prepared, beside one other."""
MEBIBYTES_GOAL: Final = 80.0
DEVICES: Final = (1, 8)
FEW: Final = 1
MANY: Final = 100
_MILLISECONDS: Final = 1e3
_BOARDS: Final = 8


@dataclass(frozen=True, slots=True)
class _Side:
    """A plugin that runs without a kubelet, and the claims that are measured on it."""

    caller: Caller
    claim_by_devices: dict[int, Claim]
    process: int


@dataclass(frozen=True, slots=True)
class _Sample:
    """One stretch of preparing and unpreparing one claim."""

    prepared: list[float]
    """In seconds, the least first."""
    unprepared: list[float]
    cpu_seconds: float
    """Of the plugin, for both together."""


def rows(node: Node, claims: Claims, folder: Path, seconds: float) -> Iterator[Row]:
    """Yield how long claims take, and what the plugin takes of memory with many of them."""
    with ExitStack() as stack:

        def side(name: str, kind: Kind, others: int) -> _Side:
            return stack.enter_context(_side(node, claims, folder / name, name, kind, others))

        kind = ours("h100-mig")
        few, many = side("few", kind, FEW), side("many", kind, MANY)
        minimal = side("minimal", MINIMAL, 0)
        repeats = 1 if seconds < 1 else REPEATS
        for devices in DEVICES:
            found = _samples((few, many, minimal), devices, repeats, seconds / repeats)
            yield from _client_rows(devices, *found)
        yield Row(
            f"resident memory with 56 devices and {MANY} prepared claims",
            "MiB",
            resident_mebibytes(many.process),
            resident_mebibytes(minimal.process),
            None,
            goal=MEBIBYTES_GOAL,
        )


def _client_rows(
    devices: int, few: list[_Sample], many: list[_Sample], minimal: list[_Sample]
) -> Iterator[Row]:
    quantiles = ((0.5, "p50"), (0.99, "p99"))
    picks: tuple[tuple[str, Callable[[_Sample], list[float]]], ...] = (
        ("prepare", lambda one: one.prepared),
        ("unprepare", lambda one: one.unprepared),
    )
    for operation, pick in picks:
        for share, name in quantiles:
            what = f"{operation} by a client, {devices_text(devices)}: {name}"
            mine, full, peer = (
                [_quantile(pick(one), share) for one in side] for side in (few, many, minimal)
            )
            yield compare(what, "ms", mine, peer, scale=_MILLISECONDS)
            yield compare(
                f"{what}, with {MANY} prepared claims beside {FEW}",
                "ms",
                full,
                mine,
                goal=INDEPENDENT_GOAL if share == quantiles[0][0] else None,
                scale=_MILLISECONDS,
            )
    yield compare(
        f"prepare and unprepare, {devices_text(devices)}: CPU of the plugin",
        "ms",
        [one.cpu_seconds for one in few],
        [one.cpu_seconds for one in minimal],
        scale=_MILLISECONDS,
    )


@contextmanager
def _side(
    node: Node, claims: Claims, folder: Path, name: str, kind: Kind, others: int
) -> Generator[_Side]:
    """Run a plugin on a node of its own, with so many claims already prepared."""
    pool = f"bench-{name}"
    client = node.client
    client.create(NODES, {"metadata": {"name": pool}})
    place = Place.alone(pool, node.control_plane.kubeconfig, folder)
    try:
        with (
            running(kind, place) as process,
            Caller(place.socket(kind)) as caller,
        ):
            free, taken = _split(wait_devices(node.client, pool))
            for number in range(others):
                admin = number >= len(taken)
                device = taken[number % len(taken)]
                claim = claims.allocate(
                    f"{name}-other-{number}", kind.driver, pool, [device], admin=admin
                )
                caller.prepare(claim)
            measured = {
                count: claims.allocate(f"{name}-{count}", kind.driver, pool, free[:count])
                for count in DEVICES
            }
            yield _Side(caller, measured, process)
    finally:
        client.delete(SLICES, fieldSelector=f"spec.nodeName={pool}")
        client.delete(f"{NODES}/{pool}")


def _split(devices: list[str]) -> tuple[list[str], list[str]]:
    """Return eight devices, one of each board where there are parts, and the others."""
    each = len(devices) // _BOARDS
    free = devices[::each]
    return free, [one for one in devices if one not in free]


def _samples(
    sides: tuple[_Side, ...], devices: int, repeats: int, seconds: float
) -> list[list[_Sample]]:
    found: list[list[_Sample]] = [[] for _ in sides]
    for _ in range(repeats):
        for side, samples in zip(sides, found, strict=True):
            samples.append(_stretch(side, devices, seconds))
    return found


def _stretch(side: _Side, devices: int, seconds: float) -> _Sample:
    prepared: list[float] = []
    unprepared: list[float] = []
    before = cpu_seconds(side.process)
    claim = side.claim_by_devices[devices]
    while not prepared or sum(prepared) + sum(unprepared) < seconds:
        prepared.append(side.caller.prepare(claim))
        unprepared.append(side.caller.unprepare(claim))
    spent = (cpu_seconds(side.process) - before) / len(prepared)
    return _Sample(sorted(prepared), sorted(unprepared), spent)


def _quantile(values: list[float], share: float) -> float:
    return values[min(len(values) - 1, int(len(values) * share))]


def devices_text(count: int) -> str:
    """Return a number of devices in words."""
    return f"{count} device{'s' if count > 1 else ''}"
