"""What the plugin makes good when it starts."""

from pathlib import Path

import pytest

from plugin.checkpoint import Checkpoint, Format, Phase, claim_key
from plugin.hardware.facts import ComputeMode
from plugin.prepare import recover
from plugin.preparer import Deadline
from tests.plugin.checkpoint_examples import Crash, CrashingSteps
from tests.plugin.prepare_rig import (
    LONG_SECONDS,
    SHORT_SLICES,
    NodeRig,
    claim,
    opaque,
    result,
)

FIRST, SECOND = claim(1), claim(2)


@pytest.fixture
def rig(tmp_path: Path) -> NodeRig:
    return a_node(tmp_path)


def a_node(folder: Path) -> NodeRig:
    rig = NodeRig(folder)
    rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
    rig.allocate(FIRST, [result("gpu-0")], [opaque(sharing=SHORT_SLICES)])
    rig.allocate(SECOND, [result("gpu-1")])
    return rig


def recovered(rig: NodeRig, *, seconds: float = LONG_SECONDS) -> tuple[str, ...]:
    return recover(rig.node, lambda: Deadline(seconds))


def names(rig: NodeRig) -> list[str]:
    """Return the UIDs of the claims that have a file, once for each file."""
    return [name for name in rig.files() if ".corrupt-" not in name]


@pytest.mark.parametrize("work", ["prepare", "unprepare"])
def test_what_a_crash_interrupted_is_taken_back(tmp_path: Path, work: str) -> None:
    crash_at, finished = 0, False
    while not finished:
        rig = a_node(tmp_path / f"{crash_at}")
        if work == "unprepare":
            rig.prepare(FIRST)
        rig.restart(steps=CrashingSteps(crash_at))
        try:
            (rig.prepare if work == "prepare" else rig.unprepare)(FIRST)
            finished = True
        except Crash:
            pass
        rig.restart()
        assert recovered(rig) == ()
        record = rig.checkpoint.recall(FIRST.uid)
        if record is None:
            assert rig.files() == []
            assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
        else:
            assert record.phase is Phase.COMPLETED
            assert len(rig.files()) == 2
            assert rig.setting("gpu-0") == ("Default", "Short")
        crash_at += 1
    assert crash_at > 7


def test_a_prepared_claim_stays_and_its_cdi_file_is_made_right(rig: NodeRig) -> None:
    rig.prepare(FIRST)
    file = rig.cdi_file(FIRST)
    (path,) = (rig.folder / "cdi").iterdir()
    path.write_text("{}")
    assert recovered(rig) == ()
    assert rig.cdi_file(FIRST) == file
    assert rig.setting("gpu-0") == ("Default", "Short")


def test_files_that_tell_nothing_are_swept(rig: NodeRig) -> None:
    """D49: the reference driver never removes CDI files that belong to no claim."""
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    rig.checkpoint.forget(FIRST.uid)
    (path,) = (rig.folder / "cdi").glob(f"*{FIRST.uid}*")
    path.write_text("{}")
    assert recovered(rig) == ()
    assert all(SECOND.uid in name for name in rig.files())
    assert len(rig.files()) == 2


def lose(rig: NodeRig, how: str) -> int:
    """Lose the record of the only claim; return how many sentences tell of it."""
    (path,) = (rig.folder / "claims").iterdir()
    if how == "removed":
        path.unlink()
        return 0
    path.write_bytes(b"x" * path.stat().st_size)
    return 1


@pytest.mark.parametrize("how", ["damaged", "removed"])
def test_a_lost_record_is_made_anew(rig: NodeRig, how: str) -> None:
    devices = rig.prepare(FIRST)
    count = lose(rig, how)
    assert len(recovered(rig)) == count
    assert rig.prepare(FIRST) == devices
    assert rig.fetched == [FIRST.uid]
    rig.unprepare(FIRST)
    assert rig.setting("gpu-0") == ("ExclusiveProcess", "Default")
    assert names(rig) == []


def test_a_damaged_record_of_which_nothing_else_tells_is_told_of(rig: NodeRig) -> None:
    rig.prepare(FIRST)
    rig.cdi.remove(FIRST.uid)
    lose(rig, "damaged")
    (sentence,) = recovered(rig)
    assert FIRST.uid in sentence
    assert rig.checkpoint.recall(FIRST.uid) is None


def test_a_claim_that_another_instance_is_at_work_on_is_left_to_it(rig: NodeRig) -> None:
    """D41: the reference driver's clean-up reads what others are writing; here it holds the
    claim's lock.
    """
    rig.prepare(FIRST)
    rig.checkpoint.release(FIRST.uid)
    rig.prepare(SECOND)
    with rig.locks.hold([claim_key(FIRST.uid)], Deadline(LONG_SECONDS)):
        (sentence,) = recovered(rig, seconds=0)
    assert FIRST.uid in sentence
    record = rig.checkpoint.recall(FIRST.uid)
    assert record is not None
    assert record.phase is Phase.RELEASING
    assert len(rig.files()) == 4


def test_one_claim_that_cannot_be_made_good_does_not_stop_the_others(rig: NodeRig) -> None:
    rig.prepare(FIRST)
    rig.prepare(SECOND)
    rig.checkpoint.release(SECOND.uid)
    rig.refuse("gpu-0", "gpu", "permission")
    (sentence,) = recovered(rig)
    assert rig.gpu("gpu-0").uuid in sentence
    assert rig.checkpoint.recall(SECOND.uid) is None
    rig.repair()
    assert recovered(rig) == ()


def test_records_of_an_earlier_boot_stay_until_somebody_asks_for_their_claims(
    rig: NodeRig,
) -> None:
    """D46: the reference driver drops the whole record at a reboot, and with it what it would have
    to take back.
    """
    rig.prepare(FIRST)
    rig.restart(boot_id="second-boot")
    rig.cdi.remove(FIRST.uid)
    assert recovered(rig) == ()
    record = rig.checkpoint.recall(FIRST.uid)
    assert record is not None
    assert rig.checkpoint.is_stale(record)
    assert rig.setting("gpu-0") == ("Default", "Default")
    assert len(rig.files()) == 1


@pytest.mark.parametrize("crash_at", [3, 5])
def test_what_a_reboot_interrupted_is_forgotten_without_touching_the_machine(
    rig: NodeRig, crash_at: int
) -> None:
    rig.restart(steps=CrashingSteps(crash_at))
    with pytest.raises(Crash):
        rig.prepare(FIRST)
    rig.restart(boot_id="second-boot")
    rig.set_mode("gpu-0", ComputeMode.PROHIBITED)
    assert recovered(rig) == ()
    assert rig.files() == []
    assert rig.setting("gpu-0") == ("Prohibited", "Default")


def test_a_record_that_only_a_newer_version_reads_is_told_of_and_kept(rig: NodeRig) -> None:
    rig.prepare(SECOND)
    record = rig.checkpoint.recall(SECOND.uid)
    assert record is not None
    newer = Checkpoint(
        rig.folder / "claims", boot_id=rig.boot_id, form=Format(version=9, oldest_reader=9)
    )
    newer.begin(SECOND, record.intent)
    (sentence,) = recovered(rig)
    assert "Install the newer version." in sentence
    assert len(rig.files()) == 2
