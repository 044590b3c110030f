"""Builds what is published of a version: wheel, sdist, bill of materials, checksums."""

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from tools import sbom

ROOT: Final = Path(__file__).resolve().parents[1]
FOLDER: Final = "dist"
CHECKSUMS: Final = "SHA256SUMS"


class NotReleasable(Exception):  # noqa: N818 - an answer, and no error of ours
    """This tree is no release; the text says why and what to do."""


def read_version(root: Path) -> str:
    """Return the version that the tree under *root* is.

    Raises:
        NotReleasable: It is not a version such as 1.2.3 or 1.2.3rc1.
    """
    text = (root / "dra_config" / "version.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "(\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?)"$', text, re.MULTILINE)
    if found is None:
        raise NotReleasable("dra_config/version.py holds no version such as 1.2.3 or 1.2.3rc1")
    return found[1]


def refuse_unready(root: Path, version: str) -> None:
    """Do nothing if *version* may be built from the tree under *root*.

    Raises:
        NotReleasable: A file is not committed, or the changelog says nothing about the version.
    """
    changed = _git(root, "status", "--porcelain").splitlines()
    if changed:
        names = ", ".join(line[3:] for line in changed[:5])
        raise NotReleasable(f"the tree differs from its commit; commit or remove {names}")
    text = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    heading = re.escape(f"## [{version}] - ") + r"\d{4}-\d{2}-\d{2}$"
    section = re.search(rf"^{heading}(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if section is None or not section[1].strip():
        raise NotReleasable(
            f"CHANGELOG.md has no section '## [{version}] - YYYY-MM-DD' with anything in it"
        )


def build(root: Path, version: str) -> Iterator[Path]:
    """Make the folder of the release anew and yield each file in it, the checksums last.

    Everything is dated with the commit, so the same commit gives the same bytes.

    Raises:
        NotReleasable: The build failed; what it said is on standard error.
    """
    seconds = int(_git(root, "log", "-1", "--format=%ct"))
    into = root / FOLDER
    shutil.rmtree(into, ignore_errors=True)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(into), str(root)]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": f"{seconds}"}
    done = subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, check=False)
    if done.returncode:
        raise NotReleasable("the build failed")
    pins = sbom.read_pins((root / "requirements" / "runtime.txt").read_text(encoding="utf-8"))
    document = json.dumps(sbom.render(version, pins, seconds), indent=2) + "\n"
    (into / f"dra_config-{version}.cdx.json").write_text(document, encoding="utf-8", newline="\n")
    built = sorted(into.iterdir())
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in built]
    (into / CHECKSUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
    yield from (*built, into / CHECKSUMS)


def _git(root: Path, *words: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(root), *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise NotReleasable(f"a release is built from a git checkout: {done.stderr.strip()}")
    return done.stdout.rstrip("\n")


def main(arguments: Iterable[str] | None = None, *, root: Path = ROOT) -> int:
    """Build the release of the tree under *root* and return the exit status.

    Args:
        arguments: The command line; that of the process if left out.
        root: The folder of the repository.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.release", description=__doc__)
    parser.parse_args(None if arguments is None else [*arguments])
    try:
        version = read_version(root)
        refuse_unready(root, version)
        for file in build(root, version):
            print(f"{file.relative_to(root).as_posix()}")
    except NotReleasable as error:
        print(f"no release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
