"""A node that shares devices through MPS: with daemons that are files, or with real processes."""

from collections.abc import Callable
from pathlib import Path

from dra_config import hub
from dra_config.gates import FeatureGates
from plugin.durable_files import Steps
from plugin.mps.description import MpsDaemon, daemon_from_text
from plugin.mps.errors import MpsError
from plugin.mps.folders import MpsPlaces
from plugin.mps.launcher import Launcher, Sight
from plugin.prepare import MpsSharing, MpsSweep, Sharing
from plugin.preparer import ClaimReference, Deadline
from tests.plugin.prepare_rig import GATES, LONG_SECONDS, Json, NodeRig

MPS: Json = {"strategy": "MPS", "mpsConfig": {"defaultActiveThreadPercentage": 50}}


def mps(**config: object) -> Json:
    return {"strategy": "MPS", "mpsConfig": config}


class Ticking(Deadline):
    """A deadline whose time passes only while somebody waits."""

    def __init__(self, seconds: float, meanwhile: Callable[[float], None] | None = None) -> None:
        self.waited_seconds = 0.0
        self._meanwhile = meanwhile
        super().__init__(seconds, clock=lambda: self.waited_seconds)

    def wait(self, seconds: float) -> bool:
        self.waited_seconds += min(seconds, self.remaining_seconds())
        if self._meanwhile is not None:
            self._meanwhile(self.waited_seconds)
        return not self.over


class PlayedLauncher:
    """Daemons that are files, which outlive the plugin; implements `launcher.Launcher`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self._folder = folder
        self.ready_at_once = True
        self.away = False
        self.stuck = False
        self.reason = "Pod dra-config/one is Pending: ErrImagePull."

    def start(self, daemon: MpsDaemon, deadline: Deadline) -> None:
        self._answer(deadline)
        assert daemon.pipe.is_dir()
        assert not daemon.ready.exists()
        assert Path(daemon.shared_memory).is_dir()
        with (self._folder / daemon.id).open("x") as file:
            file.write("Running")
        if self.ready_at_once:
            daemon.ready.touch()

    def look(self, daemon: MpsDaemon, deadline: Deadline) -> Sight:
        self._answer(deadline)
        present = (self._folder / daemon.id).exists()
        return Sight(present=present, alive=present, sentence=self.reason)

    def stop(self, daemon_id: str, deadline: Deadline) -> None:
        self._answer(deadline)
        if self.stuck:
            raise MpsError(f"Pod {daemon_id} is still being deleted.")
        (self._folder / daemon_id).unlink(missing_ok=True)

    def ids(self, deadline: Deadline) -> frozenset[str]:
        self._answer(deadline)
        return frozenset(path.name for path in self._folder.iterdir())

    def _answer(self, deadline: Deadline) -> None:
        if self.away or deadline.over:
            raise MpsError("The API server is away.")


class MpsRig(NodeRig):
    """A node whose MPS daemons are files, unless a test has others."""

    def __init__(self, folder: Path, plan: str = "h100", gates: FeatureGates = GATES) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.places = MpsPlaces(folder=folder / "mps", shared_memory=folder / "shm")
        self.played = PlayedLauncher(folder / "daemons")
        self.launcher: Launcher = self.played
        super().__init__(folder, plan, gates)

    def strategies(self, steps: Steps) -> dict[type, Sharing]:
        self.mps = MpsSharing(self.machine, self.launcher, self.places, steps=steps)
        return {**super().strategies(steps), hub.Mps: self.mps}

    def use(self, launcher: Launcher) -> None:
        """Start daemons with another launcher from now on."""
        self.launcher = launcher
        self.restart()

    def sweep(self, *known: ClaimReference) -> tuple[str, ...]:
        sweep = self.sweeper(lambda: Deadline(LONG_SECONDS))
        uids = frozenset(one.uid for one in known)
        # The second look asks the launcher, too.
        return tuple(dict.fromkeys((*sweep(uids), *sweep(uids))))

    def sweeper(self, patience: Callable[[], Deadline]) -> MpsSweep:
        return MpsSweep(self.node, self.mps, patience)

    def daemons(self) -> list[str]:
        return sorted(self.launcher.ids(Deadline(LONG_SECONDS)))

    def left(self) -> list[str]:
        """Return all that is there of claims: files, folders and daemons."""
        return [*self.files(), *sorted(self.places.ids()), *self.daemons()]

    def daemon(self, of: ClaimReference, number: int = 0) -> MpsDaemon:
        """Return a daemon of a claim, as its record tells."""
        record = self.checkpoint.recall(of.uid)
        assert record is not None
        daemons = [one for one in record.effects if one.kind == "MpsDaemon"]
        return daemon_from_text(daemons[number].details)

    def mps_mounts(self, of: ClaimReference) -> list[dict[str, str]]:
        """Return for each device of the claim's CDI file its mounts: inner path to outer."""
        return [
            {
                mount["containerPath"]: mount["hostPath"]
                for mount in device["containerEdits"].get("mounts", ())
            }
            for device in self.cdi_file(of)["devices"]
        ]
