"""What a service needs of an operating system: Python, its standard library, shared libraries."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tools.images.inside.environment import FOLDER
from tools.images.inside.packages import write_down_packages
from tools.images.inside.trees import compile_tree, copy, forbid_starting, inside

NOT_NEEDED: Final = (
    # Parts of the standard library that no service imports ...
    "__pycache__",
    "config-*",
    "curses",
    "dbm",
    "dist-packages",
    "ensurepip",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "site-packages",
    "sitecustomize.py",
    "sqlite3",
    "test",
    "tests",
    "tkinter",
    "turtle.py",
    "turtledemo",
    "venv",
    # ... and extensions, with the libraries that only they want.
    "_codecs_*.so",
    "_crypt.*.so",
    "_ctypes_test.*.so",
    "_curses*.so",
    "_dbm.*.so",
    "_gdbm.*.so",
    "_sqlite3.*.so",
    "_test*.so",
    "_tkinter.*.so",
    "_xx*.so",
    "audioop.*.so",
    "nis.*.so",
    "ossaudiodev.*.so",
    "readline.*.so",
    "xx*.so",
)

PARTS_OF_GLIBC: Final = ("libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1")
"""Libraries of the C library that a driver's programs and libraries ask for by name."""

FILES: Final = {
    "etc/passwd": "root:x:0:0:root:/:/nologin\nnonroot:x:65532:65532:nonroot:/tmp:/nologin\n",
    "etc/group": "root:x:0:\nnonroot:x:65532:\n",
    # Without it the C library asks the name server before it looks into /etc/hosts.
    "etc/nsswitch.conf": "hosts: files dns\n",
}


def gather(root: Path, dependencies: Path) -> None:
    """Put Python, its standard library and the libraries that all of it needs below *root*.

    Args:
        root: The new root folder.
        dependencies: A root with the service's packages, whose needs count, too.
    """
    python = Path(os.path.realpath(sys.executable))
    library = Path(sysconfig.get_path("stdlib"))
    copy(python, root, python)
    shutil.copytree(library, inside(root, library), ignore=shutil.ignore_patterns(*NOT_NEEDED))
    taken = {Path("/", path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    compile_tree(inside(root, library), root)
    forbid_starting(inside(root, library))
    taken |= copy_libraries(root, python, [*root.rglob("*.so"), *dependencies.rglob("*.so*")])
    for name, text in FILES.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    write_down_packages(root, taken)


def copy_libraries(root: Path, python: Path, extensions: Iterable[Path]) -> set[Path]:
    """Copy the loader and the shared libraries that *python* and *extensions* load.

    They all go beside the C library, where the loader looks without being told. Libraries that
    a wheel brings along lie beside their extension and stay there.

    Returns:
        Where they lay.

    Raises:
        SystemExit: A library is missing, or the base has another C library than glibc.
    """
    found = re.search(rb"/lib[^\0]*/ld-[^\0]+", python.read_bytes()[:4096])
    if found is None:
        sys.exit(f"{python} names no loader of shared libraries")
    loader = Path(found[0].decode())
    libraries = dict(listed for file in (python, *extensions) for listed in loaded(loader, file))
    if "libc.so.6" not in libraries:
        sys.exit("the base image has another C library than glibc")
    beside = libraries["libc.so.6"].parent
    libraries |= {name: beside / name for name in PARTS_OF_GLIBC}
    copy(loader, root, loader)
    for name, path in libraries.items():
        copy(path, root, beside / name)
    return {Path(os.path.realpath(path)) for path in (loader, *libraries.values())}


def loaded(loader: Path, file: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each library of the system that *file* loads.

    Raises:
        SystemExit: One is missing.
    """
    command = [str(loader), "--list", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or "not found" in done.stdout:
        sys.exit(f"{file} cannot be loaded: {done.stdout}{done.stderr}")
    for name, path in re.findall(r"^\s*(\S+) => (/\S+) \(", done.stdout, re.MULTILINE):
        if FOLDER.name not in Path(path).parts:
            yield name, Path(path)
