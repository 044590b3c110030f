"""What sharing a device among processes changes on the machine, and how it is taken back."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol

from dra_config import hub
from plugin.checkpoint import Effect
from plugin.durable_files import Steps, unobserved
from plugin.hardware.facts import ComputeMode
from plugin.hardware.port import Machine
from plugin.prepare.compute_modes import UNRESTORABLE, ComputeModes, Others, is_others
from plugin.prepare.wanted import Wanted
from plugin.preparer import ClaimReference, Deadline

COMPUTE_MODE: Final = "ComputeMode"
TIME_SLICE: Final = "TimeSlice"
MPS_DAEMON: Final = "MpsDaemon"

OUTLIVING: Final = frozenset({MPS_DAEMON})
"""The kinds of effects that a reboot does not take back by itself."""


class Sharing(Protocol):
    """One strategy of sharing; all methods are called by who holds the lock of the claim.

    `plan`, `make` and `undo` are called by who holds the locks of the GPUs as well; `wait`, `keep`
    and `stop` may last and are called without them. Methods may raise MachineError and MpsError,
    and PrepareFailed for what can never be done.
    """

    @property
    def kinds(self) -> frozenset[str]:
        """Return the kinds of its effects, by which they are found again."""
        ...

    def plan(
        self,
        claim: ClaimReference,
        wanted: Sequence[Wanted],
        others: Others,
        deadline: Deadline,
    ) -> tuple[Effect, ...]:
        """Return the changes that devices with this strategy need, and change nothing.

        Args:
            claim: The claim.
            wanted: Those of its devices that are set up together.
            others: What other claims have changed.
            deadline: How long the claim may take.
        """
        ...

    def make(self, effect: Effect, deadline: Deadline) -> None:
        """Make a change that is on record; making it again changes nothing."""
        ...

    def wait(self, effect: Effect, deadline: Deadline) -> None:
        """Wait until a change that was made has come into force."""
        ...

    def keep(self, effect: Effect, deadline: Deadline) -> None:
        """See that a change is still in force for a claim that is prepared."""
        ...

    def stop(self, effect: Effect, deadline: Deadline) -> None:
        """End what keeps the devices busy, before anything is undone; again changes nothing."""
        ...

    def undo(self, effect: Effect, others: Others) -> None:
        """Take back a change that may have been made; taking it back again changes nothing.

        Args:
            effect: The change, which is stopped.
            others: What other claims have changed: it may still be theirs.
        """
        ...


class TimeSlices:
    """Processes take turns, which is a setting of the whole GPU; implements `Sharing`.

    What the setting was before is remembered by every claim that needs it, and restored by the
    last one.
    """

    kinds = frozenset({COMPUTE_MODE, TIME_SLICE})

    def __init__(self, machine: Machine, *, steps: Steps = unobserved) -> None:
        """Change the GPUs of *machine*, and announce each change to *steps*."""
        self._machine = machine
        self._modes = ComputeModes(machine, kind=COMPUTE_MODE, mode=ComputeMode.DEFAULT)
        self._steps = steps

    def plan(
        self,
        claim: ClaimReference,
        wanted: Sequence[Wanted],
        others: Others,
        deadline: Deadline,
    ) -> tuple[Effect, ...]:
        """Return the changes: first to the compute mode, which lets several processes in."""
        del claim, deadline
        interval_by_gpu = {
            one.holding.gpu_uuid: one.sharing.interval
            for one in wanted
            if isinstance(one.sharing, hub.TimeSlicing)
        }
        effects: list[Effect] = []
        for gpu_uuid, interval in sorted(interval_by_gpu.items()):
            effects += self._modes.plan(gpu_uuid, others)
            effects.append(
                Effect(
                    kind=TIME_SLICE,
                    subject=gpu_uuid,
                    # It cannot be read, and nobody else is known to set it.
                    before=hub.TimeSliceInterval.DEFAULT,
                    details=interval,
                )
            )
        return tuple(effects)

    def make(self, effect: Effect, deadline: Deadline) -> None:
        """Set the compute mode to Default, or the interval."""
        del deadline
        if effect.kind == COMPUTE_MODE:
            self._modes.make(effect)
        else:
            interval = hub.TimeSliceInterval(effect.details)
            self._machine.set_time_slice(effect.subject, interval)
        self._steps(f"made: {effect.kind}")

    def wait(self, effect: Effect, deadline: Deadline) -> None:
        """Return: settings are in force at once."""

    def keep(self, effect: Effect, deadline: Deadline) -> None:
        """Return: what somebody else has set since is not set against."""

    def stop(self, effect: Effect, deadline: Deadline) -> None:
        """Return: settings keep nothing busy."""

    def undo(self, effect: Effect, others: Others) -> None:
        """Restore what was before, unless another claim needs what is."""
        if effect.kind == COMPUTE_MODE:
            self._modes.undo(effect, others)
        elif not is_others(effect, others):
            with suppress(*UNRESTORABLE):
                interval = hub.TimeSliceInterval(effect.before)
                self._machine.set_time_slice(effect.subject, interval)
        self._steps(f"undone: {effect.kind}")
