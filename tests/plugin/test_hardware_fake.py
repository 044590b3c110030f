"""The machine made of data: it survives what the plugin does not, and never plays beside metal."""

import shutil
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from pathlib import Path

import pytest

from dra_config.hub import TimeSliceInterval
from plugin.hardware.errors import GpuMissingError, MachineError, SimulationRefusedError
from plugin.hardware.facts import ComputeMode, HealthEvent, WatchFailed
from plugin.hardware.fake import PROFILES, FakeMachine
from plugin.hardware.host_trees import HostTrees
from plugin.hardware.simulation.containers import capability_minor
from plugin.hardware.simulation.ledger import Ledger
from plugin.hardware.simulation.partitioning import GpuInstancePlan
from plugin.hardware.simulation.profile import InvalidProfile
from tests.plugin.machine_rigs import BOOT, SHIPPED, profile, until

ROOT = Path(__file__).resolve().parents[2]


def empty_host(folder: Path) -> HostTrees:
    """Return a computer without any NVIDIA device."""
    for name in ("dev", "proc", "sys/bus/pci/devices"):
        (folder / name).mkdir(parents=True)
    return HostTrees(
        driver_root=folder, dev=folder / "dev", proc=folder / "proc", sys=folder / "sys"
    )


def fake(folder: Path, name: str = "mixed", boot_id: str = BOOT) -> FakeMachine:
    return FakeMachine(profile(name), folder, boot_id=boot_id, deadline_seconds=60)


def start(folder: Path, host: HostTrees, name: str = "h100", node: str = "a") -> FakeMachine:
    return FakeMachine.start(
        name, folder, node_name=node, boot_id=BOOT, host=host, deadline_seconds=60
    )


KILLED = """
import os, signal, sys
from pathlib import Path
from plugin.hardware.facts import ComputeMode
from tests.plugin.test_hardware_fake import fake, TimeSliceInterval
machine = fake(Path(sys.argv[1]))
first, second, *_ = machine.inventory().gpus
machine.set_compute_mode(first.uuid, ComputeMode.EXCLUSIVE_PROCESS)
machine.set_time_slice(second.uuid, TimeSliceInterval.LONG)
machine.repartition(first.uuid, enabled=True, instances=())
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_done_survives_the_death_of_the_process(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    machine = fake(tmp_path)
    first, second, *_ = machine.inventory().gpus
    assert machine.compute_mode(first.uuid) is ComputeMode.EXCLUSIVE_PROCESS
    assert first.mig_mode == "Enabled"
    record = Ledger(tmp_path, boot_id=BOOT).read()
    assert record.gpu(second.uuid).time_slice is TimeSliceInterval.LONG


def test_a_reboot_takes_back_what_was_done(tmp_path: Path) -> None:
    before = fake(tmp_path)
    one = before.inventory().gpus[0].uuid
    before.set_compute_mode(one, ComputeMode.PROHIBITED)
    before.repartition(one, enabled=True, instances=(GpuInstancePlan(profile="1g.10gb", start=3),))
    (capabilities,) = (tmp_path / "proc/driver/nvidia/capabilities/gpu0/mig").iterdir()
    assert capabilities.name == "gi10"
    after = fake(tmp_path, boot_id="another boot")
    assert after.compute_mode(one) is ComputeMode.DEFAULT
    assert after.inventory().gpus[0].mig_devices == ()
    assert not capabilities.exists()


def test_programs_that_play_along_may_keep_notes_in_the_record(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, boot_id=BOOT)
    (tmp_path / "machine.json").write_text(
        f'{{"boot_id": "{BOOT}", "mps": ["x"], "gpus": {{"GPU-1": {{"limit": 5}}}}}}'
    )
    with ledger.change() as record:
        record.gpu("GPU-1").compute_mode = ComputeMode.PROHIBITED
    kept = ledger.read().model_dump()
    assert kept["mps"] == ["x"]
    assert kept["gpus"]["GPU-1"]["limit"] == 5


def test_two_who_write_at_once_lose_nothing(tmp_path: Path) -> None:
    machines = [fake(tmp_path, "h100"), fake(tmp_path, "h100")]
    uuids = [gpu.uuid for gpu in machines[0].inventory().gpus]

    def write(machine: FakeMachine, mine: list[str]) -> None:
        for uuid in mine:
            machine.set_compute_mode(uuid, ComputeMode.EXCLUSIVE_PROCESS)

    threads = [
        threading.Thread(target=write, args=(machine, uuids[index::2]))
        for index, machine in enumerate(machines)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    modes = {machines[0].compute_mode(uuid) for uuid in uuids}
    assert modes == {ComputeMode.EXCLUSIVE_PROCESS}


def test_a_change_that_fails_half_way_is_not_kept(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, boot_id=BOOT)
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(KeyError))
        record = stack.enter_context(ledger.change())
        record.gpu("GPU-1").compute_mode = ComputeMode.PROHIBITED
        raise KeyError
    assert ledger.read().gpus == {}


def test_a_record_that_is_none_is_told_and_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "machine.json").write_text("{")
    with pytest.raises(MachineError, match="delete it to start anew"):
        fake(tmp_path)
    assert (tmp_path / "machine.json").read_text() == "{"


def test_a_record_that_cannot_be_read_or_kept_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, boot_id=BOOT)
    (tmp_path / ".machine.json.part").mkdir()
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(MachineError, match="cannot be kept"))
        stack.enter_context(ledger.change())
    (tmp_path / "machine.json").mkdir()
    with pytest.raises(MachineError, match="cannot be read"):
        ledger.read()
    with ExitStack() as stack:
        stack.enter_context(pytest.raises(MachineError, match="cannot be locked"))
        stack.enter_context(Ledger(tmp_path / "none", boot_id=BOOT).change())


def test_faults_that_are_no_text_are_told(tmp_path: Path) -> None:
    machine = fake(tmp_path)
    (tmp_path / "faults").write_bytes(b"\xff")
    with pytest.raises(MachineError, match="cannot be read"):
        machine.inventory()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError, match="cannot be rendered"):
        fake(tmp_path / "file" / "inside")


def test_it_starts_by_the_name_of_a_profile_or_a_path(tmp_path: Path) -> None:
    host = empty_host(tmp_path / "host")
    by_name = start(tmp_path / "one", host, "l4")
    by_path = start(tmp_path / "two", host, str(PROFILES / "l4.yaml"))
    assert by_name.simulated
    assert by_name.inventory() == by_path.inventory()


def test_an_unknown_profile_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(InvalidProfile, match="a100, broken, gb200, h100, h100-mig"):
        start(tmp_path / "data", empty_host(tmp_path / "host"), "h100x")


def test_devices_of_two_nodes_differ_and_stay_the_same(tmp_path: Path) -> None:
    host = empty_host(tmp_path / "host")
    seen = [
        {gpu.uuid for gpu in start(tmp_path / folder, host, node=node).inventory().gpus}
        for folder, node in (("one", "a"), ("two", "a"), ("three", "b"))
    ]
    assert seen[0] == seen[1]
    assert not seen[0] & seen[2]


def test_a_host_without_pci_bus_has_no_real_gpu(tmp_path: Path) -> None:
    host = empty_host(tmp_path / "host")
    (host.sys / "bus/pci/devices/0000:00:00.0").mkdir()
    assert start(tmp_path / "one", host).inventory().gpus
    shutil.rmtree(host.sys)
    assert start(tmp_path / "two", host).inventory().gpus


@pytest.mark.parametrize("sign", ["dev/nvidiactl", "dev/nvidia0", "proc/driver/nvidia/version"])
def test_it_refuses_to_play_beside_a_real_driver(sign: str, tmp_path: Path) -> None:
    host = empty_host(tmp_path / "host")
    (tmp_path / "host" / sign).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "host" / sign).write_text("")
    with pytest.raises(SimulationRefusedError, match=sign):
        start(tmp_path / "data", host)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("vendor", "kind", "refused"),
    [
        ("0x10de", "0x030200", True),
        ("0x10de", "0x030000", True),
        ("0x10de", "0x040300", False),
        ("0x8086", "0x030000", False),
    ],
)
def test_it_refuses_to_play_beside_a_real_gpu(
    vendor: str, kind: str, *, refused: bool, tmp_path: Path
) -> None:
    host = empty_host(tmp_path / "host")
    device = host.sys / "bus/pci/devices/0000:65:00.0"
    device.mkdir()
    (device / "vendor").write_text(f"{vendor}\n")
    (device / "class").write_text(f"{kind}\n")
    if refused:
        with pytest.raises(SimulationRefusedError, match=r"0000:65:00\.0"):
            start(tmp_path / "data", host)
    else:
        assert start(tmp_path / "data", host).inventory().gpus


@pytest.mark.parametrize(
    "line",
    [
        "GPU-1 explodes",
        "GPU-1 refuses everything",
        "GPU-1 refuses everything not-supported",
        "GPU-1 refuses set_compute_mode loudly",
        "machine lost",
        "lost",
    ],
)
def test_a_fault_that_is_none_is_told(line: str, tmp_path: Path) -> None:
    machine = fake(tmp_path)
    (tmp_path / "faults").write_text(f"# A remark.\n\nGPU-2 lost # a fault\n{line}\n")
    with pytest.raises(MachineError, match="Line 4 of") as caught:
        machine.inventory()
    assert line in str(caught.value)


@pytest.mark.parametrize(
    "line", ["GPU-1 xid", "GPU-1 xid much", "GPU-1 xid 3 a", "GPU-1 double-bit a", "?"]
)
def test_an_event_that_is_none_ends_the_watch_and_says_why(line: str, tmp_path: Path) -> None:
    machine = fake(tmp_path, "l4")
    told: list[HealthEvent] = []
    watch = machine.watch(told.append)
    (tmp_path / "events").write_text(f"{line}\n")
    until(lambda: len(told) == 4)
    assert all(isinstance(event, WatchFailed) and line in event.reason for event in told)
    assert watch.watched == set()
    watch.close()


def test_half_a_line_is_no_event_yet(tmp_path: Path) -> None:
    machine = fake(tmp_path, "l4")
    one = machine.inventory().gpus[0].uuid
    told: list[HealthEvent] = []
    watch = machine.watch(told.append)
    (tmp_path / "events").write_text(f"{one} xid 79\n{one} xid 4")
    until(lambda: told)
    with (tmp_path / "events").open("a") as file:
        file.write("8\n")
    until(lambda: len(told) == 2)
    watch.close()
    assert [getattr(event, "xid", None) for event in told] == [79, 48]


def test_an_administrator_cannot_do_what_the_gpu_cannot(tmp_path: Path) -> None:
    machine = fake(tmp_path)
    one = machine.inventory().gpus[0]
    with pytest.raises(InvalidProfile, match="overlaps"):
        machine.repartition(
            one.uuid,
            enabled=True,
            instances=(
                GpuInstancePlan(profile="3g.40gb", start=0),
                GpuInstancePlan(profile="1g.10gb", start=2),
            ),
        )
    with pytest.raises(GpuMissingError):
        machine.repartition("GPU-none", enabled=False, instances=())
    assert machine.gpu(one.uuid) == one


def test_a_record_of_another_product_means_nothing(tmp_path: Path) -> None:
    first = fake(tmp_path)
    one = first.inventory().gpus[0].uuid
    first.repartition(one, enabled=True, instances=(GpuInstancePlan(profile="1g.10gb", start=0),))
    ledger = Ledger(tmp_path, boot_id=BOOT)
    with ledger.change() as record:
        record.gpus["moved"] = record.gpus.pop(one)
        record.gpu(first.inventory().gpus[4].uuid).mig = record.gpus["moved"].mig
    assert first.inventory().gpus[4].mig_mode == "Unsupported"


# --- the rendered files ----------------------------------------------------------------


@pytest.mark.parametrize("name", SHIPPED)
def test_what_is_rendered_again_keeps_the_files_that_somebody_reads_or_has_mounted(
    name: str, tmp_path: Path
) -> None:
    trees = fake(tmp_path, name).trees
    files = [path for path in tmp_path.rglob("*") if path.is_file() and "machine" not in path.name]
    inodes = [path.stat().st_ino for path in files]
    assert fake(tmp_path, name).trees == trees
    assert [path.stat().st_ino for path in files] == inodes
    assert {path.name for path in files} >= {"nvidia-smi", "libcuda.so.1", "gsp_ga10x.bin"}


def test_files_of_a_machine_of_before_are_gone(tmp_path: Path) -> None:
    fake(tmp_path, "h100-mig")
    trees = fake(tmp_path, "l4").trees
    devices = trees.sys / "bus/pci/devices"
    assert sorted(path.name for path in devices.iterdir()) == [
        gpu.pci_address for gpu in profile("l4").gpus
    ]
    assert all((path / "vendor").is_file() for path in devices.iterdir())
    assert list((trees.proc / "driver/nvidia/capabilities").iterdir()) == []
    assert {path.name for path in (trees.sys / "devices").iterdir()} == {
        gpu.pcie_root for gpu in profile("l4").gpus
    }


def test_the_capabilities_have_the_numbers_that_drivers_give() -> None:
    assert capability_minor(0, 0) == 3
    assert capability_minor(0, 0, 0) == 4
    assert capability_minor(0, 1) == 12
    assert capability_minor(1, 0) == 138


def nvidia_smi(machine: FakeMachine, dev: Path, *arguments: str) -> tuple[int, str]:
    """Run the rendered program in a container whose `/dev` is *dev*."""
    program = (machine.trees.driver_root / "usr/bin/nvidia-smi").read_text()
    script = program.replace("/dev/nvidia", f"{dev}/nvidia")
    done = subprocess.run(
        ["sh", "-c", script, "nvidia-smi", *arguments],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout


def test_nvidia_smi_lists_what_the_container_may_use(tmp_path: Path) -> None:
    machine = fake(tmp_path / "data")
    _, cut, *_, p4 = machine.inventory().gpus
    assert nvidia_smi(machine, tmp_path, "-L") == (6, "No devices found.\n")
    (tmp_path / f"nvidia{p4.minor}").write_text("")
    (tmp_path / f"nvidia{cut.minor}").write_text("")
    (tmp_path / "nvidia-caps").mkdir()
    mig = cut.mig_devices[1]
    own = capability_minor(cut.minor, mig.gpu_instance_id, mig.compute_instance_id)
    (tmp_path / f"nvidia-caps/nvidia-cap{own}").write_text("")
    listed = (
        f"GPU 0: NVIDIA H100 80GB HBM3 (UUID: {cut.uuid})\n"
        f"  MIG 1g.10gb+me Device 0: (UUID: {mig.uuid})\n"
        f"GPU 1: Tesla P4 (UUID: {p4.uuid})\n"
    )
    assert nvidia_smi(machine, tmp_path) == (0, listed)
    assert nvidia_smi(machine, tmp_path, "--reset") == (3, "")


def test_two_folders_are_two_machines(tmp_path: Path) -> None:
    first, second = fake(tmp_path / "one"), fake(tmp_path / "two")
    one = first.inventory().gpus[0].uuid
    first.set_compute_mode(one, ComputeMode.PROHIBITED)
    assert second.compute_mode(one) is ComputeMode.DEFAULT
