"""A claim prepared and unprepared as the plugin does it, on a machine that is a file of settings.

Run as a program it does so and kills itself at a step:
``python -m tests.plugin.claim_life FOLDER prepare|unprepare STEP``.
"""

import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from plugin.checkpoint import Checkpoint, CheckpointError, Effect, Phase
from plugin.durable_files import Steps, unobserved
from tests.plugin.checkpoint_examples import UID, checkpoint, claim, devices, intent, mode


class Machine:
    """What the effects of claims change: a setting for each GPU, which outlives the process."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "machine.json"

    @property
    def settings(self) -> Mapping[str, str]:
        if not self._file.exists():
            return {}
        settings: dict[str, str] = json.loads(self._file.read_text())
        return settings

    def set(self, subject: str, value: str) -> None:
        settings = {**self.settings, subject: value}
        kept = {one: text for one, text in settings.items() if text != "Default"}
        self._file.write_text(json.dumps(kept))


def gpus_of(uid: str) -> tuple[int, ...]:
    """Return the GPUs of a claim: two of its own for each."""
    number = int(uid[-2:], 16)
    return (2 * number, 2 * number + 1)


def prepare(
    opened: Checkpoint, machine: Machine, uid: str = UID, *, steps: Steps = unobserved
) -> None:
    """Prepare a claim; what a crash left of an earlier try is taken back first."""
    record = opened.recall(uid)
    if record is not None:
        if record.phase is Phase.COMPLETED and not opened.is_stale(record):
            return
        unprepare(opened, machine, uid, steps=steps)
    numbers = gpus_of(uid)
    opened.begin(claim(uid), intent(*numbers))
    try:
        for number in numbers:
            effect: Effect = mode(number)
            opened.note(uid, effect)
            machine.set(effect.subject, "ExclusiveProcess")
            steps("machine: set")
        opened.complete(uid, devices(uid, *numbers))
    except CheckpointError:
        unprepare(opened, machine, uid, steps=steps)
        raise


def unprepare(
    opened: Checkpoint, machine: Machine, uid: str = UID, *, steps: Steps = unobserved
) -> None:
    """Take a claim back; one without a record needs nothing."""
    opened.remove_leftover(uid)
    record = opened.recall(uid)
    if record is None:
        return
    opened.release(uid)
    for effect in reversed(record.effects):
        machine.set(effect.subject, effect.before)
        steps("machine: restored")
        opened.undone(uid)
    opened.forget(uid)


def recover(opened: Checkpoint, machine: Machine) -> None:
    """Do what the plugin does when it starts: finish what a crash interrupted."""
    contents = opened.all()
    assert contents.corrupt == ()
    assert contents.newer == ()
    for uid in contents.leftovers:
        opened.remove_leftover(uid)
    for record in contents.records:
        if record.phase is not Phase.COMPLETED:
            unprepare(opened, machine, record.claim.uid)


def wanted_settings(opened: Checkpoint) -> dict[str, str]:
    """Return what the machine is like if it has the effects of completed claims and no others."""
    return {
        effect.subject: "ExclusiveProcess"
        for record in opened.all().records
        if record.phase is Phase.COMPLETED
        for effect in record.effects
    }


class KillingSteps:
    """Ends the process without warning after so many steps."""

    def __init__(self, crash_at: int) -> None:
        self._left = crash_at

    def __call__(self, step: str) -> None:
        print(step, flush=True)  # noqa: T201 - the test reads them
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def main() -> None:
    """Do the work that the arguments name, and die at the step that they name."""
    _, folder, work, crash_at = sys.argv
    steps = KillingSteps(int(crash_at))
    opened = checkpoint(Path(folder), steps=steps)
    act = {"prepare": prepare, "unprepare": unprepare}[work]
    act(opened, Machine(Path(folder)), steps=steps)


if __name__ == "__main__":
    main()
