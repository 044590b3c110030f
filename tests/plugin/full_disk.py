"""A claim's life on a small file system that is really full, in mounts that end with the process.

Run as a program, in mounts of its own: ``python -m tests.plugin.full_disk FOLDER KIND``. It writes
what happened as JSON.
"""

import json
import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from plugin.cdi import CdiError, CdiStore
from plugin.checkpoint import DiskFullError, Locks, claim_key
from plugin.preparer import Deadline
from tests.plugin.cdi_examples import example_spec
from tests.plugin.checkpoint_examples import UID, checkpoint
from tests.plugin.claim_life import Machine, prepare, unprepare, wanted_settings

UIDS = tuple(f"6d0d1d6e-0004-4000-8000-{number:012}" for number in range(1, 90))


def mount(folder: Path, kind: str) -> Path:
    """Mount a small file system of a kind, and return where."""
    place = folder / "small"
    place.mkdir()
    if kind == "tmpfs":
        command = ["mount", "-t", "tmpfs", "-o", "size=128k,nr_inodes=64", "small", str(place)]
    else:
        image = folder / "image"
        image.write_bytes(b"\0" * 400_000)
        subprocess.run(["mkfs.ext4", "-q", "-O", "^has_journal", image], check=True)
        command = ["mount", "-o", "loop", str(image), str(place)]
    subprocess.run(command, check=True)
    return place


def fill(place: Path) -> None:
    """Leave not one byte, and no room for the name of another file."""
    with suppress(OSError), (place / "filling").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    with suppress(OSError), (place / "filling").open("ab", buffering=0) as file:
        while True:
            file.write(b"x")
    with suppress(OSError):
        for number in range(100_000):
            (place / f"filling-{number}").touch()


def main() -> None:
    """Prepare claims until the disk is full, and take all of them back."""
    place = mount(Path(sys.argv[1]), sys.argv[2])
    opened, machine = checkpoint(place), Machine(Path(sys.argv[1]))
    store = CdiStore(place / "cdi")
    locks = Locks(place / "locks")
    with locks.hold([claim_key(UID)], Deadline(1)):
        pass
    prepare(opened, machine, UID)
    store.write(UID, example_spec(UID))
    fill(place)
    errors: list[str] = []
    for uid in UIDS:
        try:
            prepare(opened, machine, uid)
        except DiskFullError as error:
            errors.append(str(error))
    try:
        store.write(UIDS[0], example_spec(UIDS[0]))
    except CdiError as error:
        errors.append(str(error))
    full = {
        "errors": errors,
        "records": [record.claim.uid for record in opened.all().records],
        "leftovers": opened.all().leftovers,
        "settings": dict(machine.settings),
        "wanted": wanted_settings(opened),
        "cdi": sorted(os.listdir(place / "cdi")),  # noqa: PTH208 - names are all it takes
    }
    with locks.hold([claim_key(UID)], Deadline(1)):
        unprepare(opened, machine, UID)
        store.remove(UID)
    empty = {
        "settings": dict(machine.settings),
        "files": sorted(path.name for path in place.rglob("*.record")),
        "cdi": sorted(os.listdir(place / "cdi")),  # noqa: PTH208 - as above
    }
    prepare(opened, machine, UIDS[0])
    print(json.dumps({"full": full, "empty": empty}))  # noqa: T201 - the test reads it


if __name__ == "__main__":
    main()
