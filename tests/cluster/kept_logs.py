"""Keeps the logs of a rig where a person finds them after the rig is gone."""

import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

MOST_KEPT = 30
"""Folders of logs; the oldest go first."""


def sizes(logs: Path) -> dict[Path, int]:
    """Return how long each log is now, in bytes."""
    return {path: path.stat().st_size for path in logs.glob("**/*.log")}


def keep(logs: Path, folder: Path, label: str, *, since: Mapping[Path, int]) -> Path:
    """Copy the logs in *logs* to a new folder and return it.

    Args:
        logs: The folder of a rig's logs.
        folder: Where such folders are kept, thirty at most.
        label: What failed; the new folder is named after it.
        since: Where to begin in each log, in bytes; at its start where it is not named.
    """
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9_.]+", "-", label)[-80:].strip("-")
    kept = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=folder))
    for path, length in sizes(logs).items():
        copy = kept / path.relative_to(logs)
        copy.parent.mkdir(parents=True, exist_ok=True)
        with path.open("rb") as source, copy.open("wb") as target:
            beginning = since.get(path, 0)
            # A log that was rotated is shorter than it was.
            source.seek(beginning if beginning <= length else 0)
            shutil.copyfileobj(source, target)
    by_age = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime)
    for old in by_age[:-MOST_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    return kept
