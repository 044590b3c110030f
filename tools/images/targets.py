"""The images there are, and the files of the repository that each is made of."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tools.release import read_version

ROOT: Final = Path(__file__).resolve().parents[2]

WHEELHOUSE: Final = "build/wheelhouse"
"""Where the Dockerfile looks for wheels, relative to the repository."""


PINS: Final = "requirements"
"""The folder of pins, relative to the repository."""


@dataclass(frozen=True, slots=True)
class Target:
    """One image: a target of the Dockerfile."""

    name: str
    requirements: str
    """The pins of its packages, relative to the repository."""
    files: tuple[str, ...]
    """The files and folders that the Dockerfile copies, less the wheelhouse, and other pins."""
    has_hook: bool = False
    """Whether `nvidia-cdi-hook` is in it."""

    def image_name(self, root: Path) -> str:
        """Return the full name that the image of the tree under *root* has in a registry."""
        return f"localhost/dra-config-{self.name}:{read_version(root)}"


TARGETS: Final[Mapping[str, Target]] = MappingProxyType(
    {
        "webhook": Target(
            name="webhook",
            requirements="requirements/webhook.txt",
            files=(
                "Dockerfile",
                "LICENSE",
                "dra_config",
                "flags",
                "kube",
                "logs",
                "requirements/webhook.txt",
                "tools/images/inside",
                "webhook",
            ),
        ),
        "plugin": Target(
            name="plugin",
            requirements="requirements/plugin.txt",
            files=(
                "Dockerfile",
                "LICENSE",
                "dra_config",
                "flags",
                "kube",
                "logs",
                "plugin",
                "requirements/plugin.txt",
                "tools/images/hook",
                "tools/images/inside",
            ),
            has_hook=True,
        ),
    }
)


def files_of(root: Path, target: Target) -> Iterator[Path]:
    """Yield each file of *target* under *root*, relative to it, in order."""
    for name in target.files:
        path = root / name
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in found:
            if file.is_file() and file.parent.name != "__pycache__":
                yield file.relative_to(root)


def fingerprint(root: Path, target: Target) -> str:
    """Return a hash of the names and contents of everything that *target* is made of."""
    seen = sha256(target.image_name(root).encode())
    for file in files_of(root, target):
        content = sha256((root / file).read_bytes()).hexdigest()
        seen.update(f"{file.as_posix()} {content}\n".encode())
    return seen.hexdigest()


def snapshot(root: Path, target: Target, into: Path) -> None:
    """Copy what *target* is made of, and all pins, to the new folder *into*.

    Nobody works on the copy, so its fingerprint holds for what is built from it.
    """
    for file in files_of(root, target):
        place = into / file
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(root / file, place)
    shutil.copytree(root / PINS, into / PINS, dirs_exist_ok=True)


def default_python(root: Path) -> str:
    """Return the Python version, such as 3.13, of the Dockerfile's own base image.

    Raises:
        ValueError: The Dockerfile names none.
    """
    text = (root / "Dockerfile").read_text(encoding="utf-8")
    found = re.search(r"^ARG BASE=python:(\d+\.\d+)[-\s]", text, re.MULTILINE)
    if found is None:
        raise ValueError("the Dockerfile's default BASE names no version of Python")
    return found[1]
