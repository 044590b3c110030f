"""A rig: a folder, namespaces and processes that start together and go together."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.cleanup import Record, claim
from tests.cluster.component import Component
from tests.cluster.kept_logs import keep
from tests.cluster.namespaces import Namespaces
from tests.cluster.waiting import RigError, wait_until

WATCHDOG = Path(__file__).with_name("cleanup.py")
LONGEST_ROOT = 21
"""Characters: the kubelet's registration sockets lie below, and a socket's path has 107 bytes."""

CLEANUP_SECONDS = 90.0
RUN_SECONDS = 60.0
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def fresh_root(parent: Path) -> Path:
    """Make an empty folder for a rig, which only its owner can enter.

    Raises:
        RigError: Its path is too long for the sockets in it.
    """
    root = Path(tempfile.mkdtemp(prefix="dra-", dir=parent))
    if len(str(root)) > LONGEST_ROOT:
        root.rmdir()
        raise RigError(
            f"the rig's folder {root} has {len(str(root))} characters and may have "
            f"{LONGEST_ROOT}, because a socket's path below it must fit 107 bytes; "
            "set TMPDIR=/tmp"
        )
    return root


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended, and what it said on standard output and standard error."""

    code: int
    output: str
    errors: str


def said(path: Path) -> str:
    """Return what a program wrote to the file of a stream."""
    return path.read_text(encoding="utf-8", errors="replace")


class Rig:
    """An empty rig: processes can be started in it, and one call removes all of it.

    Attributes:
        root: The folder that everything of the rig lies in.
        number: Tells rigs on one machine apart, from 1 on.
        record: What the rig changes on the machine.
        namespaces: Where the processes live.
        components: The processes by name, also those that ended.
        logs: The folder of log files.
        path: Where the processes look for programs.
    """

    def __init__(
        self,
        cache: Path,
        *,
        own_network: bool,
        programs: Sequence[Path] = (),
        usable: Callable[[int], bool] = lambda _number: True,
        parent: Path | None = None,
    ) -> None:
        """Put right what killed runs left, then make a new rig.

        Args:
            cache: The folder for what outlives a test run: records of rigs, logs of failures.
            own_network: Whether the rig has its own network, empty at first.
            programs: Folders of programs that are looked at before the system's.
            usable: Says which number the rig may have.
            parent: Where the rig's folder is made; the folder for temporary files by default.

        Raises:
            RigError: The machine does not allow it.
            LeftoverError: Something of a killed run cannot be removed.
        """
        self._cache = cache
        self.components: dict[str, Component] = {}
        self.path = ":".join([*map(str, programs), PATH])
        self.record: Record = claim(cache / "rigs", usable=usable)
        self.number = self.record.number
        try:
            self.root = fresh_root(parent or Path(tempfile.gettempdir()))
        except RigError:
            self.record.close()
            raise
        self.record.add(root=str(self.root))
        self._watchdog = subprocess.Popen(
            [
                *(sys.executable, "-I", str(WATCHDOG)),
                *(str(self.record.path), str(self.record.descriptor)),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=[self.record.descriptor],
            start_new_session=True,
        )
        try:
            self.logs = self.folder("log")
            self.namespaces = Namespaces(log=self.logs / "keeper.log", own_network=own_network)
            self.record.add(pid=self.namespaces.pid, start=self.namespaces.started)
        except BaseException:
            self._put_right()
            raise

    def folder(self, *parts: str) -> Path:
        """Return a folder of the rig, made if need be."""
        path = self.root.joinpath(*parts)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def program(self, name: str | Path) -> str:
        """Return the path of a program.

        Raises:
            RigError: There is none of that name.
        """
        found = shutil.which(str(name), path=self.path)
        if found is None:
            raise RigError(f"there is no program '{name}' in {self.path}")
        return found

    def start(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
    ) -> Component:
        """Start a process inside the rig, without a shell; it need not be ready yet.

        Args:
            name: What errors and the log file call it; unique in the rig while it runs.
            arguments: The program's name or path, and what it is told.
            environment: Added to PATH and HOME, which are all that it gets.

        Raises:
            RigError: It cannot be started.
        """
        program, *told = arguments
        component = Component(
            self.namespaces,
            name,
            [self.program(program), *map(str, told)],
            environment=self._environment(environment),
            log=self.logs / f"{name}.log",
        )
        self.components[name] = component
        return component

    def run(
        self,
        *arguments: str | Path,
        text: str = "",
        environment: Mapping[str, str] | None = None,
        seconds: float = RUN_SECONDS,
        check: bool = True,
    ) -> Finished:
        """Run a program inside the rig to its end, in the folder of the test process.

        Args:
            arguments: The program's name or path, and what it is told.
            text: Its standard input.
            environment: Added to PATH and HOME, which are all that it gets.
            seconds: How long it may take; then it is killed.
            check: Whether another exit code than 0 is an error.

        Raises:
            RigError: It cannot be started, fails where it must not, or takes too long.
        """
        program, *told = arguments
        command = [self.program(program), *map(str, told)]
        with tempfile.TemporaryDirectory(prefix="run-", dir=self.root) as name:
            entry, output, errors = (Path(name, stream) for stream in ("in", "out", "err"))
            entry.write_text(text, encoding="utf-8")
            pid = self.namespaces.start(
                command,
                environment=self._environment(environment),
                entry=entry,
                output=output,
                errors=errors,
            )
            try:
                wait_until(
                    lambda: self.namespaces.exit_code(pid) is not None,
                    seconds=seconds,
                    otherwise=lambda: f"'{' '.join(command)}' runs on: {said(errors)}",
                    pause_seconds=0.01,
                )
            finally:
                self.namespaces.signal(pid, signal.SIGKILL)
            code = self.namespaces.exit_code(pid)
            assert code is not None
            finished = Finished(code, said(output), said(errors))
        if check and code != 0:
            raise RigError(
                f"'{' '.join(command)}' ended with code {code}:\n"
                f"{finished.errors or finished.output}"
            )
        return finished

    def _environment(self, more: Mapping[str, str] | None) -> dict[str, str]:
        return {"PATH": self.path, "HOME": str(self.root)} | dict(more or {})

    def _put_right(self) -> None:
        """Let the watchdog do its work.

        Raises:
            RigError: Something could not be removed; the next start tries again.
        """
        try:
            _, complaint = self._watchdog.communicate(timeout=CLEANUP_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise RigError(f"{self.root} is not cleaned up after {CLEANUP_SECONDS:g} s") from error
        finally:
            self.record.close()
        if self._watchdog.returncode != 0:
            raise RigError(f"the rig left something behind: {complaint.decode()}")

    def abandon(self, error: BaseException) -> None:
        """Close the rig because of *error*, which is told where the logs are kept."""
        kept = keep(self.logs, self._cache / "failed", "start", since={})
        error.add_note(f"The logs are kept in {kept}")
        self.close()

    def close(self) -> None:
        """End every process, and remove all that the rig made. Once more does nothing.

        Raises:
            RigError: Something could not be removed; the next start tries again.
        """
        if self._watchdog.returncode is not None:
            return
        self.namespaces.close()
        self._put_right()
