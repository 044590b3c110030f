"""Trees of files that will lie in an image: copied, thinned out, compiled."""

import compileall
import os
import py_compile
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path


def inside(root: Path, path: Path) -> Path:
    """Return where the absolute *path* lies below *root*."""
    return root / path.relative_to("/")


def copy(source: Path, root: Path, target: Path) -> None:
    """Copy what *source* points at to *target* below *root*."""
    into = inside(root, target)
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(os.path.realpath(source), into)


def remove(tree: Path, patterns: Iterable[str]) -> None:
    """Remove what matches one of *patterns* at any depth of *tree*."""
    for pattern in patterns:
        for path in sorted(tree.rglob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def forbid_starting(tree: Path) -> None:
    """Take from every file of *tree* the right to be started: Python and the loader read them."""
    for path in tree.rglob("*"):
        if path.is_file() and not path.is_symlink():
            path.chmod(0o644)


def compile_tree(tree: Path, root: Path) -> None:
    """Write the bytecode of everything under *tree*, which will lie there below *root*.

    The bytecode is never held against its source again, so times of files do not matter.

    Raises:
        SystemExit: A file does not compile.
    """
    fine = compileall.compile_dir(
        tree,
        maxlevels=50,
        stripdir=str(root),
        prependdir="/",
        quiet=1,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not fine:
        sys.exit(f"{tree} does not compile")
