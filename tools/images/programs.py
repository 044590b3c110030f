"""Runs the programs that build: nothing they start or mount outlives them or this process."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tools.debian import SEARCH_PATH, Wanted, find
from tools.images.errors import BuildFailed

PROGRAMS: Final[Wanted] = MappingProxyType(
    {
        "buildah": ("buildah",),
        "mmdebstrap": ("debian-archive-keyring", "mmdebstrap"),
        "setpriv": ("util-linux",),
        "unshare": ("util-linux",),
    }
)
"""What a build starts."""

_LINES_OF_ERROR: Final = 20

ENDS_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")
"""Before a command: the kernel ends it when this process ends, however it does."""

_ALONE: Final = (
    # With the first program of a process namespace ends everything in it, and with the last one
    # of a mount namespace its mounts go.
    *ENDS_WITH_US,
    *("unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"),
)


def run(
    command: Sequence[str], *, log: Path, variables: Mapping[str, str], network: bool = False
) -> str:
    """Run *command* in namespaces of its own and return what it prints, less spaces around it.

    Args:
        command: The program and its arguments.
        log: Where standard error goes, after what is already there.
        variables: Added to this process's environment.
        network: Whether the program reaches the network.

    Raises:
        BuildFailed: It failed; the text holds the end of its log.
    """
    offline = () if network else ("--net",)
    with log.open("a", encoding="utf-8") as errors:
        done = subprocess.run(
            [*_ALONE, *offline, *command],
            env={**os.environ, "PATH": SEARCH_PATH, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            check=False,
        )
    if done.returncode:
        name = next(word for word in command if word in PROGRAMS)
        said = [*log.read_text(encoding="utf-8", errors="replace").splitlines()]
        said += done.stdout.splitlines()
        raise BuildFailed(
            f"{name} ended with {done.returncode}:\n" + "\n".join(said[-_LINES_OF_ERROR:])
        )
    return done.stdout.strip()


def can_isolate() -> bool:
    """Say whether this machine lets this process make the namespaces that builds run in."""
    if find("setpriv") is None or find("unshare") is None:
        return False
    done = subprocess.run(
        [*_ALONE, "--net", "true"],
        env={**os.environ, "PATH": SEARCH_PATH},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0
