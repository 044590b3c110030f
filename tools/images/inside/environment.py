"""The virtual environment of a service: its pinned packages, and its own code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

from tools.images.inside.elf import strip
from tools.images.inside.trees import compile_tree, forbid_starting, remove

FOLDER: Final = Path("app")
"""Where it lies, relative to the root of the image."""

NOT_SHIPPED: Final = (
    # What a wheel holds for those who build or check code, and what only pip reads.
    "*.c",
    "*.h",
    "*.pxd",
    "*.pyi",
    "*.pyx",
    "*_benchmark.py",
    "INSTALLER",
    "RECORD",
    "REQUESTED",
    "__pycache__",
    "direct_url.json",
    "testdata",
    "tests",
)


def site_packages(root: Path) -> Path:
    """Return the folder of the service's packages below *root*."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    return root / FOLDER / "lib" / version / "site-packages"


def install(root: Path, requirements: Path, wheels: Path) -> None:
    """Make the environment below *root* from *wheels*, each held against its hash.

    pip itself comes as one of the wheels and stays outside.

    Raises:
        SystemExit: pip refused; its own words stand above.
    """
    python = Path(os.path.realpath(sys.executable))
    environment = root / FOLDER
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python3").symlink_to(python)
    (environment / "pyvenv.cfg").write_text(
        f"home = {python.parent}\ninclude-system-site-packages = false\n", encoding="utf-8"
    )
    packages = site_packages(root)
    pip = next(wheels.glob("pip-*.whl"), None)
    if pip is None:
        sys.exit(f"{wheels} holds no pip; fill it with: python -m tools.images wheelhouse")
    command = [str(python), f"{pip}/pip", "install", "--quiet", "--no-index", "--no-deps"]
    command += ["--no-cache-dir", "--no-compile", "--require-hashes", "--root-user-action=ignore"]
    command += ["--disable-pip-version-check", "--find-links", str(wheels)]
    command += ["--target", str(packages), "--requirement", str(requirements)]
    if subprocess.run(command, check=False).returncode:
        sys.exit(
            f"the wheels are not for Python {sys.version_info.major}.{sys.version_info.minor} on "
            f"{os.uname().machine}? python -m tools.images wheelhouse --help tells how to choose"
        )
    shutil.rmtree(packages / "bin", ignore_errors=True)
    remove(packages, NOT_SHIPPED)
    for library in packages.rglob("*.so"):
        strip(library)
    compile_tree(packages, root)
    forbid_starting(packages)


def add_sources(root: Path, sources: Path) -> None:
    """Put the service's own packages, all folders in *sources*, into its environment."""
    packages = site_packages(root)
    shutil.copytree(sources, packages, ignore=shutil.ignore_patterns(*NOT_SHIPPED))
    compile_tree(packages, root)
    forbid_starting(packages)
