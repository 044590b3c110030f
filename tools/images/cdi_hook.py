"""The program `nvidia-cdi-hook` of an image, compiled from its module, with all its licences."""

import os
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from tools.debian import Wanted
from tools.golang.compiling import Compiler
from tools.golang.errors import Unavailable
from tools.golang.program import Program
from tools.golang.toolchain import provide_go
from tools.images.errors import BuildFailed

FOLDER: Final = "build/hook"
"""Where the Dockerfile looks for it, in a folder for each architecture."""

PINS: Final = "tools/images/hook"
"""The go.mod that pins it and the go.sum with all hashes, relative to the repository."""

MODULE: Final = "github.com/NVIDIA/nvidia-container-toolkit"
VERSION: Final = "1.20.1"
"""The version that go.mod names."""

PROGRAM: Final = Program(
    "nvidia-cdi-hook",
    Path(PINS).name,
    f"{MODULE}/cmd/nvidia-cdi-hook",
    stamps=(f"{MODULE}/internal/info.version={VERSION}",),
    # Neither names of hosts nor of users are asked of the C library.
    tags=("netgo", "osusergo"),
    cgo=True,
)

PLACE: Final = Path("usr/bin", PROGRAM.name)
"""Where the image has it, relative to the root."""

LICENCES: Final = Path("usr/share/doc", PROGRAM.name, "copyright")
"""The licences of every module that is compiled into it."""

TRIPLETS: Final = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
"""For each architecture of images, what the names of its compilers begin with."""

_RECIPE: Final = "-static"
"""What the linker is told.

The program is copied to hosts, and a host may have an older C library than the machine that
compiles. Only the hook for memory limits loads a library, NVML, and the plugin asks for no limits.
"""

_LICENCE: Final = re.compile(r"(?i)(copying|licen[cs]e|notice|patents|third_party)[^/]*")
_C_LIBRARY: Final = (
    "The program is linked with the GNU C library, whose terms are the GNU Lesser General Public\n"
    "License, version 2.1 or any later one: https://www.gnu.org/licenses/lgpl-2.1.html\n"
)


def compilers(architecture: str, own_architecture: str) -> Wanted:
    """Return the C compiler for *architecture*, and the packages that bring it."""
    if architecture == own_architecture:
        # A compiler without the headers of the C library compiles nothing.
        return {"gcc": ("gcc", "libc6-dev")}
    triplet = TRIPLETS[architecture]
    # Names of packages have no underscore.
    package = f"gcc-{triplet.replace('_', '-')}"
    return {f"{triplet}-gcc": (package, f"libc6-dev-{architecture}-cross")}


def key(root: Path, architecture: str) -> str:
    """Return what names the hook that the pins under *root* make for *architecture*."""
    program = PROGRAM.key(architecture, (root / PINS).parent)
    return sha256(f"{program} {_RECIPE}".encode()).hexdigest()[:16]


def make(
    root: Path,
    into: Path,
    *,
    architecture: str,
    own_architecture: str,
    toolchains: Path,
    log: Path,
    report: Callable[[str], None],
) -> None:
    """Write the hook and its licences to the new folder *into*, as they lie in an image.

    Args:
        root: The repository, whose pins count.
        into: The folder to make.
        architecture: Of the image.
        own_architecture: Of this machine.
        toolchains: Where Go is put if this machine has none; the caller holds its lock.
        log: What Go says is written there.
        report: Is told when Go is fetched.

    Raises:
        BuildFailed: A module cannot be had or does not compile; the text says why.
    """
    (compiler,) = compilers(architecture, own_architecture)
    environment = {**os.environ, "GOOS": "linux", "GOARCH": architecture}
    environment |= {"CC": compiler, "CGO_LDFLAGS": _RECIPE}
    try:
        go = provide_go(toolchains, os.environ, lambda text: report(text.rstrip()))
        built = Compiler(go, environment, (root / PINS).parent)
        built.make(PROGRAM, _made(into / PLACE), log)
        sources = built.sources(PROGRAM, log)
    except Unavailable as error:
        raise BuildFailed(f"{error}") from error
    licences = _made(into / LICENCES)
    licences.write_text("\n".join(_licences(sources)), encoding="utf-8")
    # The image takes over the modes, whatever this process gives to new files.
    for path in (into, *into.rglob("*")):
        path.chmod(0o644 if path == licences else 0o755)


def _made(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    return path


def _licences(sources: dict[str, Path]) -> Iterator[str]:
    """Yield what the authors of each module want to be said.

    Raises:
        BuildFailed: A module has no licence.
    """
    yield _C_LIBRARY
    for module, folder in sorted(sources.items()):
        found = [path for path in sorted(folder.iterdir()) if _LICENCE.fullmatch(path.name)]
        if not found:
            raise BuildFailed(f"{module} has no licence, so it cannot be shipped")
        for path in found:
            title = f"{module} {path.name}"
            yield f"{title}\n{'=' * len(title)}\n\n{path.read_text(encoding='utf-8').strip()}\n"
