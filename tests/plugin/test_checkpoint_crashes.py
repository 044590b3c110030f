"""A crash at every step, a full disk at any time: whatever happens, nothing is leaked or lost."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from plugin.checkpoint import Checkpoint, DiskFullError, Phase, Record
from tests.plugin.checkpoint_examples import (
    UID,
    Crash,
    CrashingSteps,
    checkpoint,
    devices,
)
from tests.plugin.claim_life import (
    Machine,
    gpus_of,
    prepare,
    recover,
    unprepare,
    wanted_settings,
)

PREPARE_STEPS = [
    *("begin: written", "begin: replaced"),
    *("note: overwritten", "note: synced", "note: kept", "machine: set"),
    *("note: overwritten", "note: synced", "note: kept", "machine: set"),
    "complete: overwritten",
]
UNPREPARE_STEPS = [
    "release: overwritten",
    *("machine: restored", "undone: overwritten"),
    *("machine: restored", "undone: overwritten"),
    "forget: removed",
]


def steps_of_a_life(folder: Path) -> tuple[list[str], list[str]]:
    steps = CrashingSteps()
    opened, machine = checkpoint(folder, steps=steps), Machine(folder)
    prepare(opened, machine, steps=steps)
    prepared = list(steps.names)
    unprepare(opened, machine, steps=steps)
    return prepared, steps.names[len(prepared) :]


def test_every_step_is_announced_in_the_order_in_which_it_must_happen(tmp_path: Path) -> None:
    """Intent before act, act before result; and the reverse on the way back."""
    assert steps_of_a_life(tmp_path) == (PREPARE_STEPS, UNPREPARE_STEPS)


def assert_recovered(folder: Path) -> None:
    """Start anew, and see that a claim is either wholly prepared or wholly gone."""
    opened, machine = checkpoint(folder), Machine(folder)
    recover(opened, machine)
    assert machine.settings == wanted_settings(opened)
    assert list(folder.rglob("*.part")) == []
    prepare(opened, machine)
    record = opened.recall(UID)
    assert record is not None
    assert record.devices == devices(UID, *gpus_of(UID))
    assert sorted(machine.settings) == ["GPU-2", "GPU-3"]
    unprepare(opened, machine)
    assert machine.settings == {}
    assert opened.all().records == ()


@pytest.mark.parametrize("crash_at", range(len(PREPARE_STEPS)))
def test_a_crash_at_any_step_of_a_prepare_is_made_good(crash_at: int, tmp_path: Path) -> None:
    steps = CrashingSteps(crash_at)
    with pytest.raises(Crash, match=PREPARE_STEPS[crash_at]):
        prepare(checkpoint(tmp_path, steps=steps), Machine(tmp_path), steps=steps)
    assert_recovered(tmp_path)


@pytest.mark.parametrize("crash_at", range(len(UNPREPARE_STEPS)))
def test_a_crash_at_any_step_of_an_unprepare_is_made_good(crash_at: int, tmp_path: Path) -> None:
    prepare(checkpoint(tmp_path), Machine(tmp_path))
    steps = CrashingSteps(crash_at)
    with pytest.raises(Crash, match=UNPREPARE_STEPS[crash_at]):
        unprepare(checkpoint(tmp_path, steps=steps), Machine(tmp_path), steps=steps)
    assert_recovered(tmp_path)


@pytest.mark.parametrize(
    ("work", "crash_at"),
    [
        *(("prepare", number) for number in (0, 1, 5, len(PREPARE_STEPS) - 1)),
        *(("unprepare", number) for number in (0, 3, len(UNPREPARE_STEPS) - 1)),
    ],
)
def test_a_killed_process_leaves_what_the_next_one_makes_good(
    work: str, crash_at: int, root: Path, tmp_path: Path
) -> None:
    """SIGKILL: nothing of the process cleans up."""
    names = PREPARE_STEPS
    if work == "unprepare":
        prepare(checkpoint(tmp_path), Machine(tmp_path))
        names = UNPREPARE_STEPS
    arguments = ["-m", "tests.plugin.claim_life", str(tmp_path), work, str(crash_at)]
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=root, capture_output=True, text=True, check=False
    )
    assert ended.returncode == -9, ended.stderr
    assert ended.stdout.splitlines() == names[: crash_at + 1]
    assert_recovered(tmp_path)


# --- a full disk -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_a_full_disk_refuses_new_claims_and_never_a_release(
    kind: str, root: Path, tmp_path: Path
) -> None:
    """F9, on a file system that has not one byte left."""
    for program in ("unshare", "mount", *(["mkfs.ext4"] if kind == "ext4" else [])):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program} to make a small disk")
    mounts = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*mounts, "true"], capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    ended = subprocess.run(
        [*mounts, sys.executable, "-m", "tests.plugin.full_disk", str(tmp_path), kind],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if kind == "ext4" and "loop" in ended.stderr:
        pytest.skip(f"needs a loop device: {ended.stderr.splitlines()[-1]}")
    assert ended.returncode == 0, ended.stderr
    report = json.loads(ended.stdout)
    full, empty = report["full"], report["empty"]
    assert full["records"] == [UID]
    assert full["leftovers"] == []
    assert full["settings"] == full["wanted"] != {}
    assert len(full["cdi"]) == 1
    *records, spec = full["errors"]
    assert len(records) == 89
    assert all("no space left for the record of another claim" in error for error in records)
    assert "no space left for the CDI file" in spec
    assert empty == {"settings": {}, "files": [], "cdi": []}


# --- any interleaving ------------------------------------------------------------------


UIDS = tuple(f"6d0d1d6e-0005-4000-8000-{number:012}" for number in range(1, 5))


class Lives(RuleBasedStateMachine):
    """Claims come and go while the process crashes, the machine reboots and the disk fills."""

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="claims-"))
        self.machine = Machine(self.folder)
        self.boot = 0
        self.steps = CrashingSteps()
        self.prepared: set[str] = set()
        """The claims that were answered and not taken back since."""
        self.open()

    def open(self) -> None:
        """Start the process anew."""
        disk_is_full = self.steps.disk_is_full
        self.steps = CrashingSteps()
        self.steps.disk_is_full = disk_is_full
        self.opened: Checkpoint = checkpoint(
            self.folder, boot_id=f"boot-{self.boot}", steps=self.steps
        )
        recover(self.opened, self.machine)

    def crash_after(self, steps: int | None) -> None:
        self.steps.names.clear()
        self.steps.crash_at = steps

    @rule(uid=st.sampled_from(UIDS), crash_at=st.none() | st.integers(0, 14))
    def prepare_one(self, uid: str, crash_at: int | None) -> None:
        self.crash_after(crash_at)
        try:
            prepare(self.opened, self.machine, uid, steps=self.steps)
        except DiskFullError:
            assert self.steps.disk_is_full
            assert uid not in self.prepared or self.is_stale(uid)
            self.prepared.discard(uid)
        except Crash:
            self.open()
            self.prepared.discard(uid)
            if uid in self.phases() and not self.is_stale(uid):
                self.prepared.add(uid)
        else:
            self.prepared.add(uid)
        self.crash_after(None)

    @rule(uid=st.sampled_from(UIDS), crash_at=st.none() | st.integers(0, 14))
    def unprepare_one(self, uid: str, crash_at: int | None) -> None:
        """A full disk is no reason to fail."""
        self.crash_after(crash_at)
        try:
            unprepare(self.opened, self.machine, uid, steps=self.steps)
        except Crash:
            self.open()
            self.prepared &= self.phases().keys()
        else:
            self.prepared.discard(uid)
        self.crash_after(None)

    @rule()
    def restart(self) -> None:
        self.open()

    @rule()
    def reboot(self) -> None:
        self.boot += 1
        self.open()

    @rule(full=st.booleans())
    def fill_the_disk(self, *, full: bool) -> None:
        self.steps.disk_is_full = full

    def phases(self) -> dict[str, Record]:
        return {record.claim.uid: record for record in self.opened.all().records}

    def is_stale(self, uid: str) -> bool:
        record = self.opened.recall(uid)
        return record is None or self.opened.is_stale(record)

    @invariant()
    def what_was_answered_is_on_record(self) -> None:
        records = self.phases()
        assert records.keys() == self.prepared
        for uid, record in records.items():
            assert record.phase is Phase.COMPLETED
            assert record.devices == devices(uid, *gpus_of(uid))

    @invariant()
    def the_machine_has_the_effects_of_the_records_and_no_others(self) -> None:
        assert self.machine.settings == wanted_settings(self.opened)

    @invariant()
    def nothing_lies_about(self) -> None:
        names = {path.name for path in (self.folder / "claims").iterdir()}
        assert names == {f"{uid}.record" for uid in self.prepared}

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


Lives.TestCase.settings = settings(max_examples=60, stateful_step_count=25)
TestLives = Lives.TestCase
