"""The wheels that an image is installed from, fetched beforehand, each held against its hash."""

import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tools.debian import find
from tools.images.errors import BuildFailed
from tools.images.programs import ENDS_WITH_US

ARCHITECTURES: Final[Mapping[str, str]] = MappingProxyType({"amd64": "x86_64", "arm64": "aarch64"})
"""For each architecture of images, its name in wheels."""

NEWEST_GLIBC: Final = 36
"""The minor version of the C library of the oldest base that is supported, Debian 12."""
OLDEST_GLIBC: Final = 5

INSTALLER_PINS: Final = "requirements/dev.txt"
"""Where pip itself is pinned, relative to the repository."""


def requirements(root: Path, pins: str) -> str:
    """Return the pins in the file *pins* of the repository, and after them the one of pip.

    Raises:
        BuildFailed: The development environment pins no pip.
    """
    development = (root / INSTALLER_PINS).read_text(encoding="utf-8")
    found = re.search(r"^pip==.*(?:\n .*)*\n", development, re.MULTILINE)
    if found is None:
        raise BuildFailed(f"{INSTALLER_PINS} pins no pip")
    return f"{(root / pins).read_text(encoding='utf-8')}\n{found[0]}"


def fetch(text: str, into: Path, *, python: str, architectures: Sequence[str]) -> None:
    """Put the wheels for the requirements in *text* into the folder *into*.

    pip's own settings (an index, a proxy, a certificate) hold.

    Args:
        text: Requirements with hashes.
        into: The folder; made where there is none. What it holds stays.
        python: The Python of the base image, such as 3.13.
        architectures: Keys of ARCHITECTURES; wheels for several may lie side by side.

    Raises:
        BuildFailed: pip failed; the text holds what it said.
    """
    into.mkdir(parents=True, exist_ok=True)
    listing = into / "requirements.txt"
    listing.write_text(text, encoding="utf-8")
    ends_with_us = ENDS_WITH_US if find(ENDS_WITH_US[0]) else ()
    for architecture in architectures:
        command = [*ends_with_us, sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--only-binary", ":all:", "--require-hashes", "--disable-pip-version-check"]
        command += ["--dest", str(into), "--requirement", str(listing)]
        command += _platform(python, ARCHITECTURES[architecture])
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BuildFailed(
                f"pip cannot fetch the wheels for Python {python} on {architecture}:\n"
                f"{done.stdout.strip()}"
            )
    listing.unlink()


def _platform(python: str, machine: str) -> list[str]:
    """Return pip's options for another interpreter than its own."""
    options = ["--python-version", python, "--implementation", "cp"]
    for abi in (f"cp{python.replace('.', '')}", "abi3", "none"):
        options += ["--abi", abi]
    for minor in range(NEWEST_GLIBC, OLDEST_GLIBC - 1, -1):
        options += ["--platform", f"manylinux_2_{minor}_{machine}"]
    # The old name of one of them, which some wheels carry alone.
    return [*options, "--platform", f"manylinux2014_{machine}"]
