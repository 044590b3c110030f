"""Whether this machine can run the test cluster, and each reason why it cannot."""

import importlib.util
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.cluster.binaries.settings import BINARIES_VARIABLE, cache_folder
from tools import debian
from tools.golang.toolchain import installed_go, processor

GIB: Final = 1024**3

LEAST_MEMORY_BYTES: Final = 3.5 * GIB
"""What a machine sold with 4 GB has; the largest package compiles in half of it."""
LEAST_DISK_BYTES: Final = 2 * GIB
"""For one cluster: images, logs and etcd."""
LEAST_BUILD_DISK_BYTES: Final = 15 * GIB
"""For the first build: Go's caches of sources and packages, and the programs."""

_NAMESPACES: Final = ("--net", "--mount", "--pid", "--fork", "--mount-proc")
_LINKS: Final = (
    "ip link add name probe-a type veth peer name probe-b && ip link add name probe-c type bridge"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on a machine."""

    system: str
    """The kernel's name, such as Linux."""
    processor: str
    """Go's name of the architecture; empty for one that is not amd64 or arm64."""
    is_root: bool
    namespaces: str
    """Why no network, mount and process namespace can be made; empty when they can."""
    links: str
    """Why no veth pair and bridge can be made; empty when they can, or nobody can tell."""
    has_cgroups: bool
    has_overlay: bool
    memory_bytes: int
    """All memory that this machine or its cgroup has."""
    cache: Path
    disk_bytes: int
    """What is free where the cache lies."""
    will_build: bool
    """Whether the cache is empty and no binaries of the user's own are named."""
    can_compile: bool
    """Whether there is a Go, or a pip that can fetch one."""


def obstacles(facts: Facts | None = None) -> list[str]:
    """Return why the test cluster cannot run here, one sentence each; none means that it can.

    Missing packages are no obstacle: `packages.ensure` installs them or says how.

    Args:
        facts: What to judge; this machine where None is given.
    """
    machine = look() if facts is None else facts
    if machine.system != "Linux":
        return [f"The test cluster needs Linux, and this is {machine.system}."]
    disk = LEAST_BUILD_DISK_BYTES if machine.will_build else LEAST_DISK_BYTES
    checks = (
        (
            not machine.processor,
            "The test cluster is built for amd64 and arm64 processors, and this is another one.",
        ),
        (
            not machine.is_root,
            "The test cluster needs root, for its namespaces, mounts and cgroups.",
        ),
        (
            machine.is_root and bool(machine.namespaces),
            f"This machine allows no namespaces of our own: {machine.namespaces}",
        ),
        (
            machine.is_root and not machine.namespaces and bool(machine.links),
            f"This kernel makes no veth pair or bridge: {machine.links}",
        ),
        (
            not machine.has_cgroups,
            "No cgroups are mounted at /sys/fs/cgroup; containers need memory and cpu.",
        ),
        (
            not machine.has_overlay,
            "This kernel has no overlay file system, which the containers' images need.",
        ),
        (
            machine.memory_bytes < LEAST_MEMORY_BYTES,
            (
                "The test cluster needs 4 GB of memory, and this machine has "
                f"{machine.memory_bytes / GIB:.1f} GiB."
            ),
        ),
        (
            machine.disk_bytes < disk,
            (
                f"{'Building the' if machine.will_build else 'The'} test cluster needs "
                f"{disk // GIB} GiB of free disk at {machine.cache}, which has "
                f"{machine.disk_bytes / GIB:.1f} GiB."
            ),
        ),
        (
            machine.will_build and not machine.can_compile,
            "Neither Go nor pip is installed, and the cluster's programs must be compiled first.",
        ),
    )
    return [sentence for applies, sentence in checks if applies]


def look() -> Facts:
    """Look at this machine; it takes tens of milliseconds and changes nothing."""
    is_root = os.geteuid() == 0
    cache = cache_folder(os.environ)
    will_build = not (cache / "programs").is_dir() and not os.environ.get(BINARIES_VARIABLE)
    namespaces = _failure("true") if is_root else ""
    can_link = is_root and not namespaces and debian.find("ip") is not None
    return Facts(
        system=platform.system(),
        processor=processor(),
        is_root=is_root,
        namespaces=namespaces,
        links=_failure(_LINKS) if can_link else "",
        has_cgroups=_has_cgroups(Path("/sys/fs/cgroup")),
        has_overlay=_has_overlay(),
        memory_bytes=_memory_bytes(),
        cache=cache,
        disk_bytes=_disk_bytes(cache),
        will_build=will_build,
        can_compile=will_build
        and (importlib.util.find_spec("pip") is not None or installed_go(os.environ) is not None),
    )


def _failure(script: str) -> str:
    """Return why *script* fails inside fresh namespaces; empty when it works."""
    try:
        answer = subprocess.run(
            ["unshare", *_NAMESPACES, "sh", "-c", script],
            env={"PATH": debian.SEARCH_PATH, "LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return "there is no unshare program (package util-linux)."
    if not answer.returncode:
        return ""
    return answer.stderr.strip() or f"exit code {answer.returncode}."


def _has_cgroups(root: Path) -> bool:
    unified = root / "cgroup.controllers"
    if unified.is_file():
        return {"cpu", "memory"} <= set(unified.read_text(encoding="utf-8").split())
    return (root / "memory").is_dir() and any(
        (root / name).is_dir() for name in ("cpu", "cpu,cpuacct")
    )


def _has_overlay() -> bool:
    if "\toverlay\n" in _text(Path("/proc/filesystems")):
        return True
    modules = Path("/lib/modules", platform.release())
    return "/overlay.ko" in _text(modules / "modules.dep")


def _memory_bytes() -> int:
    amounts = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        limit = _text(Path("/sys/fs/cgroup", name)).strip()
        amounts += [int(limit)] if limit.isdigit() else []
    return min(amounts)


def _disk_bytes(folder: Path) -> int:
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    return shutil.disk_usage(existing).free


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
