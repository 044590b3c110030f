"""Shares devices through an MPS control daemon for each group that one config sets up together."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dra_config import hub
from plugin.checkpoint import Effect
from plugin.durable_files import Steps, unobserved
from plugin.hardware.facts import ComputeMode
from plugin.hardware.port import Machine
from plugin.mps.description import MpsDaemon, daemon_from_text, daemon_id, text_of_daemon
from plugin.mps.errors import MpsError
from plugin.mps.folders import MpsPlaces, are_there, make_folders, remove_folders
from plugin.mps.launcher import Launcher
from plugin.prepare.compute_modes import ComputeModes, Others
from plugin.prepare.mps_limits import pinned_memory_limits
from plugin.prepare.sharing import MPS_DAEMON
from plugin.prepare.wanted import Wanted
from plugin.preparer import ClaimReference, Deadline, PrepareFailed

EXCLUSIVE_MODE: Final = "MpsComputeMode"

_LONGEST_WAIT_SECONDS: Final = 35.0
_RESERVE_SECONDS: Final = 5.0
"""Left for taking back what did not become ready."""
_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 0.25
_LOOK_SECONDS: Final = 2.0
"""The file tells when a daemon is ready; how often somebody is asked whether it ever will be."""
_FIRST_MULTI_USER: Final = (7, 0)
"""The compute capability of Volta."""


class MpsSharing:
    """Processes run at the same time, through a daemon; implements `Sharing`.

    A full GPU lets the daemon alone in meanwhile. A MIG device has no compute mode of its own.
    """

    kinds = frozenset({EXCLUSIVE_MODE, MPS_DAEMON})

    def __init__(
        self,
        machine: Machine,
        launcher: Launcher,
        places: MpsPlaces,
        *,
        steps: Steps = unobserved,
    ) -> None:
        """Start nothing yet.

        Args:
            machine: Has the devices.
            launcher: Starts and stops daemons.
            places: Where their folders lie.
            steps: Is told of each change.
        """
        self._machine = machine
        # Where there are no compute modes nothing is set, and the daemon works all the same.
        self._modes = ComputeModes(
            machine, kind=EXCLUSIVE_MODE, mode=ComputeMode.EXCLUSIVE_PROCESS
        )
        self._launcher = launcher
        self._places = places
        self._steps = steps
        self._reasons: dict[str, str] = {}

    def plan(
        self,
        claim: ClaimReference,
        wanted: Sequence[Wanted],
        others: Others,
        deadline: Deadline,
    ) -> tuple[Effect, ...]:
        """Return the changes: first to the compute modes, then the daemon."""
        config = next(one.sharing for one in wanted if isinstance(one.sharing, hub.Mps))
        daemon = self._daemon(claim, wanted, config)
        self._refuse_in_a_hurry(daemon, deadline)
        if config.multi_user:
            self._refuse_old_gpus(claim, wanted)
        full = sorted({one.holding.gpu_uuid for one in wanted if _is_full(one)})
        return (
            *(change for gpu_uuid in full for change in self._modes.plan(gpu_uuid, others)),
            Effect(kind=MPS_DAEMON, subject=daemon.id, before="", details=text_of_daemon(daemon)),
        )

    def make(self, effect: Effect, deadline: Deadline) -> None:
        """Set a compute mode, or start a daemon unless it runs as it should."""
        if effect.kind == EXCLUSIVE_MODE:
            self._modes.make(effect)
        else:
            daemon = daemon_from_text(effect.details)
            sight = self._launcher.look(daemon, deadline)
            if sight.alive and are_there(daemon):
                return
            if sight.present:
                self._launcher.stop(daemon.id, deadline)
            try:
                make_folders(daemon)
                self._steps("made: MpsFolders")
                self._launcher.start(daemon, deadline)
            except MpsError as error:
                self._reasons[daemon.id] = str(error)
                raise
        self._steps(f"made: {effect.kind}")

    def wait(self, effect: Effect, deadline: Deadline) -> None:
        """Wait until a daemon is ready for clients, 35 seconds at most."""
        if effect.kind != MPS_DAEMON:
            return
        daemon = daemon_from_text(effect.details)
        left_seconds = deadline.remaining_seconds()
        give_up_at_seconds = max(left_seconds - _LONGEST_WAIT_SECONDS, _RESERVE_SECONDS)
        look_at_seconds = left_seconds - _LOOK_SECONDS
        pause_seconds = _FIRST_PAUSE_SECONDS
        while not daemon.ready.exists():
            left_seconds = deadline.remaining_seconds()
            if left_seconds <= give_up_at_seconds:
                raise self._not_ready(daemon, self._sentence(daemon, deadline))
            if left_seconds <= look_at_seconds:
                look_at_seconds = left_seconds - _LOOK_SECONDS
                sight = self._launcher.look(daemon, deadline)
                if not sight.alive:
                    raise self._not_ready(daemon, sight.sentence)
            deadline.wait(pause_seconds)
            pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        self._reasons.pop(daemon.id, None)

    def keep(self, effect: Effect, deadline: Deadline) -> None:
        """Start a daemon again that somebody has ended.

        As long as nobody can be asked, one that was ready counts as ready.
        """
        if effect.kind != MPS_DAEMON:
            return
        daemon = daemon_from_text(effect.details)
        try:
            self.make(effect, deadline)
        except MpsError:
            if not daemon.ready.exists():
                raise
        self.wait(effect, deadline)

    def stop(self, effect: Effect, deadline: Deadline) -> None:
        """Stop a daemon and wait until nothing of it is left."""
        if effect.kind == MPS_DAEMON:
            self._launcher.stop(effect.subject, deadline)
            self._steps("stopped: MpsDaemon")

    def undo(self, effect: Effect, others: Others) -> None:
        """Restore a compute mode, or remove the folders of a daemon that is stopped."""
        if effect.kind == MPS_DAEMON:
            daemon = daemon_from_text(effect.details)
            remove_folders(Path(daemon.folder), Path(daemon.shared_memory))
        else:
            self._modes.undo(effect, others)
        self._steps(f"undone: {effect.kind}")

    def found(self, deadline: Deadline, *, everywhere: bool) -> frozenset[str]:
        """Return the ids of daemons of which anything is there.

        Args:
            deadline: How long others may be asked.
            everywhere: Whether to look for those without a folder, too.
        """
        ids = self._places.ids()
        return ids | self._launcher.ids(deadline) if everywhere else ids

    def remove(self, of_daemon: str, deadline: Deadline) -> None:
        """Stop a daemon that no claim on record has, and remove what is left of it."""
        self._launcher.stop(of_daemon, deadline)
        self._places.remove(of_daemon)
        self._reasons.pop(of_daemon, None)

    def _daemon(
        self, claim: ClaimReference, wanted: Sequence[Wanted], config: hub.Mps
    ) -> MpsDaemon:
        devices = tuple(sorted({one.holding.device_uuid for one in wanted}))
        of_daemon = daemon_id(claim.uid, devices)
        return MpsDaemon(
            id=of_daemon,
            claim=claim,
            devices=devices,
            active_thread_percentage=config.active_thread_percent,
            pinned_memory_limits=pinned_memory_limits(claim, config, devices),
            multi_user=config.multi_user,
            folder=str(self._places.folder / of_daemon),
            shared_memory=str(self._places.shared_memory / of_daemon),
        )

    def _refuse_in_a_hurry(self, daemon: MpsDaemon, deadline: Deadline) -> None:
        """Refuse to begin what could not be waited for; what went wrong before is told again."""
        if deadline.remaining_seconds() <= _RESERVE_SECONDS:
            reason = self._reasons.get(daemon.id, "There was no time left to start an MPS daemon.")
            raise MpsError(reason)

    def _refuse_old_gpus(self, claim: ClaimReference, wanted: Sequence[Wanted]) -> None:
        """Refuse a GPU, or a MIG device of one, whose daemon serves one user only."""
        for one in wanted:
            gpu = self._machine.gpu(one.holding.gpu_uuid)
            if gpu.compute_capability < _FIRST_MULTI_USER:
                major, minor = gpu.compute_capability
                message = (
                    f"Device '{one.holding.device}' of claim {claim} is on a {gpu.product_name} "
                    f"of compute capability {major}.{minor}, where MPS serves one user at a time: "
                    "multiUser needs 7.0 or newer. Leave multiUser out, or choose newer GPUs."
                )
                raise PrepareFailed(message, permanent=True)

    def _sentence(self, daemon: MpsDaemon, deadline: Deadline) -> str:
        try:
            return self._launcher.look(daemon, deadline).sentence
        except MpsError as error:
            return f"Why is not known. {error}"

    def _not_ready(self, daemon: MpsDaemon, sentence: str) -> MpsError:
        message = f"The MPS daemon of claim {daemon.claim} did not become ready. {sentence}"
        self._reasons[daemon.id] = message
        return MpsError(message)


def _is_full(one: Wanted) -> bool:
    return one.holding.device_uuid == one.holding.gpu_uuid
