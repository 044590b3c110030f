"""Whatever claims come and go, crash and reboot: the machine shows what is prepared, no more."""

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from plugin.checkpoint import Phase
from plugin.hardware.facts import ComputeMode
from plugin.prepare import recover
from plugin.preparer import ClaimFailed, Deadline
from tests.plugin.checkpoint_examples import Crash, CrashingSteps
from tests.plugin.prepare_rig import (
    LONG_SECONDS,
    SHARES,
    SHORT_SLICES,
    NodeRig,
    claim,
    opaque,
    result,
)

GPUS = ("gpu-0", "gpu-1")
WHOLE = {1: ("gpu-0",), 2: ("gpu-0", "gpu-1")}
"""Claims for whole GPUs, without settings."""
SHARED = {3: ("gpu-0",), 4: ("gpu-0", "gpu-1"), 5: ("gpu-1",)}
"""Claims for shares of GPUs, with time slices."""
NUMBERS = st.sampled_from([*WHOLE, *SHARED])


def share_id(number: int, device: str) -> str:
    return f"{number:08}-0000-4000-8000-{device[-1:] * 12}"


class Node(RuleBasedStateMachine):
    """A node whose first GPU an administrator has made exclusive."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="laws-"))
        self.rig = NodeRig(self.folder, gates=SHARES)
        self.prepared: set[int] = set()
        self.boots = 0
        self.before = dict.fromkeys(GPUS, "Default")
        self.make_exclusive()
        for number, devices in WHOLE.items():
            self.rig.allocate(claim(number), [result(device) for device in devices])
        for number, devices in SHARED.items():
            results = [result(one, shareID=share_id(number, one)) for one in devices]
            self.rig.allocate(claim(number), results, [opaque(sharing=SHORT_SLICES)])

    def teardown(self) -> None:
        for number in (*WHOLE, *SHARED):
            self.rig.unprepare(claim(number))
        assert self.rig.files() == []
        for name in GPUS:
            assert self.rig.setting(name) == (self.before[name], "Default")
        shutil.rmtree(self.folder)

    def make_exclusive(self) -> None:
        self.rig.set_mode("gpu-0", ComputeMode.EXCLUSIVE_PROCESS)
        self.before = {"gpu-0": "ExclusiveProcess", "gpu-1": "Default"}

    def held(self) -> dict[int, tuple[str, ...]]:
        return {number: (WHOLE | SHARED)[number] for number in self.prepared}

    def is_free_for(self, number: int) -> bool:
        """Say whether nobody is in the way of a claim, by the rules and not by the records."""
        others = {one: devices for one, devices in self.held().items() if one != number}
        in_the_way = (
            others if number in WHOLE else {one: others[one] for one in others if one in WHOLE}
        )
        mine = {*(WHOLE | SHARED)[number]}
        return not any(mine & {*devices} for devices in in_the_way.values())

    @rule(number=NUMBERS)
    def prepare(self, number: int) -> None:
        if not self.is_free_for(number):
            with pytest.raises(ClaimFailed) as caught:
                self.rig.prepare(claim(number), Deadline(0))
            assert not caught.value.permanent
            return
        devices = self.rig.prepare(claim(number), Deadline(0))
        assert [one.device for one in devices] == [*(WHOLE | SHARED)[number]]
        self.prepared.add(number)

    @rule(number=NUMBERS)
    def unprepare(self, number: int) -> None:
        self.rig.unprepare(claim(number))
        self.prepared.discard(number)

    @rule(number=NUMBERS, crash_at=st.integers(0, 30), unprepares=st.booleans())
    def crash(self, number: int, crash_at: int, *, unprepares: bool) -> None:
        self.rig.restart(steps=CrashingSteps(crash_at))
        try:
            if unprepares:
                self.rig.unprepare(claim(number))
            else:
                self.rig.prepare(claim(number), Deadline(0))
        except (Crash, ClaimFailed):
            pass
        self.rig.restart()
        assert recover(self.rig.node, lambda: Deadline(LONG_SECONDS)) == ()
        record = self.rig.checkpoint.recall(claim(number).uid)
        if record is None:
            self.prepared.discard(number)
        elif not self.rig.checkpoint.is_stale(record):
            assert record.phase is Phase.COMPLETED
            self.prepared.add(number)

    @precondition(lambda self: self.boots < 3)
    @rule(exclusive=st.booleans())
    def reboot(self, *, exclusive: bool) -> None:
        self.boots += 1
        self.rig.restart(boot_id=f"boot-{self.boots}")
        self.before = dict.fromkeys(GPUS, "Default")
        if exclusive:
            self.make_exclusive()

    def stale(self) -> set[int]:
        found: set[int] = set()
        for number in (*WHOLE, *SHARED):
            record = self.rig.checkpoint.recall(claim(number).uid)
            if record is not None and self.rig.checkpoint.is_stale(record):
                found.add(number)
        return found

    @invariant()
    def settings_are_those_of_prepared_claims(self) -> None:
        live = self.prepared - self.stale()
        for name in GPUS:
            sliced = any(name in SHARED[number] for number in live if number in SHARED)
            wanted = ("Default", "Short") if sliced else (self.before[name], "Default")
            assert self.rig.setting(name) == wanted


TestNode = Node.TestCase
TestNode.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
