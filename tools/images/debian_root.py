"""The base image where there is no registry: Python out of Debian's packages, and little else."""

import re
import subprocess
from hashlib import sha256
from pathlib import Path
from typing import Final

from tools.debian import find
from tools.images.programs import run

SUITE: Final = "bookworm"
PYTHON: Final = "3.11"
"""The Python of SUITE."""
PACKAGES: Final = ("libstdc++6", "python3")
"""Wheels bring every library along but the one of C++."""
KEYRING: Final = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# Packages are unpacked and not set up, which leaves dpkg's own records empty. They are written
# here, so that it can be told which package a file came from.
_RECORD_PACKAGES: Final = r"""
set -eu
for package in "$1"/var/cache/apt/archives/*.deb; do
    name=$(dpkg-deb --field "$package" Package)
    dpkg-deb --field "$package" >> "$1"/var/lib/dpkg/status
    printf 'Status: install ok unpacked\n\n' >> "$1"/var/lib/dpkg/status
    dpkg-deb --fsys-tarfile "$package" | tar --list | sed 's,^\.,,; s,/$,,' \
        > "$1"/var/lib/dpkg/info/"$name".list
done
"""

_RECIPE: Final = (
    "--mode=root",
    "--variant=extract",
    f"--include={','.join(PACKAGES)}",
    f"--extract-hook={_RECORD_PACKAGES}",
)


def key(architecture: str) -> str:
    """Return what names this recipe for *architecture*."""
    return sha256("\n".join((SUITE, architecture, *_RECIPE)).encode()).hexdigest()[:16]


def make(into: Path, log: Path) -> None:
    """Write the root file system to the tar file *into*, from the mirror that this machine uses.

    Raises:
        BuildFailed: mmdebstrap failed.
    """
    command = ["mmdebstrap", *_RECIPE, *_apt_options(), SUITE, str(into)]
    # Everything is dated the same, since nothing in an image asks for the time of a file.
    variables = {"SOURCE_DATE_EPOCH": "0", "TMPDIR": str(into.parent)}
    run([*command, *_sources()], log=log, variables=variables, network=True)


def _sources() -> list[str]:
    """Return the Debian mirrors of apt as lines of a sources list; none: mmdebstrap knows one."""
    listing = "$(ORIGIN) $(CODENAME) $(REPO_URI)"
    text = _ask("apt-get", "indextargets", "--format", listing, "Created-By: Packages")
    signed = f"[signed-by={KEYRING}] " if KEYRING.is_file() else ""
    lines: list[str] = []
    for mirror in dict.fromkeys(text.splitlines()):
        origin, _, rest = mirror.partition(" ")
        release, _, address = rest.partition(" ")
        # This machine may run another release of Debian; its mirror has SUITE all the same.
        _, dash, kind = release.partition("-")
        if origin == "Debian" and kind in {"", "updates", "security"}:
            lines.append(f"deb {signed}{address} {SUITE}{dash}{kind} main")
    return list(dict.fromkeys(lines))


def _apt_options() -> list[str]:
    """Return how this machine's apt reaches its mirrors, as options of mmdebstrap."""
    text = _ask("apt-config", "dump")
    reach = re.compile(
        r'Acquire::(?:https?::(?:Proxy|CaInfo)|Check-(?:Date|Valid-Until)) "[^"]+";'
    )
    return [f"--aptopt={line}" for line in text.splitlines() if reach.fullmatch(line)]


def _ask(program: str, *words: str) -> str:
    """Return what *program* prints, or nothing where it is missing or fails."""
    place = find(program)
    if place is None:
        return ""
    done = subprocess.run([str(place), *words], capture_output=True, text=True, check=False)
    return "" if done.returncode else done.stdout
