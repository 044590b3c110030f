"""What the files of driver and kernel tell: sysfs, procfs, device nodes, libraries, programs."""

import os
import shutil
import stat
from pathlib import Path

import pytest

from plugin.hardware import driver_root, host_trees
from plugin.hardware.device_nodes import DeviceNode, control_nodes, gpu_nodes, mig_nodes
from plugin.hardware.errors import GpuMissingError, LibraryMissingError, MachineError
from plugin.hardware.fake import FakeMachine
from plugin.hardware.host_trees import HostTrees
from tests.plugin.machine_rigs import BOOT, profile


@pytest.fixture
def machine(tmp_path: Path) -> FakeMachine:
    return FakeMachine(profile("mixed"), tmp_path, boot_id=BOOT, deadline_seconds=60)


# --- addresses, sysfs, procfs ----------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("00000000:1B:00.0", "0000:1b:00.0"),
        ("0000:1b:00.0", "0000:1b:00.0"),
        ("00000008:01:00.0", "0008:01:00.0"),
        ("00010000:01:00.7\n", "10000:01:00.7"),
    ],
)
def test_addresses_are_written_as_sysfs_writes_them(text: str, address: str) -> None:
    assert host_trees.pci_address(text) == address


@pytest.mark.parametrize("text", ["", "1b:00.0", "0000:1b:00.8", "0000:1b:00.0:1", "GPU-1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a PCI address"):
        host_trees.pci_address(text)


def test_the_pcie_root_is_the_first_part_of_the_path(tmp_path: Path) -> None:
    devices = tmp_path / "bus/pci/devices"
    devices.mkdir(parents=True)
    below = "../../../devices/pci0000:15/0000:15:01.0/0000:16:00.0/0000:1b:00.0"
    (devices / "0000:1b:00.0").symlink_to(below)
    (devices / "0000:1c:00.0").symlink_to("../../../devices/platform/0000:1c:00.0")
    (devices / "0000:1d:00.0").mkdir()
    (devices / "0000:1e:00.0").symlink_to("elsewhere")
    assert host_trees.pcie_root(tmp_path, "0000:1b:00.0") == "pci0000:15"
    for address in ("0000:1c:00.0", "0000:1d:00.0", "0000:1e:00.0", "0000:1f:00.0"):
        assert host_trees.pcie_root(tmp_path, address) is None


@pytest.mark.parametrize(("text", "node"), [("1\n", 1), ("0\n", 0), ("-1\n", None), ("x", None)])
def test_a_device_may_belong_to_no_numa_node(text: str, node: int | None, tmp_path: Path) -> None:
    folder = tmp_path / "bus/pci/devices/0000:1b:00.0"
    folder.mkdir(parents=True)
    (folder / "numa_node").write_text(text)
    assert host_trees.numa_node(tmp_path, "0000:1b:00.0") == node
    assert host_trees.numa_node(tmp_path, "0000:ff:00.0") is None


def test_majors_are_read_between_the_two_headings(tmp_path: Path) -> None:
    (tmp_path / "devices").write_text(
        "Character devices:\n  1 mem\n195 nvidia\n195 nvidia-modeset\n505 nvidia uvm\n"
        "nonsense\n506 \n195 nvidiactl\n506 nvidia\n\nBlock devices:\n  7 loop\n"
    )
    assert host_trees.character_majors(tmp_path) == {
        "mem": 1,
        "nvidia": 195,
        "nvidia-modeset": 195,
        "nvidia uvm": 505,
        "nvidiactl": 195,
    }


def test_a_capability_file_of_another_form_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "driver/nvidia/capabilities/gpu0/mig/gi1"
    folder.mkdir(parents=True)
    (folder / "access").write_text("DeviceFileMinor: 12\n")
    with pytest.raises(ValueError, match="does not hold 'DeviceFileMode'"):
        host_trees.mig_capability(tmp_path, gpu_minor=0, gpu_instance=1)


def test_the_nodes_are_the_driver_containers_own_where_it_has_some(tmp_path: Path) -> None:
    assert HostTrees.of_driver_root(tmp_path).dev == Path("/dev")
    (tmp_path / "dev").mkdir()
    trees = HostTrees.of_driver_root(tmp_path)
    assert (trees.dev, trees.proc, trees.sys) == (tmp_path / "dev", Path("/proc"), Path("/sys"))


# --- device nodes ----------------------------------------------------------------------


def numbers(nodes: tuple[DeviceNode, ...]) -> list[tuple[str, int, int]]:
    return [(node.path, node.major, node.minor) for node in nodes]


def test_control_nodes_need_not_exist(machine: FakeMachine) -> None:
    nodes = control_nodes(machine.trees)
    assert numbers(nodes) == [
        ("/dev/nvidia-modeset", 195, 254),
        ("/dev/nvidia-uvm", 505, 0),
        ("/dev/nvidia-uvm-tools", 505, 1),
        ("/dev/nvidiactl", 195, 255),
    ]
    assert {(node.mode, node.gid) for node in nodes} == {(0o666, 0)}
    assert nodes[3].host_path == str(machine.trees.dev / "nvidiactl")


def test_a_gpu_has_its_own_node_and_drm_nodes(machine: FakeMachine) -> None:
    ampere = machine.inventory().gpus[2]
    assert numbers(gpu_nodes(machine.trees, ampere)) == [
        ("/dev/nvidia5", 195, 5),
        ("/dev/dri/card3", 226, 3),
        ("/dev/dri/renderD130", 226, 130),
    ]


def test_a_mig_device_has_its_gpus_node_and_two_capabilities_but_no_drm_node(
    machine: FakeMachine,
) -> None:
    ampere = machine.inventory().gpus[2]
    second = ampere.mig_devices[1]
    nodes = mig_nodes(machine.trees, ampere, second)
    outer = 3 + 5 * 135 + second.gpu_instance_id * 9
    assert numbers(nodes) == [
        ("/dev/nvidia5", 195, 5),
        (f"/dev/nvidia-caps/nvidia-cap{outer}", 234, outer),
        (f"/dev/nvidia-caps/nvidia-cap{outer + 2}", 234, outer + 2),
    ]
    assert {node.mode for node in nodes[1:]} == {0o444}


def test_a_mig_device_that_is_gone_is_missing(machine: FakeMachine) -> None:
    cut = machine.inventory().gpus[1]
    machine.repartition(cut.uuid, enabled=True, instances=())
    with pytest.raises(GpuMissingError, match=cut.mig_devices[0].uuid):
        mig_nodes(machine.trees, cut, cut.mig_devices[0])


@pytest.mark.skipif(not os.path.exists("/dev/null"), reason="needs a character device")  # noqa: PTH110
def test_a_node_that_exists_tells_its_own_numbers(machine: FakeMachine) -> None:
    # A link stands for the node, since making one needs a right of its own.
    (machine.trees.dev / "nvidiactl").symlink_to("/dev/null")
    status = Path("/dev/null").stat()
    node = control_nodes(machine.trees)[3]
    assert (node.path, node.major, node.minor) == ("/dev/nvidiactl", 1, 3)
    assert (node.mode, node.gid) == (stat.S_IMODE(status.st_mode), status.st_gid)


def test_a_file_that_is_no_node_does_not_count(machine: FakeMachine) -> None:
    (machine.trees.dev / "nvidiactl").write_text("")
    assert numbers(control_nodes(machine.trees))[3] == ("/dev/nvidiactl", 195, 255)


def test_kinds_of_nodes_that_the_kernel_does_not_list_are_left_out(machine: FakeMachine) -> None:
    (machine.trees.proc / "devices").write_text("Character devices:\n195 nvidia-frontend\n")
    assert [node.path for node in control_nodes(machine.trees)] == [
        "/dev/nvidia-modeset",
        "/dev/nvidiactl",
    ]
    _, cut, *_ = machine.inventory().gpus
    with pytest.raises(MachineError, match="no 'nvidia-caps' devices"):
        mig_nodes(machine.trees, cut, cut.mig_devices[0])
    (machine.trees.proc / "devices").write_text("Character devices:\n")
    with pytest.raises(MachineError, match=f"no /dev/nvidia1 for {cut.uuid}"):
        gpu_nodes(machine.trees, cut)


def test_a_kernel_that_lists_nothing_is_told(machine: FakeMachine) -> None:
    (machine.trees.proc / "devices").unlink()
    with pytest.raises(MachineError, match="list of devices cannot be read"):
        control_nodes(machine.trees)


def test_odd_entries_among_the_drm_nodes_are_passed_over(machine: FakeMachine) -> None:
    gpu = machine.inventory().gpus[0]
    folder = machine.trees.sys / "bus/pci/devices" / gpu.pci_address / "drm"
    (folder / "controlD64").mkdir()
    assert len(gpu_nodes(machine.trees, gpu)) == 3
    shutil.rmtree(folder)
    assert len(gpu_nodes(machine.trees, gpu)) == 1


# --- libraries and programs ------------------------------------------------------------


def test_the_first_folder_that_holds_the_library_wins(tmp_path: Path) -> None:
    for folder in ("lib64", "usr/lib/x86_64-linux-gnu"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / driver_root.NVML).write_text("")
    found = driver_root.library(tmp_path, driver_root.NVML)
    assert found == tmp_path / "usr/lib/x86_64-linux-gnu" / driver_root.NVML


def test_links_stay_inside_the_driver_root(tmp_path: Path) -> None:
    """An absolute link of a driver container means the container's own root."""
    root = tmp_path / "root"
    (root / "usr/lib64").mkdir(parents=True)
    (root / "opt/driver").mkdir(parents=True)
    (root / "opt/driver/libnvidia-ml.so.1").symlink_to("../../opt/driver/./libnvidia-ml.so.580")
    (root / "opt/driver/libnvidia-ml.so.580").write_text("")
    (root / "usr/lib64/libnvidia-ml.so.1").symlink_to("/opt/driver/libnvidia-ml.so.1")
    (tmp_path / "escaped").write_text("")
    (root / "usr/lib64/escaped").symlink_to("../../../escaped")
    assert (
        driver_root.library(root, "libnvidia-ml.so.1") == root / "opt/driver/libnvidia-ml.so.580"
    )
    with pytest.raises(LibraryMissingError):
        driver_root.library(root, "escaped")


def test_a_link_to_itself_and_a_folder_are_no_library(tmp_path: Path) -> None:
    (tmp_path / "usr/lib64").mkdir(parents=True)
    (tmp_path / "usr/lib64/round").symlink_to("round")
    (tmp_path / "usr/lib64/folder").mkdir()
    (tmp_path / "usr/lib64/long").symlink_to("x" * 300)
    for name in ("round", "folder", "long"):
        with pytest.raises(LibraryMissingError, match=f"'{name}' is in none of"):
            driver_root.library(tmp_path, name)


def test_programs_are_looked_for_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "opt/bin").mkdir(parents=True)
    (tmp_path / "opt/bin/nvidia-smi").write_text("")
    assert driver_root.program(tmp_path, "nvidia-smi") == tmp_path / "opt/bin/nvidia-smi"
    with pytest.raises(LibraryMissingError, match="is the driver installed below"):
        driver_root.program(tmp_path, "nvidia-debugdump")
