"""An image of this tree, unpacked, whose programs tests start."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tools.images import archive, build
from tools.images.build import Image, provide
from tools.images.targets import TARGETS, Target

PYTHON: Final = "/app/bin/python3"
MOUNT_POINTS: Final = ("dev", "proc", "tls", "var/lib/kubelet", "var/run/cdi")
"""The folders that a runtime adds to an image before it starts it."""

NAMESPACES: Final = (
    *("unshare", "--mount", "--net", "--pid"),
    *("--fork", "--kill-child", "--mount-proc"),
)


@dataclass(frozen=True, slots=True)
class Built:
    """An image in a file, what it says of itself, and its files."""

    target: Target
    image: Image
    contents: archive.Contents
    root: Path
    """Its root file system, with the folders that a runtime adds."""

    @property
    def variables(self) -> dict[str, str]:
        """The environment of its processes."""
        return dict(word.split("=", 1) for word in self.contents.config["Env"])

    def python(self, *words: str) -> str:
        """Return what the image's Python prints, run as the image's user."""
        user = self.contents.config["User"]
        done = subprocess.run(
            ["chroot", f"--userspec={user}", str(self.root), PYTHON, *words],
            env=self.variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def contained(self, program: str, *words: str) -> str:
        """Return what a program says that plays a container runtime in namespaces of its own.

        Args:
            program: Python that is given the root, the command and the environment to start.
            words: What the image's entry point is told.
        """
        command = [*NAMESPACES, sys.executable, "-c", program, str(self.root)]
        command += [json.dumps([*self.contents.config["Entrypoint"], *words])]
        command += [json.dumps(self.variables)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout + done.stderr


def built_image(target: str, folder: Path) -> Built:
    """Return the image of *target*, unpacked in *folder*; skip where none can be built."""
    need_a_machine_that_builds(target)
    image = provide(target)
    folder.chmod(0o755)
    archive.unpack(image.archive, folder)
    for name in MOUNT_POINTS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    return Built(TARGETS[target], image, archive.read(image.archive), folder)


def need_a_machine_that_builds(target: str) -> None:
    """Skip where no image of *target* can be built, or fail where CI=true promises one."""
    reasons = " ".join(build.obstacles(target))
    if reasons and os.environ.get("CI") == "true":
        pytest.fail(reasons)
    if reasons:
        pytest.skip(reasons)
