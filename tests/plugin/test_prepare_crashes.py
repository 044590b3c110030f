"""A crash after any step of prepare and unprepare is made good; so is a full disk."""

from pathlib import Path

import pytest

from plugin.hardware.facts import ComputeMode
from plugin.preparer import Deadline, PreparedDevice, PrepareFailed
from tests.plugin.checkpoint_examples import Crash, CrashingSteps
from tests.plugin.prepare_rig import SHORT_SLICES, NodeRig, claim, opaque, result

FIRST, SECOND = claim(1), claim(2)
BEFORE = ("ExclusiveProcess", "Default")
SHARED = ("Default", "Short")


def make_exclusive(rig: NodeRig) -> None:
    for name in ("gpu-0", "gpu-1"):
        rig.set_mode(name, ComputeMode.EXCLUSIVE_PROCESS)


def a_node(folder: Path) -> NodeRig:
    """Return a node with a claim for two GPUs, which somebody has made exclusive."""
    rig = NodeRig(folder)
    make_exclusive(rig)
    rig.allocate(FIRST, [result("gpu-0"), result("gpu-1")], [opaque(sharing=SHORT_SLICES)])
    return rig


def steps_of_prepare(folder: Path) -> list[str]:
    steps = CrashingSteps()
    rig = a_node(folder)
    rig.restart(steps=steps)
    rig.prepare(FIRST)
    return steps.names


def steps_of_unprepare(folder: Path) -> list[str]:
    rig = a_node(folder)
    rig.prepare(FIRST)
    steps = CrashingSteps()
    rig.restart(steps=steps)
    rig.unprepare(FIRST)
    return steps.names


def answer(folder: Path) -> tuple[PreparedDevice, ...]:
    return a_node(folder).prepare(FIRST)


def expect_nothing_left(rig: NodeRig) -> None:
    assert rig.files() == []
    assert rig.setting("gpu-0") == rig.setting("gpu-1") == BEFORE


SYNCS = (": synced", ": kept")
"""How the steps end that only a loss of power can tell apart."""


def test_the_order_is_intent_act_result(tmp_path: Path) -> None:
    names = [name for name in steps_of_prepare(tmp_path) if not name.endswith(SYNCS)]
    assert names == [
        *("begin: written", "begin: replaced"),
        *("note: overwritten", "made: ComputeMode", "note: overwritten", "made: TimeSlice") * 2,
        *("cdi: written", "cdi: replaced"),
        "complete: overwritten",
    ]


def test_taking_back_is_recorded_before_it_is_done(tmp_path: Path) -> None:
    names = [name for name in steps_of_unprepare(tmp_path) if not name.endswith(SYNCS)]
    assert names == [
        *("release: overwritten", "cdi: removed"),
        *("undone: TimeSlice", "undone: overwritten"),
        *("undone: ComputeMode", "undone: overwritten"),
        *("undone: TimeSlice", "undone: overwritten"),
        *("undone: ComputeMode", "undone: overwritten"),
        "forget: removed",
    ]


@pytest.mark.parametrize("then", ["prepare", "unprepare", "reboot"])
def test_a_crash_after_any_step_of_prepare_is_made_good(tmp_path: Path, then: str) -> None:
    count = len(steps_of_prepare(tmp_path / "whole"))
    devices = answer(tmp_path / "answer")
    for crash_at in range(count):
        rig = a_node(tmp_path / f"{then}-{crash_at}")
        rig.restart(steps=CrashingSteps(crash_at))
        with pytest.raises(Crash):
            rig.prepare(FIRST)
        rig.restart(boot_id="next-boot" if then == "reboot" else None)
        if then == "reboot":
            make_exclusive(rig)
        if then != "unprepare":
            assert rig.prepare(FIRST) == devices
            assert rig.setting("gpu-0") == SHARED
            assert len(rig.files()) == 2
        rig.unprepare(FIRST)
        expect_nothing_left(rig)


@pytest.mark.parametrize("then", ["prepare", "unprepare"])
def test_a_crash_after_any_step_of_unprepare_is_made_good(tmp_path: Path, then: str) -> None:
    count = len(steps_of_unprepare(tmp_path / "whole"))
    devices = answer(tmp_path / "answer")
    for crash_at in range(count):
        rig = a_node(tmp_path / f"{then}-{crash_at}")
        rig.prepare(FIRST)
        rig.restart(steps=CrashingSteps(crash_at))
        with pytest.raises(Crash):
            rig.unprepare(FIRST)
        rig.restart()
        if then == "prepare":
            assert rig.prepare(FIRST) == devices
            assert rig.setting("gpu-0") == SHARED
        rig.unprepare(FIRST)
        expect_nothing_left(rig)


def test_a_crash_while_a_crash_is_made_good_is_made_good(tmp_path: Path) -> None:
    for crash_at in range(len(steps_of_unprepare(tmp_path / "whole"))):
        rig = a_node(tmp_path / f"{crash_at}")
        rig.restart(steps=CrashingSteps(9))
        with pytest.raises(Crash):
            rig.prepare(FIRST)
        rig.restart(steps=CrashingSteps(crash_at))
        with pytest.raises(Crash):
            rig.prepare(FIRST)
        rig.restart()
        rig.unprepare(FIRST)
        expect_nothing_left(rig)


def test_a_full_disk_refuses_new_claims_and_lets_go_of_those_that_are(tmp_path: Path) -> None:
    steps = CrashingSteps()
    rig = a_node(tmp_path)
    rig.restart(steps=steps)
    rig.prepare(FIRST)
    rig.allocate(SECOND, [result("gpu-2")])
    steps.disk_is_full = True
    with pytest.raises(PrepareFailed, match="no space") as caught:
        rig.prepare(SECOND)
    assert not caught.value.permanent
    rig.unprepare(SECOND)
    rig.unprepare(FIRST)
    expect_nothing_left(rig)


class FullAt:
    """The disk is full when one kind of file is written."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, step: str) -> None:
        if step == self.name:
            raise OSError(28, "No space left on device")


def test_a_disk_that_is_full_when_the_cdi_file_comes_rolls_all_back(tmp_path: Path) -> None:
    rig = a_node(tmp_path)
    rig.restart(steps=FullAt("cdi: written"))
    with pytest.raises(PrepareFailed, match="no space left for the CDI file"):
        rig.prepare(FIRST)
    expect_nothing_left(rig)


# --------------------------------------------------------------------- at the same time


class Meanwhile:
    """Does something once, at a step of somebody else's work."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.done = False
        self.rig: NodeRig | None = None
        self.answers: list[object] = []

    def __call__(self, step: str) -> None:
        if step != self.name or self.done or self.rig is None:
            return
        self.done = True
        other = NodeRig(self.rig.folder, gates=self.rig.gates)
        other.claims = self.rig.claims
        # Without time, a lock that is not free is a failure.
        self.answers.append(other.prepare(SECOND, Deadline(0)))
        other.preparer.unprepare(SECOND, Deadline(0))


@pytest.mark.parametrize(
    "step",
    ["begin: written", "note: synced", "made: TimeSlice", "cdi: written", "complete: overwritten"],
)
def test_claims_on_different_devices_do_not_wait_for_each_other(tmp_path: Path, step: str) -> None:
    """D51: the reference driver prepares one claim at a time on a node, under one lock with ten
    seconds of patience.
    """
    meanwhile = Meanwhile(step)
    rig = a_node(tmp_path)
    rig.restart(steps=meanwhile)
    meanwhile.rig = rig
    rig.allocate(SECOND, [result("gpu-2")], [opaque(sharing=SHORT_SLICES)])
    rig.prepare(FIRST)
    assert len(meanwhile.answers) == 1
    assert rig.setting("gpu-0") == SHARED
    rig.unprepare(FIRST)
    expect_nothing_left(rig)
