"""The compute mode of GPUs, as a strategy of sharing changes it and as it is restored."""

from collections.abc import Callable, Sequence
from typing import Final

from plugin.checkpoint import Effect, Record
from plugin.hardware.errors import GpuLostError, GpuMissingError, NotSupportedError
from plugin.hardware.facts import ComputeMode
from plugin.hardware.port import Machine

Others = Callable[[str], Sequence[Record]]
"""Returns what other claims hold a GPU since the machine booted, by its UUID."""

UNRESTORABLE: Final = (GpuLostError, GpuMissingError, NotSupportedError)
"""What is gone comes back as new, and what cannot be set was not: no release waits for it."""


class ComputeModes:
    """Sets one mode; all methods are called by who holds the locks of the GPUs.

    What the mode was before is remembered by every claim that needs it, and restored by the last
    one. They may raise MachineError.
    """

    def __init__(self, machine: Machine, *, kind: str, mode: ComputeMode) -> None:
        """Set *mode* on GPUs of *machine*, as changes of a *kind* of their own."""
        self._machine = machine
        self._kind = kind
        self._mode = mode

    def plan(self, gpu_uuid: str, others: Others) -> tuple[Effect, ...]:
        """Return the change that a GPU needs; none if it has the mode, or can have no other."""
        before = self._before(gpu_uuid, others)
        if before == self._mode:
            return ()
        return (Effect(kind=self._kind, subject=gpu_uuid, before=before),)

    def make(self, effect: Effect) -> None:
        """Set the mode."""
        self._machine.set_compute_mode(effect.subject, self._mode)

    def undo(self, effect: Effect, others: Others) -> None:
        """Restore what was before, unless another claim needs what is."""
        if is_others(effect, others):
            return
        try:
            self._machine.set_compute_mode(effect.subject, ComputeMode(effect.before))
        except UNRESTORABLE:
            return

    def _before(self, gpu_uuid: str, others: Others) -> str:
        for record in others(gpu_uuid):
            for effect in record.effects:
                if (effect.kind, effect.subject) == (self._kind, gpu_uuid):
                    return effect.before
        try:
            return self._machine.compute_mode(gpu_uuid)
        except NotSupportedError:
            return self._mode


def is_others(effect: Effect, others: Others) -> bool:
    """Say whether another claim has made the same change."""
    return any(
        (one.kind, one.subject) == (effect.kind, effect.subject)
        for record in others(effect.subject)
        for one in record.effects
    )
