"""Profiles: those that ship can be read, and one that could not exist is refused with reasons."""

from pathlib import Path

import pytest

from plugin.hardware.fake import PROFILES
from plugin.hardware.simulation.profile import InvalidProfile, SimulatedMachine, read_machine
from tests.plugin.machine_rigs import SHIPPED, profile

PRODUCTS = PROFILES / "products"
H100 = '{product: h100-sxm5-80gb, pci: "0000:1b:00.0", pcie_root: "pci0000:15", numa: 0'
A100 = '{product: a100-sxm4-40gb, pci: "0000:1b:00.0", pcie_root: "pci0000:15"'
L4 = '{product: l4, pci: "0000:1b:00.0", pcie_root: "pci0000:15"'
GB200 = '{product: gb200-186gb, pci: "0008:01:00.0", pcie_root: "pci0008:00"'


def read(folder: Path, text: str, *, products: Path = PRODUCTS) -> SimulatedMachine:
    path = folder / "machine.yaml"
    path.write_text(text)
    return read_machine(path, products_folder=products, seed="a")


def machine(*gpus: str, driver: str = "580.95.05", cuda: str = "13.0") -> str:
    lines = [f'driver: "{driver}"', f'cuda: "{cuda}"', "gpus:", *(f"- {gpu}}}" for gpu in gpus)]
    return "\n".join([*lines, ""])


def cut(*instances: str, enabled: bool = True, of: str = H100) -> str:
    return f"{of}, mig: {{enabled: {str(enabled).lower()}, instances: [{', '.join(instances)}]}}"


def test_the_promised_machines_ship() -> None:
    assert {"a100", "broken", "gb200", "h100", "h200", "l4", "mixed"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_machine_that_ships_can_be_read(name: str) -> None:
    assert profile(name).gpus


def test_the_largest_machine_has_56_mig_devices() -> None:
    assert sum(len(gpu.mig_devices) for gpu in profile("h100-mig").gpus) == 56


def test_every_product_that_ships_is_part_of_a_machine() -> None:
    text = "".join(path.read_text() for path in PROFILES.glob("*.yaml"))
    assert {path.stem for path in PRODUCTS.glob("*.yaml") if path.stem not in text} == set()


def test_a_board_keeps_its_uuid_when_others_come_and_go(tmp_path: Path) -> None:
    other = H100.replace("1b", "0a").replace("pci0000:15", "pci0000:00")
    alone = read(tmp_path, machine(H100)).gpus
    second = read(tmp_path, machine(other, H100)).gpus
    assert alone[0].uuid == second[1].uuid
    assert (alone[0].minor, second[1].minor) == (0, 1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (machine(H100, driver="470.82.01", cuda="11.4"), "needs 525.60 or newer"),
        (machine(GB200, driver="560.35.03", cuda="12.6"), "needs 570.86 or newer"),
        (machine(H100, cuda="12.4"), "driver 580.95.05 serves CUDA 13.0, not 12.4"),
        (machine(H100, H100), "2 GPUs sit at 0000:1b:00.0"),
        (machine(f"{H100}, minor: 0", f"{GB200}, minor: 0"), "2 GPUs have the minor 0"),
        (machine(H100.replace("1b", "zz")), "is not a PCI address"),
        (machine(H100.replace("pci0000", "pci0001")), "in another PCI domain"),
        (machine(H100.replace("h100-sxm5-80gb", "h900")), "no product 'h900'; known are a100"),
        (machine(f"{L4}, mig: {{enabled: true}}"), "the NVIDIA L4 has no MIG"),
        (machine(f"{GB200}, mig: {{enabled: true}}"), "nobody has published"),
        (
            machine(f"{H100}, mig: {{enabled: false, enabled_after_reset: true}}"),
            "does not wait for a reset",
        ),
        (machine(cut("{profile: 1g.10gb, start: 0}", enabled=False)), "the MIG mode is off"),
        (machine(cut("{profile: 9g.10gb, start: 0}")), "'9g.10gb' is no MIG profile here"),
        (machine(cut("{profile: 1g.20gb, start: 0}", of=A100)), "'1g.20gb' is no MIG profile"),
        (
            machine(cut("{profile: 3g.40gb, start: 2}")),
            "cannot begin at memory slice 2, but at 0, 4",
        ),
        (
            machine(cut("{profile: 3g.40gb, start: 0}", "{profile: 1g.10gb, start: 3}")),
            "1g.10gb at 3 overlaps another MIG device",
        ),
        (
            machine(cut("{profile: 1g.10gb+me, start: 0}", "{profile: 1g.10gb+me, start: 1}")),
            "2 devices of 1g.10gb+me do not fit; 1 do",
        ),
        (
            machine(
                cut(
                    "{profile: 4g.40gb, start: 0}",
                    "{profile: 2g.20gb, start: 4}",
                    "{profile: 1g.10gb, start: 6}",
                    "{profile: 1g.20gb, start: 6}",
                )
            ),
            "the devices want 8 compute slices; a GPU has 7",
        ),
        (
            machine(cut("{profile: 2g.20gb, start: 0, compute: [1, 2]}")),
            "has 2 compute slices, but its compute instances want 3",
        ),
        ("driver: x", "driver: String should match pattern"),
        (machine(H100) + "colour: green\n", "colour: Extra inputs are not permitted"),
        ("[", "is no machine"),
        ("---\na: 1\n---\nb: 2\n", "it holds 2 documents instead of one"),
        ("", "it holds 0 documents instead of one"),
    ],
)
def test_a_machine_that_could_not_exist_is_refused(text: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidProfile) as caught:
        read(tmp_path, text)
    assert reason in str(caught.value)


def test_all_reasons_are_given_at_once(tmp_path: Path) -> None:
    with pytest.raises(InvalidProfile) as caught:
        read(tmp_path, machine(H100, H100, f"{L4}, mig: {{enabled: true}}", cuda="12.4"))
    told = str(caught.value)
    assert all(part in told for part in ("serves CUDA", "3 GPUs sit", "gpus[2]: the NVIDIA L4"))


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidProfile, match="cannot be read"):
        read_machine(tmp_path / "none.yaml", products_folder=PRODUCTS, seed="a")


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("brand: Nvidia", "brand: Nvidea", "'Nvidea' is no brand"),
        ("architecture: Hopper", "architecture: Grasshopper", "is no architecture"),
        ("architecture: Hopper", "architecture: Turing", "A GPU of Turing has no MIG"),
        ('"9.0"', '"8.0"', "has no compute capability 8.0, but one of 9.0"),
        ("mode_needs_reset: false", "mode_needs_reset: true", "needs a reset on Ampere"),
        ("name: 1g.10gb,", "name: 1g.12gb,", "is called 1g.10gb, not 1g.12gb"),
        ("memory_mebibytes: 40448", "memory_mebibytes: 49152", "is called 3g.50gb"),
        ("cut: 4g", "cut: 3g", "listed twice"),
    ],
)
def test_a_product_that_could_not_exist_is_refused(
    old: str, new: str, reason: str, tmp_path: Path
) -> None:
    text = (PRODUCTS / "h100-sxm5-80gb.yaml").read_text()
    assert old in text
    (tmp_path / "h100-sxm5-80gb.yaml").write_text(text.replace(old, new))
    with pytest.raises(InvalidProfile) as caught:
        read(tmp_path, machine(H100), products=tmp_path)
    assert reason in str(caught.value)
