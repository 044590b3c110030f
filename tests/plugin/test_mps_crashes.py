"""A crash after any step of preparing and unpreparing a claim with MPS is made good."""

from pathlib import Path

import pytest

from plugin.hardware.facts import ComputeMode
from plugin.prepare import recover
from plugin.preparer import Deadline, PreparedDevice
from tests.plugin.checkpoint_examples import Crash, CrashingSteps
from tests.plugin.mps_rig import MPS, MpsRig
from tests.plugin.prepare_rig import LONG_SECONDS, claim, opaque, result

FIRST = claim(1)
BEFORE = ("Prohibited", "Default")
SHARED = ("ExclusiveProcess", "Default")


def a_node(folder: Path) -> MpsRig:
    """Return a node with a claim for two GPUs, in a mode that has to come back."""
    rig = MpsRig(folder)
    set_before(rig)
    rig.allocate(FIRST, [result("gpu-0"), result("gpu-1")], [opaque(sharing=MPS)])
    return rig


def set_before(rig: MpsRig) -> None:
    for name in ("gpu-0", "gpu-1"):
        rig.set_mode(name, ComputeMode.PROHIBITED)


def steps_of(folder: Path, work: str) -> list[str]:
    rig = a_node(folder)
    if work == "unprepare":
        rig.prepare(FIRST)
    steps = CrashingSteps()
    rig.restart(steps=steps)
    act(rig, work)
    return steps.names


def act(rig: MpsRig, work: str) -> None:
    if work == "prepare":
        rig.prepare(FIRST)
    else:
        rig.unprepare(FIRST)


def crashed(folder: Path, work: str, crash_at: int) -> MpsRig:
    rig = a_node(folder)
    if work == "unprepare":
        rig.prepare(FIRST)
    rig.restart(steps=CrashingSteps(crash_at))
    with pytest.raises(Crash):
        act(rig, work)
    rig.restart()
    return rig


def expect_prepared(rig: MpsRig, devices: tuple[PreparedDevice, ...]) -> None:
    assert rig.prepare(FIRST) == devices
    assert rig.setting("gpu-0") == rig.setting("gpu-1") == SHARED
    assert rig.daemons() == [rig.daemon(FIRST).id]
    assert rig.daemon(FIRST).ready.exists()


def expect_nothing_left(rig: MpsRig) -> None:
    rig.unprepare(FIRST)
    assert rig.left() == []
    assert rig.setting("gpu-0") == rig.setting("gpu-1") == BEFORE


SYNCS = (": synced", ": kept")


def test_the_order_is_intent_act_result(tmp_path: Path) -> None:
    """D28: each effect is on record before it is made."""
    names = [
        one for one in steps_of(tmp_path, "prepare") if not one.endswith((": synced", ": kept"))
    ]
    assert names == [
        *("begin: written", "begin: replaced"),
        *("note: overwritten", "made: MpsComputeMode") * 2,
        *("note: overwritten", "made: MpsFolders", "made: MpsDaemon"),
        *("cdi: written", "cdi: replaced"),
        "complete: overwritten",
    ]


def test_the_daemon_ends_before_anything_else_is_taken_back(tmp_path: Path) -> None:
    """D32: the compute mode is restored when nothing of the daemon is left."""
    names = [
        one for one in steps_of(tmp_path, "unprepare") if not one.endswith((": synced", ": kept"))
    ]
    assert names == [
        *("release: overwritten", "cdi: removed", "stopped: MpsDaemon"),
        *("undone: MpsDaemon", "undone: overwritten"),
        *("undone: MpsComputeMode", "undone: overwritten") * 2,
        "forget: removed",
    ]


@pytest.mark.parametrize("work", ["prepare", "unprepare"])
@pytest.mark.parametrize("then", ["prepare", "unprepare", "recover"])
def test_a_crash_after_any_step_is_made_good(tmp_path: Path, work: str, then: str) -> None:
    devices = a_node(tmp_path / "answer").prepare(FIRST)
    count = len(steps_of(tmp_path / "whole", work))
    assert count > 9
    for crash_at in range(count):
        rig = crashed(tmp_path / f"{crash_at}", work, crash_at)
        if then == "recover":
            assert recover(rig.node, lambda: Deadline(LONG_SECONDS)) == ()
            known = [FIRST] if rig.files() else []
            assert rig.sweep(*known) == ()
            if not known:
                assert rig.left() == []
                assert rig.setting("gpu-0") == rig.setting("gpu-1") == BEFORE
        if then != "unprepare":
            expect_prepared(rig, devices)
        expect_nothing_left(rig)


def test_a_crash_and_a_reboot_are_made_good(tmp_path: Path) -> None:
    """D29: what outlives a reboot is taken back, and what does not is left as it booted."""
    devices = a_node(tmp_path / "answer").prepare(FIRST)
    for crash_at in range(len(steps_of(tmp_path / "whole", "prepare"))):
        rig = crashed(tmp_path / f"{crash_at}", "prepare", crash_at)
        rig.restart(boot_id="next-boot")
        set_before(rig)
        expect_prepared(rig, devices)
        expect_nothing_left(rig)


def test_a_crash_while_a_crash_is_made_good_is_made_good(tmp_path: Path) -> None:
    begun = steps_of(tmp_path / "begun", "prepare").index("made: MpsDaemon")
    for crash_at in range(len(steps_of(tmp_path / "whole", "unprepare"))):
        rig = crashed(tmp_path / f"{crash_at}", "prepare", begun)
        rig.restart(steps=CrashingSteps(crash_at))
        with pytest.raises(Crash):
            rig.prepare(FIRST)
        rig.restart()
        expect_nothing_left(rig)
