"""A program for the node: tells what a container has, by the number of a process in it.

It runs by itself with the standard library. Told `PID [MAJOR:MINOR ...]`, it writes an object:
the environment of the process, the device nodes below its /dev with their numbers, where
something is mounted, and for each pair of numbers told whether the container may open such a
device, whoever makes a node for it.
"""

import errno
import json
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def environment(process: Path) -> dict[str, str]:
    """Return the variables that the process was started with."""
    entries = (process / "environ").read_bytes().decode().split("\0")
    return dict(entry.split("=", 1) for entry in entries if "=" in entry)


def nodes(process: Path) -> dict[str, str]:
    """Return the major and minor number of each character device by its path."""
    root = process / "root"
    found: dict[str, str] = {}
    for folder, _, names in os.walk(root / "dev"):
        for path in (Path(folder, name) for name in names):
            status = path.lstat()
            if stat.S_ISCHR(status.st_mode):
                number = f"{os.major(status.st_rdev)}:{os.minor(status.st_rdev)}"
                found[f"/{path.relative_to(root)}"] = number
    return found


def mounts(process: Path) -> list[str]:
    """Return where something is mounted."""
    lines = (process / "mountinfo").read_text(encoding="utf-8").splitlines()
    return [line.split()[4] for line in lines]


def cgroup(process: Path) -> Path:
    """Return the folder of the cgroup that decides on devices."""
    of: dict[str, str] = {}
    for line in (process / "cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        of |= dict.fromkeys(controllers.split(","), path)
    if "devices" in of:
        return Path(f"{CGROUPS}/devices{of['devices']}")
    return Path(f"{CGROUPS}{of['']}")


def openable(process: Path, numbers: list[str]) -> Iterator[tuple[str, bool]]:
    """Yield each pair of numbers and whether the container may open such a device."""
    entry = cgroup(process) / "cgroup.procs"
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            node = Path(folder, number)
            major, minor = map(int, number.split(":"))
            os.mknod(node, stat.S_IFCHR | 0o600, os.makedev(major, minor))
            yield number, _may_open(node, entry)


def _may_open(node: Path, cgroup_entry: Path) -> bool:
    child = os.fork()
    if child == 0:
        cgroup_entry.write_text(str(os.getpid()), encoding="utf-8")
        try:
            os.close(os.open(node, os.O_RDWR))
        except OSError as error:
            # There is no driver of such a device; who may not ask for it is told EPERM.
            os._exit(1 if error.errno == errno.EPERM else 0)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def main(pid: str, *numbers: str) -> None:
    """Write what the container of process *pid* has."""
    process = Path("/proc", pid)
    found = {
        "environment": environment(process),
        "nodes": nodes(process),
        "mounts": mounts(process),
        "openable": dict(openable(process, list(numbers))),
    }
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
