"""What is offered follows what the machine shows, and what keeps devices back."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from plugin.checkpoint import CheckpointError
from plugin.device_upkeep import DeviceUpkeep
from plugin.hardware.errors import VersionMismatchError
from plugin.hardware.simulation.partitioning import GpuInstancePlan
from plugin.neighbours import Neighbours
from plugin.present_devices import PresentDevices, Sight
from plugin.publishing.layout import Offer
from plugin.reporting import Reporting
from plugin.rpc.health import Health, HealthBoard
from tests.plugin.machine_rigs import FakeRig, profile
from tests.plugin.publishing_fixtures import MemoryBook


@dataclass
class Told:
    """Takes what is reported, in the place of log, metrics and Events."""

    sentences: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    counts: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    recovered: int = 0

    def of_node(self, reason: str, sentence: str) -> None:
        self.sentences.append((reason, sentence))

    def of_recovered_node(self) -> None:
        self.recovered += 1

    def of_devices(self, *, present: int, withheld: int) -> None:
        self.counts.append((present, withheld))


@dataclass
class Others:
    """Neighbours that a test decides on."""

    sentences: tuple[str, ...] = ()
    known: bool = True

    def look(self) -> tuple[str, ...]:
        return self.sentences


class Upkeep:
    """One upkeep over a simulated machine."""

    def __init__(self, folder: Path, plan: str = "h100") -> None:
        self.rig = FakeRig(profile(plan), folder, deadline_seconds=60)
        self.offers: list[Offer] = []
        self.told = Told()
        self.board = HealthBoard()
        self.others = Others()
        self.withheld: Callable[[Sight], Mapping[str, str]] = lambda _: {}
        self.upkeep = DeviceUpkeep(
            PresentDevices(self.rig.machine, MemoryBook()),
            self.offers.append,
            self.board,
            pool="node-a",
            simulated=True,
            neighbours=cast("Neighbours", self.others),
            withheld=self._withheld_now,
            reporting=cast("Reporting", self.told),
        )

    def _withheld_now(self, sight: Sight) -> Mapping[str, str]:
        return self.withheld(sight)

    def offered(self) -> list[str]:
        return [device.name for device in self.offers[-1].devices]


@pytest.fixture
def here(tmp_path: Path) -> Upkeep:
    return Upkeep(tmp_path)


def test_all_devices_are_offered_and_their_health_is_unknown(here: Upkeep) -> None:
    assert here.upkeep.look()
    assert here.offered() == [f"gpu-{number}" for number in range(8)]
    assert here.told.counts == [(8, 0)]
    assert here.told.sentences == []
    listed = here.board.latest().devices
    assert {one.health for one in listed} == {Health.UNKNOWN.value}
    assert [one.device.device_name for one in listed] == here.offered()


def test_mig_devices_that_an_administrator_makes_appear_at_the_next_look(here: Upkeep) -> None:
    """D78: what changes on the machine after the start is noticed."""
    here.upkeep.look()
    gpu = here.rig.machine.inventory().gpus[0]
    instances = (GpuInstancePlan(profile="1g.10gb", start=0),)
    here.rig.repartition(gpu.uuid, enabled=True, instances=instances)
    here.upkeep.look()
    assert here.offered()[0].startswith("gpu-0-mig-")
    assert here.offered()[1:] == [f"gpu-{number}" for number in range(1, 8)]


def test_before_the_driver_is_there_nothing_is_offered_and_it_is_said_once(here: Upkeep) -> None:
    """D85: an empty offer would look like a node without GPUs."""
    here.rig.break_machine("no-driver")
    assert not here.upkeep.look()
    assert not here.upkeep.look()
    assert here.offers == []
    ((reason, sentence),) = here.told.sentences
    assert reason == "DriverNotReady"
    assert sentence.startswith("The GPUs of this node cannot be read: ")
    here.rig.repair()
    assert here.upkeep.look()
    assert len(here.offered()) == 8
    assert here.told.recovered == 1


def test_when_the_driver_goes_away_its_devices_are_taken_back(here: Upkeep) -> None:
    here.upkeep.look()
    here.rig.break_machine("no-driver")
    assert not here.upkeep.look()
    assert here.offered() == []


def test_a_replaced_driver_ends_the_thread(here: Upkeep) -> None:
    here.rig.break_machine("other-version")
    with pytest.raises(VersionMismatchError):
        here.upkeep.run(threading.Event())


def test_beside_a_neighbour_nothing_is_offered_until_it_goes(here: Upkeep) -> None:
    """D125: two offers of the same GPUs are noticed by itself."""
    here.others.sentences = ("A device plugin offers nvidia.com/gpu.",)
    assert here.upkeep.look()
    assert here.offered() == []
    assert here.told.sentences == [("DevicesNotOffered", "A device plugin offers nvidia.com/gpu.")]
    here.others.sentences = ()
    here.upkeep.look()
    assert len(here.offered()) == 8
    here.others.sentences = ("A device plugin offers nvidia.com/gpu.",)
    here.upkeep.look()
    assert here.offered() == []


def test_a_neighbour_of_whom_nothing_is_known_is_looked_for_again_soon(here: Upkeep) -> None:
    here.others.sentences, here.others.known = ("The API server does not answer.",), False
    assert not here.upkeep.look()
    assert here.offers == []


def test_a_device_that_is_withheld_is_not_offered_and_counted(here: Upkeep) -> None:
    why = "Nobody knows which claim has it."
    here.withheld = lambda _: {"gpu-3": why, "gpu-5": why}
    here.upkeep.look()
    assert here.offered() == [f"gpu-{number}" for number in (0, 1, 2, 4, 6, 7)]
    assert here.told.counts == [(8, 2)]
    assert here.told.sentences == [("DevicesNotOffered", f"Not offered: gpu-3, gpu-5. {why}")]


def test_while_the_records_cannot_be_read_the_last_offer_stays(here: Upkeep) -> None:
    here.upkeep.look()

    def unreadable(_: Sight) -> Mapping[str, str]:
        raise CheckpointError("The records of claims could not be listed.")

    here.withheld = unreadable
    here.rig.ail(here.rig.machine.inventory().gpus[0].uuid, "unreadable")
    assert here.upkeep.look()
    assert len(here.offers) == 1
    assert here.told.sentences[0][0] == "DevicesNotOffered"


def test_the_same_trouble_is_told_once_and_again_after_it_was_gone(here: Upkeep) -> None:
    uuid = here.rig.machine.inventory().gpus[0].uuid
    here.rig.ail(uuid, "unreadable")
    here.upkeep.look()
    here.upkeep.look()
    assert len(here.told.sentences) == 1
    here.rig.repair()
    here.upkeep.look()
    assert here.told.recovered == 1
    here.rig.ail(uuid, "unreadable")
    here.upkeep.look()
    assert len(here.told.sentences) == 2
