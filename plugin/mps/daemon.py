"""The program that runs one MPS control daemon: `python3 -m plugin.mps.daemon`.

It starts `nvidia-cuda-mps-control` of the driver, tells it the limits and writes the file `ready`.
It ends with a failure when the daemon does, so that whoever started the program starts it again.
At SIGTERM it lets the daemon quit and ends with success. It needs the standard library alone.
"""

import argparse
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final

from plugin.hardware import driver_root
from plugin.hardware.errors import LibraryMissingError

PROGRAM: Final = "nvidia-cuda-mps-control"
READY: Final = "ready"
_FOLDERS_OF_PROGRAMS: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_COMMAND_SECONDS: Final = 20.0
_QUIT_SECONDS: Final = 3.0
"""To obey, and again to end; together less than whoever ends this program waits."""
_PAUSE_SECONDS: Final = 0.02
_PR_SET_CHILD_SUBREAPER: Final = 36


class ControlError(Exception):
    """The control program did not do what it was told."""


class Ended(Exception):  # noqa: N818 - somebody wants it so
    """SIGTERM or SIGINT has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the daemon is to be like."""

    root: Path
    """The driver's root, as this process sees it."""
    inside: bool
    """Whether the root is a whole system, in which the driver's programs have to run."""
    pipe: Path
    log: Path
    devices: tuple[str, ...]
    active_thread_percentage: int | None
    pinned_memory_limits: tuple[tuple[str, str], ...]
    """UUID and limit, such as `512M`."""
    multi_user: bool
    background: bool


def main(arguments: Sequence[str]) -> int:
    """Run the daemon that *arguments* describe, and return the exit status."""
    options = _parse(arguments)
    if options.background:
        if os.fork():
            return 0
        os.setsid()
        os.chdir("/")
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _end)
    control = Control(options)
    try:
        return _run(options, control)
    except Ended:
        return 0
    except (ControlError, LibraryMissingError, OSError) as error:
        _say(str(error))
        return 1
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        (options.log / READY).unlink(missing_ok=True)
        control.quit()
        _see_off(_QUIT_SECONDS)


def _run(options: Options, control: "Control") -> int:
    (options.log / READY).unlink(missing_ok=True)
    _clear(options.pipe)
    # The daemon goes to the background; as the next of kin this process still learns of its end.
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    control.start()
    for command in commands(options):
        control.tell(command)
    part = options.log / f".{READY}"
    part.write_text(f"{os.getpid()}\n", encoding="utf-8")
    part.replace(options.log / READY)
    _say(f"ready for clients on {', '.join(options.devices)}")
    _, status = os.wait()
    _say(f"{PROGRAM} ended by itself with status {os.waitstatus_to_exitcode(status)}")
    return 1


def commands(options: Options) -> Iterator[str]:
    """Yield what the daemon is told before clients come."""
    if options.active_thread_percentage is not None:
        yield f"set_default_active_thread_percentage {options.active_thread_percentage}"
    for uuid, limit in options.pinned_memory_limits:
        yield f"set_default_device_pinned_mem_limit {uuid} {limit}"


class Control:
    """The driver's control program."""

    def __init__(self, options: Options) -> None:
        """Start nothing yet."""
        self._options = options
        self._started = False

    def start(self) -> None:
        """Start the daemon and return when it listens for clients.

        Raises:
            ControlError: It does not start.
            LibraryMissingError: The driver has no such program.
        """
        self._started = True
        self._call(["-d", *(["-M"] if self._options.multi_user else [])], "", _COMMAND_SECONDS)

    def tell(self, command: str) -> None:
        """Give the daemon one command.

        Raises:
            ControlError: It refuses.
        """
        self._call([], f"{command}\n", _COMMAND_SECONDS)

    def quit(self) -> None:
        """Let the daemon end; one that does not is left to whoever ends this program."""
        if self._started:
            try:
                self._call([], "quit\n", _QUIT_SECONDS)
            except (ControlError, LibraryMissingError) as error:
                _say(str(error))

    def _call(self, arguments: list[str], text: str, seconds: float) -> None:
        options = self._options
        what = " ".join([PROGRAM, *arguments, *([f"({text.strip()})"] if text else [])])
        program = PROGRAM if options.inside else str(driver_root.program(options.root, PROGRAM))
        try:
            finished = subprocess.run(
                [*_interpreter(program), program, *arguments],
                check=False,
                env=self._environment(program),
                input=text.encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                # There is one thread, so what runs between fork and exec cannot hang.
                preexec_fn=self._enter if options.inside else None,
            )
        except subprocess.TimeoutExpired as error:
            raise ControlError(f"{what} takes more than {seconds:g} seconds") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise ControlError(f"{what} cannot be started: {error}") from error
        told = finished.stdout.decode(errors="replace").strip()
        if finished.returncode:
            message = f"{what} failed with status {finished.returncode}: {told or 'no output'}"
            raise ControlError(message)
        _say(f"{what}: {told or 'done'}")

    def _enter(self) -> None:
        os.chroot(self._options.root)
        os.chdir("/")

    def _environment(self, program: str) -> dict[str, str]:
        options = self._options
        environment = {
            "CUDA_MPS_LOG_DIRECTORY": str(self._seen(options.log)),
            "CUDA_MPS_PIPE_DIRECTORY": str(self._seen(options.pipe)),
            "CUDA_VISIBLE_DEVICES": ",".join(options.devices),
            "LC_ALL": "C",
            "PATH": f"{_FOLDERS_OF_PROGRAMS}:/opt/bin",
        }
        if not options.inside:
            # The server's program lies beside it.
            environment["PATH"] = f"{Path(program).parent}:{_FOLDERS_OF_PROGRAMS}"
            if options.root != Path("/"):
                # The root holds the driver alone, so no other C library comes with the folder.
                library = driver_root.library(options.root, "libcuda.so.1")
                environment["LD_LIBRARY_PATH"] = str(library.parent)
        return environment

    def _seen(self, path: Path) -> Path:
        options = self._options
        return Path("/", path.relative_to(options.root)) if options.inside else path


def _interpreter(program: str) -> list[str]:
    """Return what runs the simulated program, a script; an image of ours has no other."""
    try:
        with Path(program).open("rb") as file:
            return [sys.executable, "-I"] if file.read(2) == b"#!" else []
    except OSError:
        return []


def _see_off(seconds: float) -> None:
    """Wait until what was started has ended, so that nothing of it outlives this program."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(_PAUSE_SECONDS)
        except ChildProcessError:
            return


def _clear(folder: Path) -> None:
    """Remove what an earlier daemon left, which would look like one that runs."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _parse(arguments: Sequence[str]) -> Options:
    parser = argparse.ArgumentParser(prog="python3 -m plugin.mps.daemon", allow_abbrev=False)
    for flag in ("--root", "--pipe-folder", "--log-folder"):
        parser.add_argument(flag, type=Path, required=True)
    parser.add_argument("--device", action="append", required=True)
    parser.add_argument("--active-thread-percentage", type=int)
    parser.add_argument("--pinned-memory-limit", action="append", default=[])
    for flag in ("--inside", "--multi-user", "--background"):
        parser.add_argument(flag, action="store_true")
    given = parser.parse_args(arguments)
    limits = [str(one).partition("=") for one in given.pinned_memory_limit]
    return Options(
        root=given.root,
        inside=given.inside,
        pipe=given.pipe_folder,
        log=given.log_folder,
        devices=tuple(given.device),
        active_thread_percentage=given.active_thread_percentage,
        pinned_memory_limits=tuple((uuid, limit) for uuid, _, limit in limits),
        multi_user=given.multi_user,
        background=given.background,
    )


def _end(number: int, frame: FrameType | None) -> None:
    del number, frame
    raise Ended


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
