"""The packages of Debian and Ubuntu that the cluster tests need."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final

from tests.cluster.binaries.errors import MissingPackages
from tools import debian

PACKAGES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        # A compiler without the headers of the C library compiles nothing.
        "gcc": ("gcc", "libc6-dev"),
        "ip": ("iproute2",),
        # Debian's runc has seccomp, without which containerd starts no sandbox.
        "runc": ("runc",),
    }
)
"""For each program, the packages that bring it."""


def ensure(programs: Iterable[str], *, report: Callable[[str], None]) -> None:
    """Install those of *programs*, keys of PACKAGES, that are missing, where this process may.

    Raises:
        MissingPackages: They are missing and were not installed; the text says what to do.
    """
    try:
        debian.ensure(
            {program: PACKAGES[program] for program in programs},
            purpose="The cluster tests",
            report=lambda line: report(f"{line}\n"),
        )
    except debian.MissingPackages as error:
        raise MissingPackages(str(error)) from None
