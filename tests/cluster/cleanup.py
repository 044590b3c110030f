"""Puts right what a rig changed on its machine, also after the test process was killed.

A rig writes a record of what it is about to make before it makes it. The file's lock says
whether the rig lives: the test process holds it together with a watchdog, which is this file run
as a program. The watchdog waits for the end of its standard input, that is, of the test process,
and then puts everything right. Should the watchdog be killed as well, the next rig to start finds
a record with a free lock and does the same.

It needs the standard library only, because the watchdog runs it alone.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

CGROUP_ROOT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
PATIENCE_SECONDS = 20.0
MOST_RIGS = 64
"""How many rigs one machine may hold at once; their numbers choose their addresses."""


class LeftoverError(Exception):
    """Something of an ended rig cannot be removed."""


def started_at(pid: int) -> str | None:
    """Return when a process started, as the kernel writes it; None when it is gone or a zombie.

    A pid is used again one day; pid and start time together are not.
    """
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[0] in {"Z", "X"} else fields[19]


def boot_id() -> str:
    """Return the name that the kernel gave to this boot; processes of another are gone."""
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def cgroup_hierarchies() -> Iterator[Path]:
    """Yield the root folder of each mounted cgroup hierarchy, of version 1 and 2."""
    if (CGROUP_ROOT / "cgroup.procs").exists():
        yield CGROUP_ROOT
    for folder in sorted(CGROUP_ROOT.iterdir()):
        if folder.is_dir() and not folder.is_symlink() and os.path.ismount(folder):
            yield folder


class Record:
    """What one rig made on the machine, kept in a locked file.

    Attributes:
        path: The file.
        number: The rig's number, from 1 on; no two living rigs have the same.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.number = int(path.stem)
        self.descriptor = descriptor

    def read(self) -> dict[str, Any]:
        """Return what the record says; empty when there is nothing to put right."""
        content: dict[str, Any] = {}
        for line in self.path.read_bytes().splitlines(keepends=True):
            # A line without its end was cut short: what it names had not been made yet.
            if line.endswith(b"\n"):
                content |= json.loads(line)
        return content

    def add(self, **content: Any) -> None:
        """Add to the record, before the thing that it names is made."""
        line = json.dumps(content | {"boot": boot_id()}).encode() + b"\n"
        with self.path.open("ab") as file:
            file.write(line)

    def close(self) -> None:
        """Let go of the lock."""
        os.close(self.descriptor)


def locked(path: Path) -> Record | None:
    """Return the record at *path* with its lock held; None when its rig lives."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return Record(path, descriptor)


def repair(folder: Path) -> None:
    """Put right what killed test runs left behind.

    Args:
        folder: The folder of records.

    Raises:
        LeftoverError: Something cannot be removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(folder.glob("*.json")):
        record = locked(path)
        if record is not None:
            try:
                put_right(record)
            finally:
                record.close()


def claim(folder: Path, *, usable: Callable[[int], bool]) -> Record:
    """Return a fresh record whose number is *usable*, after a repair.

    Raises:
        LeftoverError: A killed run left something that cannot be removed, or no number is free.
    """
    repair(folder)
    for number in range(1, MOST_RIGS + 1):
        if not usable(number):
            continue
        record = locked(folder / f"{number}.json")
        if record is not None:
            return record
    raise LeftoverError(
        f"no free number for a rig in {folder}: {MOST_RIGS} run, or none is usable"
    )


def wait(gone: Callable[[], bool], what: str) -> None:
    """Poll until *gone*.

    Raises:
        LeftoverError: It is still there after 20 seconds.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    pause = threading.Event()
    while not gone():
        if time.monotonic() > deadline:
            raise LeftoverError(f"{what} is still there after {PATIENCE_SECONDS:.0f} seconds")
        pause.wait(0.02)


def end_process(pid: int, start: str) -> None:
    """Kill the process 1 of a pid namespace and with it all the others; wait for its end."""
    if started_at(pid) != start:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    wait(lambda: started_at(pid) != start, f"process {pid}")


def removed(folder: Path) -> bool:
    """Remove a cgroup and all below it, from the bottom up; say whether it is gone.

    The files in it cannot be removed and need not be.
    """
    for below, _, _ in os.walk(folder, topdown=False):
        try:
            Path(below).rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True


def remove_cgroups(name: str) -> None:
    """Remove the cgroup *name* from every hierarchy."""
    for hierarchy in cgroup_hierarchies():
        folder = hierarchy / name
        wait(partial(removed, folder), f"cgroup {folder}")


def remove_interface(name: str) -> None:
    """Remove the host's end of a veth pair, which the kernel may be removing already."""
    interface = Path("/sys/class/net", name)
    if interface.exists():
        subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)
    wait(lambda: not interface.exists(), f"network interface {name}")


def put_right(record: Record) -> None:
    """Remove everything that *record* names, and empty it. Once more does nothing.

    Raises:
        LeftoverError: Something is still there; the record stays as it is.
    """
    content = record.read()
    if "pid" in content and content["boot"] == boot_id():
        end_process(content["pid"], content["start"])
    if "interface" in content:
        remove_interface(content["interface"])
    if "cgroup" in content:
        remove_cgroups(content["cgroup"])
    if "root" in content:
        # All mounts below lay in the rig's own mount namespace and went with it.
        shutil.rmtree(content["root"], ignore_errors=True)
        if Path(content["root"]).exists():
            raise LeftoverError(f"the folder {content['root']} cannot be removed")
    os.truncate(record.path, 0)


def main() -> int:
    """Wait for the end of the test process, then put everything right."""
    record = Record(Path(sys.argv[1]), int(sys.argv[2]))
    while os.read(sys.stdin.fileno(), 1):
        pass
    try:
        put_right(record)
    except LeftoverError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
