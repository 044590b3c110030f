"""The adapter to NVML: what only a driver can do wrong, played by the library beside."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from dra_config.hub import TimeSliceInterval
from plugin.hardware.errors import (
    GpuLostError,
    GpuMissingError,
    LibraryMissingError,
    MachineError,
    NotSupportedError,
    TimedOutError,
)
from plugin.hardware.facts import ComputeMode, GpuLostReported, MigMode, WatchFailed, XidReported
from plugin.hardware.nvml_machine import NvmlMachine
from plugin.hardware.simulation.trees import trees_below
from tests.plugin.hardware_fixtures import SHORT_SECONDS, MakeNvmlRig, nvml_library, nvml_rig
from tests.plugin.machine_rigs import NvmlRig, profile, until

__all__ = ["nvml_library", "nvml_rig"]


def first_uuid(rig: NvmlRig) -> str:
    return rig.plan.gpus[0].uuid


def described(rig: NvmlRig) -> str:
    return (rig.beside / "nvml-machine").read_text()


@pytest.mark.parametrize("code", [13, 25])
def test_an_older_driver_leaves_the_names_of_profiles_to_us(
    code: int, nvml_rig: MakeNvmlRig
) -> None:
    rig = nvml_rig("mixed")
    named = rig.machine.inventory()
    rig.restart()
    rig.fail(None, "nvmlDeviceGetGpuInstanceProfileInfoV", code)
    assert rig.machine.inventory() == named


def test_profiles_that_this_release_has_never_heard_of_keep_the_drivers_name(
    nvml_rig: MakeNvmlRig,
) -> None:
    """D75: a profile with NVML's index 17 stopped the reference driver."""
    rig = nvml_rig("mixed")
    rig.describe(
        described(rig)
        .replace("profile 1 2 9 3 ", "profile 1 17 9 3 ")
        .replace(" 3g.40gb\n", " 3g.40gb+gfx\n")
    )
    cut = rig.machine.inventory().gpus[1]
    assert [mig.profile for mig in cut.mig_devices][-1] == "3g.40gb+gfx"
    assert cut.warnings == ()


def test_a_mig_device_of_a_profile_that_nobody_describes_is_left_out_and_told(
    nvml_rig: MakeNvmlRig,
) -> None:
    """D75: the reference driver ends at the first profile that its table lacks."""
    rig = nvml_rig("mixed")
    lines = described(rig).splitlines(keepends=True)
    rig.describe("".join(line for line in lines if not line.startswith("profile 1 2 9 ")))
    cut = rig.machine.inventory().gpus[1]
    assert [mig.profile for mig in cut.mig_devices] == ["1g.10gb", "1g.10gb+me", "1c.2g.20gb"]
    (warning,) = cut.warnings
    assert "profile id 9" in warning
    assert "MIG-" in warning


def test_one_mig_device_that_fails_hides_no_other(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("mixed")
    cut = rig.plan.gpus[1]
    rig.fail(cut.uuid, "nvmlGpuInstanceGetInfo", 999)
    found = rig.machine.inventory()
    assert len(found.gpus) == 6
    assert found.gpus[1].mig_devices == ()
    assert len(found.gpus[1].warnings) == 4


def test_a_mig_device_that_disappears_meanwhile_is_no_warning(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("mixed")
    rig.fail(rig.plan.gpus[1].uuid, "nvmlDeviceGetGpuInstanceById", 6)
    cut = rig.machine.inventory().gpus[1]
    assert (cut.mig_devices, cut.warnings) == ((), ())


def test_a_gpu_that_is_lost_during_the_walk_is_lost(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("mixed")
    rig.fail(rig.plan.gpus[1].uuid, "nvmlDeviceGetGpuInstanceId", 15)
    (lost,) = rig.machine.inventory().unreadable
    assert isinstance(lost.error, GpuLostError)


@pytest.mark.parametrize(
    ("function", "field", "value"),
    [
        ("nvmlDeviceGetMemoryInfo", "memory_bytes", None),
        ("nvmlDeviceGetAddressingMode", "addressing_mode", None),
        ("nvmlDeviceGetMigMode", "mig_mode", MigMode.UNSUPPORTED),
    ],
)
@pytest.mark.parametrize("code", [3, 13])
def test_what_a_gpu_or_driver_does_not_support_is_left_out(
    function: str, field: str, value: object, code: int, nvml_rig: MakeNvmlRig
) -> None:
    rig = nvml_rig("h100")
    rig.fail(first_uuid(rig), function, code)
    found = rig.machine.inventory()
    assert getattr(found.gpus[0], field) == value
    assert getattr(found.gpus[1], field) != value


def test_a_gpu_without_memory_of_its_own_cannot_name_profiles_of_an_older_driver(
    nvml_rig: MakeNvmlRig,
) -> None:
    rig = nvml_rig("mixed")
    rig.fail(None, "nvmlDeviceGetGpuInstanceProfileInfoV", 13)
    rig.fail(rig.plan.gpus[1].uuid, "nvmlDeviceGetMemoryInfo", 3)
    warnings = rig.machine.inventory().gpus[1].warnings
    assert len(warnings) == 4
    assert "names neither" in warnings[0]


@pytest.mark.parametrize("name", ["DGX Display", "NVIDIA DGX Display"])
def test_a_gpu_that_only_drives_a_screen_is_none(name: str, nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    rig.describe(described(rig).replace("NVIDIA L4\n", f"{name}\n", 1))
    found = rig.machine.inventory()
    assert [gpu.minor for gpu in found.gpus] == [1, 2, 3]
    assert found.unreadable == ()


def test_a_node_whose_gpus_are_all_elsewhere_has_none(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    rig.describe("driver 580.95.05\ncuda 13000\n")
    assert rig.machine.inventory().gpus == ()


def test_an_address_that_is_none_makes_the_gpu_unreadable(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    rig.describe(described(rig).replace("00000000:31:00.0", "nowhere"))
    (broken,) = rig.machine.inventory().unreadable
    assert broken.uuid == first_uuid(rig)
    assert "'nowhere' is not a PCI address" in str(broken.error)


def test_a_driver_that_describes_no_profile_at_all_is_asked_for_a_while_only(
    nvml_rig: MakeNvmlRig,
) -> None:
    rig = nvml_rig("mixed")
    rig.fail(None, "nvmlDeviceGetGpuInstanceProfileInfoV", 3)
    rig.fail(None, "nvmlDeviceGetGpuInstanceProfileInfo", 3)
    assert len(rig.machine.inventory().gpus[1].warnings) == 4


def test_a_mig_device_that_was_destroyed_since_has_no_processes(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("mixed")
    cut = rig.machine.inventory().gpus[1]
    rig.repartition(cut.uuid, enabled=True, instances=())
    with pytest.raises(GpuMissingError, match=cut.mig_devices[0].uuid):
        rig.machine.process_ids(cut.mig_devices[0].uuid)


def test_a_compute_mode_of_tomorrow_is_not_guessed(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    (rig.beside / "nvml-compute-mode-0").write_text("9\n")
    with pytest.raises(NotSupportedError, match="compute mode 9"):
        rig.machine.compute_mode(first_uuid(rig))


def test_a_library_that_is_none_is_missing(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    rig.library_file.unlink()
    rig.library_file.write_text("no library")
    with pytest.raises(LibraryMissingError, match="cannot be loaded"):
        rig.machine.inventory()


def test_a_library_without_nvmls_functions_is_none_that_we_support(
    nvml_rig: MakeNvmlRig, tmp_path: Path
) -> None:
    rig = nvml_rig("l4")
    (tmp_path / "none.c").write_text("int none;\n")
    rig.library_file.unlink()
    command = ["gcc", "-shared", "-o", str(rig.library_file), str(tmp_path / "none.c")]
    subprocess.run(command, check=True)
    with pytest.raises(NotSupportedError, match=r"could not connect .*: NVML error 13\."):
        rig.machine.inventory()


def test_nothing_is_opened_before_the_first_question(tmp_path: Path) -> None:
    trees = trees_below(tmp_path)
    machine = NvmlMachine(trees, deadline_seconds=1)
    assert machine.trees == trees
    assert not machine.simulated
    machine.close()


def test_a_driver_that_hangs_as_a_whole_is_told(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4", deadline_seconds=SHORT_SECONDS)
    rig.fail(None, "nvmlInitWithFlags", -1)
    with pytest.raises(TimedOutError, match="The driver did not answer within 1 seconds"):
        rig.machine.inventory()
    with pytest.raises(TimedOutError, match="still hangs in an earlier call"):
        rig.machine.inventory()
    rig.repair()
    until(lambda: _answers(rig))


def _answers(rig: NvmlRig) -> bool:
    try:
        return len(rig.machine.inventory().gpus) == len(rig.plan.gpus)
    except TimedOutError:
        return False


def test_a_machine_that_hangs_can_be_closed(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4", deadline_seconds=SHORT_SECONDS)
    rig.machine.inventory()
    rig.fail(None, "nvmlShutdown", -1)
    rig.machine.close()
    with pytest.raises(MachineError, match="closed"):
        rig.machine.inventory()


def test_closing_twice_changes_nothing(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    rig.machine.inventory()
    rig.machine.close()
    rig.machine.close()
    with pytest.raises(MachineError, match="closed"):
        rig.machine.gpu(first_uuid(rig))


def test_a_time_slice_that_takes_too_long_is_given_up(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4", deadline_seconds=SHORT_SECONDS)
    (rig.beside / "smi-refusals").write_text(f"{first_uuid(rig)} 0\n")
    with pytest.raises(TimedOutError, match="nvidia-smi did not set the time slice"):
        rig.machine.set_time_slice(first_uuid(rig), TimeSliceInterval.LONG)


def freed(rig: NvmlRig) -> int:
    file = rig.beside / "nvml-freed-event-sets"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_the_event_set_of_a_gpu_is_closed_when_leave_returns(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    watch = rig.watch()
    assert freed(rig) == 0
    watch.leave(first_uuid(rig))
    assert freed(rig) == 1
    watch.close()
    assert freed(rig) == 4


def test_the_event_set_of_a_gpu_that_cannot_be_watched_is_closed(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    rig.refuse(first_uuid(rig), "watch", "in-use")
    rig.watch()
    assert freed(rig) == 1


def test_a_gpu_that_does_not_let_go_is_not_said_to_be_left(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    watch = rig.watch()
    rig.fail(None, "nvmlEventSetFree", -1)
    with pytest.raises(TimedOutError, match=first_uuid(rig)):
        watch.leave(first_uuid(rig))
    assert first_uuid(rig) in watch.watched
    rig.repair()
    watch.leave(first_uuid(rig))
    assert freed(rig) == 1


def test_a_watch_that_breaks_says_so_and_ends(nvml_rig: MakeNvmlRig) -> None:
    """D95: the reference driver asks again without a pause."""
    rig = nvml_rig("l4")
    watch = rig.watch()
    rig.fail(first_uuid(rig), "nvmlEventSetWait_v2", 999)
    until(rig.told)
    (event,) = rig.told()
    assert isinstance(event, WatchFailed)
    assert event.gpu_uuid == first_uuid(rig)
    until(lambda: first_uuid(rig) not in watch.watched)
    assert freed(rig) == 1


def test_a_lost_gpu_whose_event_set_cannot_be_closed_is_still_told_as_lost(
    nvml_rig: MakeNvmlRig,
) -> None:
    rig = nvml_rig("l4")
    rig.watch()
    rig.fail(None, "nvmlEventSetFree", 15)
    rig.ail(first_uuid(rig), "lost")
    until(rig.told)
    assert rig.told() == [GpuLostReported(gpu_uuid=first_uuid(rig))]


def test_an_event_set_that_cannot_be_closed_is_told(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    rig.watch()
    rig.fail(None, "nvmlEventSetFree", 999)
    rig.fail(first_uuid(rig), "nvmlEventSetWait_v2", 3)
    until(rig.told)
    (event,) = rig.told()
    assert isinstance(event, WatchFailed)


def test_a_gpu_without_errors_to_report_is_not_watched(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    (rig.beside / "nvml-event-types").write_text("1\n")
    watch = rig.watch()
    assert watch.watched == set()
    assert len(rig.told()) == 4
    assert all(
        isinstance(event, WatchFailed) and "neither XID errors" in event.reason
        for event in rig.told()
    )


def test_events_that_nobody_asked_for_are_passed_over(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    rig.watch()
    (rig.beside / "nvml-events").write_text(f"0 1 7 {2**32 - 1} {2**32 - 1}\n")
    rig.report_xid(first_uuid(rig), 79)
    until(rig.told)
    (event,) = rig.told()
    assert isinstance(event, XidReported)


def test_errors_say_what_the_driver_was_asked_and_what_it_said(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("l4")
    uuid = first_uuid(rig)
    rig.fail(uuid, "nvmlDeviceSetComputeMode", 3)
    with pytest.raises(NotSupportedError) as caught:
        rig.machine.set_compute_mode(uuid, ComputeMode.PROHIBITED)
    assert str(caught.value) == (
        f"{uuid}: The driver could not set the compute mode to Prohibited: "
        "Not Supported (NVML error 3)."
    )


def test_a_gpu_that_leaves_moves_the_others_up(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig("mixed")
    whole, cut, ampere, *rest = rig.machine.inventory().gpus
    rig.plan = replace(rig.plan, gpus=rig.plan.gpus[1:])
    rig.describe()
    assert rig.machine.inventory().gpus == (cut, ampere, *rest)
    rig.machine.set_compute_mode(rest[-1].uuid, ComputeMode.PROHIBITED)
    assert (rig.beside / "nvml-compute-mode-4").exists()
    rig.plan = replace(rig.plan, gpus=rig.plan.gpus[:-1])
    rig.describe()
    assert rig.machine.inventory().gpus == (cut, ampere, *rest[:-1])
    for gone in (whole, rest[-1]):
        with pytest.raises(GpuMissingError, match="This machine has no GPU"):
            rig.machine.gpu(gone.uuid)


def test_one_gpu_is_never_taken_for_another(nvml_rig: MakeNvmlRig) -> None:
    """The driver's order changes when GPUs leave and come."""
    rig = nvml_rig("l4")
    first, second, *_ = rig.machine.inventory().gpus
    lines = described(rig)
    rig.describe(
        lines.replace(first.uuid, "GPU-x")
        .replace(second.uuid, first.uuid)
        .replace("GPU-x", second.uuid)
    )
    for ask in (
        lambda: rig.machine.set_compute_mode(first.uuid, ComputeMode.PROHIBITED),
        lambda: rig.machine.gpu(first.uuid),
    ):
        with pytest.raises(GpuMissingError, match="in the place of"):
            ask()
    assert list(rig.beside.glob("nvml-compute-mode-*")) == []
    rig.machine.inventory()
    rig.machine.set_compute_mode(first.uuid, ComputeMode.PROHIBITED)
    assert [path.name for path in rig.beside.glob("nvml-compute-mode-*")] == [
        "nvml-compute-mode-1"
    ]


@pytest.mark.parametrize("code", [2, 6])
def test_a_profile_that_the_driver_does_not_know_hides_no_later_one(
    code: int, nvml_rig: MakeNvmlRig
) -> None:
    rig = nvml_rig("mixed")
    named = rig.machine.inventory()
    rig.restart()
    rig.describe(described(rig).replace("profile 1 3 5 4 ", "profile 1 17 5 4 "))
    rig.fail(None, "offered", code)
    assert rig.machine.inventory() == named


def test_the_bus_and_the_mig_mode_of_every_gpu_are_read_each_time(nvml_rig: MakeNvmlRig) -> None:
    rig = nvml_rig(profile("mixed"))
    whole = rig.machine.inventory().gpus[0]
    gpus = (replace(rig.plan.gpus[0], minor=77), *rig.plan.gpus[1:])
    rig.plan = replace(rig.plan, gpus=gpus)
    rig.describe()
    assert rig.machine.gpu(whole.uuid) == replace(whole, minor=77)
