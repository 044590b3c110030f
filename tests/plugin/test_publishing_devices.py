"""What a machine's devices are called, and what users can select them by."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugin.hardware.errors import GpuLostError
from plugin.hardware.facts import Gpu, Inventory, MigMode, UnreadableGpu
from plugin.publishing.allocatable import enumerate_devices, mig_name
from plugin.publishing.device import Device, Version, binary, render_device
from plugin.publishing.device_names import Board, NameFile, UnwritableNamesError, named
from plugin.publishing.limits import fault_of_device
from plugin.publishing.rendering import bounded, canonical_version, render_devices
from tests.plugin.machine_rigs import FakeRig
from tests.plugin.publishing_fixtures import LONG_SECONDS, MemoryBook, machine, offer_of

ALL = ("a100", "broken", "gb200", "h100", "h100-mig", "h200", "l4", "mixed")


def inventory(profile: str, folder: Path) -> Inventory:
    rig = FakeRig(machine(profile), folder, deadline_seconds=LONG_SECONDS)
    try:
        return rig.machine.inventory()
    finally:
        rig.close()


def by_name(profile: str, folder: Path) -> dict[str, Device]:
    return {device.name: device for device in offer_of(profile, folder).devices}


def test_a_whole_gpu_tells_what_it_is(tmp_path: Path) -> None:
    (gpu, *_) = inventory("h100", tmp_path / "a").gpus
    device = by_name("h100", tmp_path / "b")["gpu-0"]
    assert device.attributes == {
        "type": "gpu",
        "uuid": gpu.uuid,
        "productName": "NVIDIA H100 80GB HBM3",
        "brand": "Nvidia",
        "architecture": "Hopper",
        "cudaComputeCapability": Version("9.0.0"),
        "driverVersion": Version("550.163.1"),
        "cudaDriverVersion": Version("12.4.0"),
        "addressingMode": "HMM",
        "resource.kubernetes.io/pciBusID": "0000:1b:00.0",
        "resource.kubernetes.io/pcieRoot": "pci0000:15",
        "resource.kubernetes.io/numaNode": 0,
        "simulated": True,
    }
    assert device.capacity == {"memory": 85520809984}


def test_a_mig_device_tells_what_it_is_and_whose(tmp_path: Path) -> None:
    (gpu, *_) = inventory("h100-mig", tmp_path / "a").gpus
    mig = gpu.mig_devices[2]
    device = by_name("h100-mig", tmp_path / "b")["gpu-0-mig-1g10gb-19-2"]
    assert device.board == gpu.uuid
    expected = {"type": "mig", "uuid": mig.uuid, "parentUUID": gpu.uuid, "profile": "1g.10gb"}
    assert device.attributes.items() >= expected.items()
    assert device.attributes["productName"] == "NVIDIA H100 80GB HBM3"
    assert device.capacity == {
        "multiprocessors": 16,
        "copyEngines": 1,
        "decoders": 1,
        "encoders": 0,
        "jpegEngines": 1,
        "ofaEngines": 0,
        "memory": 9984 * 2**20,
        "memorySlice2": 1,
    }


def test_devices_stand_by_address_of_their_board_and_then_by_placement(tmp_path: Path) -> None:
    """D81: the reference driver's order is that of a map, and the scheduler takes the first device
    that fits.
    """
    names = list(by_name("mixed", tmp_path))
    assert names == [
        "gpu-0",
        "gpu-1-mig-1g10gb-19-0",
        "gpu-1-mig-1g10gb-me-20-1",
        "gpu-1-mig-1c2g20gb-14-2-ci0",
        "gpu-1-mig-3g40gb-9-4",
        "gpu-5-mig-2c4g40gb-5-0-ci0",
        "gpu-5-mig-1c4g40gb-5-0-ci1",
        "gpu-5-mig-2g20gb-14-4",
        "gpu-4",
        "gpu-2",
        "gpu-3",
    ]


def test_broken_gpus_hide_nothing_and_are_named(tmp_path: Path) -> None:
    """D76: with the reference driver one unreadable GPU fails the whole node."""
    found = enumerate_devices(inventory("broken", tmp_path), MemoryBook())
    assert [device.gpu.pci_address for device in found.devices] == ["0000:1b:00.0", "0000:9d:00.0"]
    for address in ("0000:43:00.0", "0000:52:00.0", "0000:61:00.0"):
        assert any(address in warning for warning in found.warnings)


def test_what_this_release_does_not_know_is_unknown(tmp_path: Path) -> None:
    """D76: with the reference driver an unknown brand fails the whole node."""
    (*_, device) = offer_of("broken", tmp_path).devices
    assert (device.attributes["architecture"], device.attributes["brand"]) == (
        "Unknown",
        "Unknown",
    )


@pytest.mark.parametrize("profile", ALL)
def test_no_device_of_any_profile_breaks_a_limit(profile: str, tmp_path: Path) -> None:
    devices = offer_of(profile, tmp_path).devices
    assert len({device.name for device in devices}) == len(devices) > 0
    assert [fault_of_device(device, {}) for device in devices] == [None] * len(devices)


def test_a_real_machine_does_not_say_that_it_is_simulated(tmp_path: Path) -> None:
    read = inventory("l4", tmp_path)
    found = enumerate_devices(read, MemoryBook())
    for device in render_devices(found, read.versions, simulated=False):
        assert "simulated" not in device.attributes


def test_what_the_driver_does_not_tell_is_left_out(tmp_path: Path) -> None:
    read = inventory("l4", tmp_path)
    bare = replace(
        read.gpus[0], memory_bytes=None, addressing_mode=None, pcie_root=None, numa_node=None
    )
    found = enumerate_devices(replace(read, gpus=(bare,)), MemoryBook())
    versions = replace(read.versions, driver="of unknown make")
    (device,) = render_devices(found, versions, simulated=False)
    assert device.capacity == {}
    assert "capacity" not in render_device(device)
    gone = {"addressingMode", "driverVersion"} | {
        f"resource.kubernetes.io/{name}" for name in ("pcieRoot", "numaNode")
    }
    assert not gone & device.attributes.keys()


def test_a_card_that_drives_a_screen_is_not_offered(tmp_path: Path) -> None:
    read = inventory("l4", tmp_path)
    screen = replace(read.gpus[0], product_name="NVIDIA DGX Display")
    assert not enumerate_devices(replace(read, gpus=(screen,)), MemoryBook()).devices


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("550.163.01", "550.163.1"),
        ("570.86", "570.86.0"),
        ("580.95.05", "580.95.5"),
        ("580", "580.0.0"),
        ("470.82.01.02", "470.82.1"),
        ("595.58.03-beta", "595.58.3"),
        ("unknown", None),
        ("", None),
        ("1.2.99999999999999999999", None),
    ],
)
def test_driver_versions_become_semantic_ones(text: str, version: str | None) -> None:
    found = canonical_version(text)
    assert (found.text if found else None) == version


@given(st.text())
def test_any_text_becomes_one_that_the_server_takes(text: str) -> None:
    found = bounded(text)
    assert len(found.encode()) <= 64
    assert text.encode(errors="replace").decode().startswith(found)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1023, "1023"),
        (1024, "1Ki"),
        (9984 * 2**20, "9984Mi"),
        (2**70, "1024Ei"),
    ],
)
def test_quantities_are_written_with_binary_suffixes(value: int, text: str) -> None:
    assert binary(value) == text


def test_a_very_long_profile_is_cut_and_not_the_place(tmp_path: Path) -> None:
    (gpu, *_) = inventory("h100-mig", tmp_path).gpus
    strange = replace(gpu.mig_devices[0], profile="1g." + "x" * 80 + "+ME.All")
    name = mig_name("gpu-0", strange)
    assert len(name) == 63
    assert name.endswith("-19-0")


_TEMPLATE = Gpu(
    uuid="",
    minor=0,
    pci_address="",
    product_name="NVIDIA L4",
    brand="Nvidia",
    architecture="Ada Lovelace",
    compute_capability=(8, 9),
    memory_bytes=2**34,
    addressing_mode=None,
    pcie_root=None,
    numa_node=None,
    mig_mode=MigMode.UNSUPPORTED,
    pending_mig_mode=MigMode.UNSUPPORTED,
    mig_devices=(),
)


def board(uuid: str, minor: int) -> Gpu:
    return replace(_TEMPLATE, uuid=uuid, minor=minor, pci_address=f"0000:{minor:02x}:00.0")


@given(
    st.lists(st.dictionaries(st.sampled_from("ABCDEF"), st.integers(0, 5), max_size=6), max_size=6)
)
def test_a_name_is_never_given_to_another_board(history: list[dict[str, int]]) -> None:
    known: dict[str, Board] = {}
    owner_by_name: dict[str, str] = {}
    for seen in history:
        by_minor = {minor: uuid for uuid, minor in seen.items()}
        gpus = [board(uuid, minor) for minor, uuid in by_minor.items()]
        known = named(known, gpus)
        for name, found in known.items():
            assert owner_by_name.setdefault(name, found.uuid) == found.uuid
        assert {gpu.uuid for gpu in gpus} <= {found.uuid for found in known.values()}
        assert len({found.uuid for found in known.values()}) == len(known)


def test_a_board_keeps_its_name_when_its_minor_changes() -> None:
    """D87: the reference driver names devices by their minor, so a name moves to another board."""
    known = named({}, [board("A", 0), board("B", 1)])
    after = named(known, [board("B", 0)])
    assert {name: found.uuid for name, found in after.items()} == {"gpu-0": "A", "gpu-1": "B"}


def test_a_new_board_in_an_old_place_gets_a_name_of_its_own() -> None:
    known = named({}, [board("A", 0), board("B", 1)])
    after = named(known, [board("C", 0), board("B", 1)])
    assert {name: found.uuid for name, found in after.items()} == {
        "gpu-0": "A",
        "gpu-1": "B",
        "gpu-2": "C",
    }


def test_a_board_that_needs_another_name_does_not_take_the_one_of_its_neighbour() -> None:
    known = named({}, [board("A", 0), board("B", 1)])
    after = named(known, [board("C", 0), board("D", 2)])
    assert {found.uuid: name for name, found in after.items()} == {
        "A": "gpu-0",
        "B": "gpu-1",
        "C": "gpu-3",
        "D": "gpu-2",
    }


def test_names_survive_the_process(tmp_path: Path) -> None:
    boards = {"gpu-0": Board(uuid="A", pci_address="0000:1b:00.0")}
    NameFile(tmp_path / "names.json").store(boards)
    assert NameFile(tmp_path / "names.json").recall() == boards
    assert NameFile(tmp_path / "none.json").recall() == {}


def test_a_file_of_names_that_makes_no_sense_is_set_aside(tmp_path: Path) -> None:
    path = tmp_path / "names.json"
    path.write_text("{")
    assert NameFile(path).recall() == {}
    assert (tmp_path / "names.json.unreadable").read_text() == "{"


def test_a_board_whose_name_cannot_be_stored_is_not_offered(tmp_path: Path) -> None:
    class Full(MemoryBook):
        def store(self, boards: Mapping[str, Board]) -> None:
            raise UnwritableNamesError(f"no room for {len(boards)} names")

    read = inventory("h100", tmp_path)
    first = read.gpus[0]
    book = Full({"gpu-0": Board(uuid=first.uuid, pci_address=first.pci_address)})
    found = enumerate_devices(read, book)
    assert [device.name for device in found.devices] == ["gpu-0"]
    assert "no room for 8 names" in found.warnings


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "names.json"
    with pytest.raises(UnwritableNamesError, match=r"names.json.*No such file"):
        NameFile(path).store({})


def test_a_gpu_without_address_is_named_by_its_number(tmp_path: Path) -> None:
    lost = UnreadableGpu(index=3, uuid=None, pci_address=None, error=GpuLostError("It is gone."))
    read = replace(inventory("l4", tmp_path), unreadable=(lost,))
    assert (
        "GPU number 3 cannot be read: It is gone."
        in enumerate_devices(read, MemoryBook()).warnings
    )
