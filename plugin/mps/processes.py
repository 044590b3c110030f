"""Runs each MPS control daemon as a process of this machine, for hosts without our image.

Processes outlive the plugin and are found again by marks in their environment, which they keep as
long as they live, so no file of process ids can be wrong.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from plugin.mps.arguments import arguments
from plugin.mps.description import SHORT_PIPE, MpsDaemon
from plugin.mps.errors import MpsError
from plugin.mps.folders import MpsPlaces
from plugin.mps.launcher import Sight
from plugin.preparer import Deadline

_CODE: Final = Path(__file__).resolve().parents[2]
"""Holds the package `plugin`."""
_PROC: Final = Path("/proc")
_OURS: Final = "DRA_CONFIG_MPS_FOLDER"
"""Marks our own program; it reads nothing of it."""
_THEIRS: Final = "CUDA_MPS_PIPE_DIRECTORY"
"""Marks what our program starts: the control daemon and its servers."""
_START_SECONDS: Final = 20.0
_QUIT_SECONDS: Final = 8.0
"""The program gives its daemon less."""
_PAUSE_SECONDS: Final = 0.02
_LAST_LINES: Final = 3
_LOG: Final = "program.log"


class ProcessLauncher:
    """Starts and stops processes; implements `launcher.Launcher`.

    Nobody starts a daemon again that died; the next prepare of its claim does.
    """

    def __init__(self, places: MpsPlaces, *, driver_root: Path) -> None:
        """Start nothing yet.

        Args:
            places: Where the folders of daemons lie.
            driver_root: The driver's root on this machine.
        """
        self._places = places
        self._driver_root = driver_root

    def start(self, daemon: MpsDaemon, deadline: Deadline) -> None:
        """Start the program of a daemon in the background."""
        root = self._driver_root
        if root != Path("/") and (root / "bin/sh").exists():
            message = (
                f"The driver below '{root}' is a system of its own, in which a local process does "
                "not find its folders. Let MPS daemons run as Pods."
            )
            raise MpsError(message, transient=False)
        if self._all(daemon.id):
            raise MpsError(f"MPS daemon {daemon.id} of an earlier try is still there.")
        given = arguments(daemon, root=root, inside=False, pipe=daemon.short_pipe, log=daemon.log)
        command = [sys.executable, "-m", "plugin.mps.daemon", "--background", *given]
        try:
            daemon.short_pipe.unlink(missing_ok=True)
            daemon.short_pipe.symlink_to(daemon.pipe)
            with (daemon.log / _LOG).open("ab") as log:
                subprocess.run(
                    command,
                    check=True,
                    cwd=_CODE,
                    env={_OURS: daemon.folder, "LC_ALL": "C.UTF-8", "PYTHONNOUSERSITE": "1"},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    timeout=min(_START_SECONDS, deadline.remaining_seconds()),
                )
        except (OSError, subprocess.SubprocessError) as error:
            raise MpsError(f"MPS daemon {daemon.id} cannot be started: {error}") from error

    def look(self, daemon: MpsDaemon, deadline: Deadline) -> Sight:
        """Return whether the program of a daemon runs, and what it said last."""
        del deadline
        alive = bool(_marked(_OURS, daemon.folder))
        runs = "runs, and is not ready" if alive else "has ended"
        said = _last_lines(daemon.log / _LOG)
        return Sight(
            present=alive or bool(self._all(daemon.id)),
            alive=alive,
            sentence=f"The process of MPS daemon {daemon.id} {runs}. {said}",
        )

    def stop(self, daemon_id: str, deadline: Deadline) -> None:
        """Let the program of a daemon end it, and kill what is left."""
        # A program that ends in time is not killed: it lets its daemon quit.
        for process in self._programs(daemon_id):
            _signal(process, signal.SIGTERM)
        kill_at_seconds = deadline.remaining_seconds() - _QUIT_SECONDS
        while self._programs(daemon_id) and deadline.remaining_seconds() > kill_at_seconds:
            if not deadline.wait(_PAUSE_SECONDS):
                break
        while left := self._all(daemon_id):
            for process in left:
                _signal(process, signal.SIGKILL)
            if not deadline.wait(_PAUSE_SECONDS) and self._all(daemon_id):
                raise MpsError(f"The processes of MPS daemon {daemon_id} do not end.")

    def ids(self, deadline: Deadline) -> frozenset[str]:
        """Return the ids of the daemons that run on this machine."""
        del deadline
        found: set[str] = set()
        for name, parent, suffix in (
            (_OURS, self._places.folder, ""),
            (_THEIRS, self._places.shared_memory, SHORT_PIPE),
        ):
            for value in _values(name).values():
                path = Path(value)
                if path.parent == parent and path.name.endswith(suffix):
                    found.add(path.name.removesuffix(suffix))
        return frozenset(found)

    def _programs(self, daemon_id: str) -> list[int]:
        return _marked(_OURS, str(self._places.folder / daemon_id))

    def _all(self, daemon_id: str) -> list[int]:
        link = f"{self._places.shared_memory / daemon_id}{SHORT_PIPE}"
        return [*self._programs(daemon_id), *_marked(_THEIRS, link)]


def is_of_daemon(process: int) -> bool:
    """Say whether a process runs a program of MPS; one that has ended does not."""
    try:
        name = (_PROC / str(process) / "comm").read_bytes()
    except OSError:
        return False
    # The kernel keeps 15 characters, which the control program and the server have in common.
    return name.startswith(b"nvidia-cuda-mps")


def _marked(name: str, value: str) -> list[int]:
    return [process for process, found in _values(name).items() if found == value]


def _values(name: str) -> dict[int, str]:
    """Return what a variable is in the environment of each process that has it."""
    start = f"{name}=".encode()
    found: dict[int, str] = {}
    for process in _processes():
        with suppress(OSError):
            # One that has ended and is not buried yet has no environment any more.
            for one in (_PROC / str(process) / "environ").read_bytes().split(b"\0"):
                if one.startswith(start):
                    found[process] = os.fsdecode(one.removeprefix(start))
    return found


def _processes() -> Iterator[int]:
    own = os.getpid()
    for path in _PROC.iterdir():
        if path.name.isdigit() and int(path.name) != own:
            yield int(path.name)


def _signal(process: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(process, number)


def _last_lines(file: Path) -> str:
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "It said nothing."
    return f"It said: {' / '.join(lines[-_LAST_LINES:])}" if lines else "It said nothing."
