"""Which Debian packages an image is made of, for scanners and lawyers."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

from tools.images.inside.trees import copy

DATABASE: Final = Path("var/lib/dpkg")
"""Where Debian writes down its packages, relative to a root."""


def write_down_packages(root: Path, taken: Iterable[Path]) -> None:
    """Write below *root* which packages the files in *taken* come from, with their licences.

    One file a package in `status.d` is what scanners read in images that have no dpkg. A base that
    is not Debian's leaves nothing to write.
    """
    database = Path("/", DATABASE)
    if not (database / "status").is_file():
        return
    # Debian moved /lib into /usr, but packages may still list the old place.
    names = {name for file in taken for name in (str(file), str(file).removeprefix("/usr"))}
    for package, record in _records(database / "status"):
        if not names.isdisjoint(_files(database / "info", package)):
            status = root / DATABASE / "status.d" / package
            status.parent.mkdir(parents=True, exist_ok=True)
            status.write_text(record + "\n", encoding="utf-8")
            licence = Path("/usr/share/doc", package, "copyright")
            if licence.is_file():
                copy(licence, root, licence)


def _records(status: Path) -> Iterable[tuple[str, str]]:
    for record in status.read_text(encoding="utf-8").strip().split("\n\n"):
        yield record.partition("\n")[0].removeprefix("Package: "), record


def _files(info: Path, package: str) -> Iterable[str]:
    for listing in (*info.glob(f"{package}.list"), *info.glob(f"{package}:*.list")):
        yield from listing.read_text(encoding="utf-8").splitlines()
