"""Calls with deadlines, names by number, and the program that sets time slices."""

import shutil
import threading
from pathlib import Path

import pytest

from dra_config.hub import TimeSliceInterval
from plugin.hardware import names
from plugin.hardware.deadlines import Lane
from plugin.hardware.errors import (
    DriverNotLoadedError,
    GpuLostError,
    GpuMissingError,
    LibraryMissingError,
    MachineError,
    NotSupportedError,
    PermissionDeniedError,
    TimedOutError,
)
from plugin.hardware.nvidia_smi import NvidiaSmi
from tests.plugin.hardware_fixtures import nvml_library
from tests.plugin.machine_rigs import until

__all__ = ["nvml_library"]

# --- lanes -----------------------------------------------------------------------------


def answers(lane: Lane) -> bool:
    try:
        return lane.run(lambda: True)
    except TimedOutError:
        return False


def test_a_lane_returns_results_and_raises_what_was_raised() -> None:
    lane = Lane("GPU 0", deadline_seconds=60)
    assert lane.run(lambda: 42) == 42
    with pytest.raises(KeyError, match="x"):
        lane.run(lambda: dict[str, int]()["x"])
    assert lane.run(threading.get_ident) != threading.get_ident()
    lane.close()


def test_calls_of_a_lane_are_made_one_after_another() -> None:
    lane = Lane("GPU 0", deadline_seconds=60)
    gate, order = threading.Event(), list[int]()

    def wait() -> None:
        gate.wait(60)
        order.append(1)

    first = lane.begin(wait)
    second = lane.begin(lambda: order.append(2))
    gate.set()
    second.result()
    first.result()
    assert order == [1, 2]
    lane.close()


def test_a_lane_that_hangs_says_so_and_opens_again() -> None:
    lane = Lane("GPU 7", deadline_seconds=0.1)
    gate = threading.Event()
    waiting = lane.begin(lambda: gate.wait(60))
    behind = lane.begin(lambda: pytest.fail("it was given up before it began"))
    with pytest.raises(TimedOutError, match=r"GPU 7 did not answer within 0\.1 seconds"):
        waiting.result()
    with pytest.raises(TimedOutError):
        behind.result()
    with pytest.raises(TimedOutError, match="GPU 7 still hangs in an earlier call"):
        lane.run(lambda: 1)
    gate.set()
    until(lambda: answers(lane))
    lane.close()


def test_deadlines_of_several_lanes_run_at_the_same_time() -> None:
    """Three that hang cost one deadline together: the clock shows what each one waits for."""
    gate, now = threading.Event(), [100.0]
    lanes = [
        Lane(f"GPU {index}", deadline_seconds=0.2, clock=lambda: now[0]) for index in range(3)
    ]
    waiting = [lane.begin(lambda: gate.wait(60)) for lane in lanes]
    now[0] += 60
    for one in waiting:
        with pytest.raises(TimedOutError):
            one.result()
    gate.set()
    for lane in lanes:
        lane.close()


def test_a_closed_lane_makes_no_more_calls() -> None:
    lane = Lane("GPU 0", deadline_seconds=60)
    lane.close()
    lane.close()
    with pytest.raises(MachineError, match="driver is closed"):
        lane.run(lambda: 1)


# --- names -----------------------------------------------------------------------------


def test_numbers_that_nobody_knows_are_unknown() -> None:
    assert names.architecture(0xFFFFFFFF) == "Unknown"
    assert names.architecture(11) == "Unknown"
    assert names.brand(18) == "Unknown"
    assert (names.architecture(8), names.brand(14)) == ("Ada Lovelace", "Nvidia")


@pytest.mark.parametrize(
    ("number", "slices", "mebibytes", "total", "name"),
    [
        (0, 1, 9984, 81559, "1g.10gb"),
        (7, 1, 9984, 81559, "1g.10gb+me"),
        (2, 3, 40448, 81559, "3g.40gb"),
        (0, 1, 16384, 143771, "1g.18gb"),
        (9, 1, 33024, 143771, "1g.35gb"),
        (3, 4, 71168, 143771, "4g.71gb"),
        (0, 1, 20992, 183359, "1g.23gb"),
        (15, 1, 20992, 183359, "1g.23gb+me.all"),
        (13, 1, 20992, 183359, "1g.23gb-me"),
        (17, 3, 40448, 81559, "3g.40gb+gfx"),
        (4, 7, 40192, 40960, "7g.40gb"),
    ],
)
def test_profiles_are_named_as_the_driver_names_them(
    number: int, slices: int, mebibytes: int, total: int, name: str
) -> None:
    found = names.mig_profile(
        number=number,
        slices=slices,
        memory_bytes=mebibytes * 2**20,
        total_bytes=total * 2**20,
    )
    assert found == name


# --- nvidia-smi ------------------------------------------------------------------------


def program(root: Path, script: str, library: Path) -> NvidiaSmi:
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/lib64").mkdir(parents=True)
    shutil.copy(library, root / "usr/lib64/libnvidia-ml.so.1")
    file = root / "usr/bin/nvidia-smi"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)
    return NvidiaSmi(root, timeout_seconds=60)


@pytest.mark.parametrize(
    ("interval", "number"),
    [
        (TimeSliceInterval.DEFAULT, 0),
        (TimeSliceInterval.SHORT, 1),
        (TimeSliceInterval.MEDIUM, 2),
        (TimeSliceInterval.LONG, 3),
    ],
)
def test_the_interval_is_handed_over_as_a_number(
    interval: TimeSliceInterval, number: int, tmp_path: Path, nvml_library: Path
) -> None:
    program(tmp_path, f'echo "$@" >{tmp_path}/seen', nvml_library).set_time_slice(
        "GPU-1", interval
    )
    seen = (tmp_path / "seen").read_text()
    assert seen == f"compute-policy -i GPU-1 --set-timeslice {number}\n"


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (3, NotSupportedError),
        (4, PermissionDeniedError),
        (6, GpuMissingError),
        (9, DriverNotLoadedError),
        (12, LibraryMissingError),
        (15, GpuLostError),
        (255, MachineError),
    ],
)
def test_exit_codes_mean_what_the_manual_says(
    code: int, error: type[MachineError], tmp_path: Path, nvml_library: Path
) -> None:
    smi = program(tmp_path, f"echo no such luck; exit {code}", nvml_library)
    with pytest.raises(error) as caught:
        smi.set_time_slice("GPU-1", TimeSliceInterval.LONG)
    assert type(caught.value) is error
    assert str(caught.value) == (
        f"nvidia-smi could not set the time slice of GPU-1 to Long: exit {code}, no such luck"
    )


def test_a_gpu_without_support_may_be_told_in_words_alone(
    tmp_path: Path, nvml_library: Path
) -> None:
    smi = program(tmp_path, "echo Setting is Not Supported >&2; exit 255", nvml_library)
    with pytest.raises(NotSupportedError):
        smi.set_time_slice("GPU-1", TimeSliceInterval.LONG)


def test_long_and_empty_output_make_short_messages(tmp_path: Path, nvml_library: Path) -> None:
    smi = program(tmp_path / "long", "head -c 100000 /dev/zero | tr '\\0' x; exit 1", nvml_library)
    with pytest.raises(MachineError) as caught:
        smi.set_time_slice("GPU-1", TimeSliceInterval.LONG)
    assert len(str(caught.value)) < 1000
    smi = program(tmp_path / "empty", "exit 1", nvml_library)
    with pytest.raises(MachineError, match="exit 1, no output"):
        smi.set_time_slice("GPU-1", TimeSliceInterval.LONG)


def test_a_program_that_is_missing_or_cannot_run_is_told(
    tmp_path: Path, nvml_library: Path
) -> None:
    smi = program(tmp_path, "", nvml_library)
    file = tmp_path / "usr/bin/nvidia-smi"
    file.write_bytes(b"\x7fELF nonsense")
    with pytest.raises(MachineError, match="cannot be started to set the time slice"):
        smi.set_time_slice("GPU-1", TimeSliceInterval.LONG)
    file.unlink()
    with pytest.raises(LibraryMissingError, match="'nvidia-smi' is in none of"):
        smi.set_time_slice("GPU-1", TimeSliceInterval.LONG)
