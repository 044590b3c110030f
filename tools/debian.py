"""Programs that come as packages of Debian or Ubuntu: which are missing, how they get there."""

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, TypeAlias

SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where programs of packages lie; an ordinary user's PATH may leave out the folders of root."""

Wanted: TypeAlias = Mapping[str, tuple[str, ...]]
"""For each program, the packages that bring it."""

_LOCK_SECONDS: Final = 300
"""How long apt-get waits for another one, such as the system's nightly upgrade."""
_LINES_OF_ERROR: Final = 15


class MissingPackages(RuntimeError):  # noqa: N818 - says what is wrong
    """Programs are missing and were not installed; the text says what to do."""


def find(program: str, search_path: str = SEARCH_PATH) -> Path | None:
    """Return where *program* lies; None where it is not installed."""
    found = shutil.which(program, path=search_path)
    return None if found is None else Path(found)


def missing(wanted: Wanted, search_path: str = SEARCH_PATH) -> list[str]:
    """Return the packages that bring the programs in *wanted* that are not installed, in order."""
    lacking = (program for program in wanted if find(program, search_path) is None)
    return sorted({package for program in lacking for package in wanted[program]})


def install_command(packages: list[str]) -> str:
    """Return the command that installs *packages*, as a person types it."""
    return "apt-get install --no-install-recommends " + " ".join(packages)


def ensure(
    wanted: Wanted,
    *,
    purpose: str,
    report: Callable[[str], None],
    search_path: str = SEARCH_PATH,
    is_root: bool | None = None,
) -> None:
    """Install what is missing of *wanted*, where this process may.

    Args:
        wanted: The programs.
        purpose: Who needs them, in the plural, as a sentence begins with it.
        report: Is told, a line at a time, what is installed.
        search_path: Where installed programs lie.
        is_root: Whether this process may install; found out where None is given.

    Raises:
        MissingPackages: Something is missing, and this process is not root, there is no
            apt-get, or apt-get failed.
    """
    packages = missing(wanted, search_path)
    if not packages:
        return
    names = ", ".join(packages)
    apt_get = find("apt-get", search_path)
    if apt_get is None:
        raise MissingPackages(
            f"{purpose} need what Debian calls {names}, and this system has no apt-get to get it"
        )
    if not (os.geteuid() == 0 if is_root is None else is_root):
        raise MissingPackages(
            f"{purpose} need packages that are missing. As root: {install_command(packages)}"
        )
    report(f"installing {names}")
    _apt_get(apt_get, "update")
    _apt_get(apt_get, "install", "--yes", "--no-install-recommends", *packages)
    packages = missing(wanted, search_path)
    if packages:
        raise MissingPackages(f"{', '.join(packages)}: installed, but its program is not there")


def _apt_get(program: Path, *words: str) -> None:
    done = subprocess.run(
        [str(program), "--quiet", "-o", f"DPkg::Lock::Timeout={_LOCK_SECONDS}", *words],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        said = "\n".join(done.stdout.splitlines()[-_LINES_OF_ERROR:])
        raise MissingPackages(f"apt-get {words[0]} ended with {done.returncode}:\n{said}")
