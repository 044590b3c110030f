"""Finds the files of the driver that containers need, below the driver's root.

No cache of the dynamic linker is read: that of a driver container would be the wrong one. Links
are followed inside the root, as if it were `/`.
"""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from plugin.cdi import driver_tables as tables
from plugin.cdi.errors import NotReadyError
from plugin.cdi.spec import Mount
from plugin.hardware import driver_root
from plugin.hardware.errors import LibraryMissingError
from plugin.hardware.host_trees import HostTrees

_READ_ONLY: Final = ("ro", "nosuid", "nodev", "rbind", "rprivate")
_LEADING_LIBRARIES: Final = ("libcuda.so", "libnvidia-ml.so")
"""The library whose folder is the driver's: the second where the first is not installed."""
_ALLOCATOR: Final = "libnvidia-allocator.so"
"""Graphics libraries look for it as a backend of GBM, below another name."""
_ELF: Final = b"\x7fELF"
_ELF_OF_32_BITS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverFiles:
    """What a container gets of a driver of one version."""

    version: str
    mounts: tuple[Mount, ...]
    """In order of paths in the container."""
    links: tuple[tuple[str, str], ...]
    """Target and place of each link that the container needs, in order of places."""
    library_folder: PurePosixPath
    """In the container."""
    library_folders: tuple[PurePosixPath, ...]
    """All that hold libraries, in the container."""


class DriverFilesFinder:
    """Finds the files and remembers them as long as the driver is the same.

    Safe to use from several threads. A failure is not remembered.
    """

    def __init__(self, trees: HostTrees, *, host_root: PurePosixPath) -> None:
        """Look below the driver root of *trees*, which the host knows as *host_root*."""
        self._trees = trees
        self._host_root = host_root
        self._lock = threading.Lock()
        self._known: tuple[object, DriverFiles] | None = None

    def find(self, version: str) -> DriverFiles:
        """Return the files of the driver that is loaded.

        Args:
            version: Of the loaded driver, as it writes it itself.

        Raises:
            NotReadyError: The root holds no libraries of this version; look again later.
        """
        try:
            with self._lock:
                folder = self._library_folder(version)
                # A package that is installed piece by piece changes the folder.
                sight = (version, folder, (self._trees.driver_root / folder).stat().st_mtime_ns)
                if self._known is None or self._known[0] != sight:
                    self._known = (sight, self._search(folder, version))
                return self._known[1]
        except OSError as error:
            message = f"The files of driver {version} cannot be read: {error}"
            raise NotReadyError(message) from error

    def _library_folder(self, version: str) -> str:
        root = self._trees.driver_root
        for name in _LEADING_LIBRARIES:
            for folder in tables.LIBRARY_FOLDERS:
                if _file(root, f"{folder}/{name}.{version}") is not None:
                    return folder
        message = (
            f"There is no '{_LEADING_LIBRARIES[0]}.{version}' below '{root}': is driver "
            f"{version}, which is loaded, installed there?"
        )
        raise NotReadyError(message)

    def _search(self, folder: str, version: str) -> DriverFiles:
        found: dict[PurePosixPath, Path] = {}
        libraries = list(self._libraries(folder, version))
        for place in (*libraries, *self._programs(), *self._firmware(version)):
            self._add(found, place, PurePosixPath("/", place))
        for container, names in (
            ("/usr/share", tables.SHARED_FILES),
            ("/etc", tables.CONFIGURATION_FILES),
        ):
            for name in names:
                for share in tables.SHARE_FOLDERS:
                    self._add(found, f"{share}/{name}", PurePosixPath(container, name))
        folders = {PurePosixPath("/", place).parent for place in libraries}
        return DriverFiles(
            version=version,
            mounts=tuple(
                Mount(host_path=self._on_host(file), container_path=place, options=_READ_ONLY)
                for place, file in sorted(found.items())
            ),
            links=tuple(sorted(self._links(folders, found), key=lambda link: link[1])),
            library_folder=PurePosixPath("/", folder),
            library_folders=tuple(sorted(folders)),
        )

    def _add(self, found: dict[PurePosixPath, Path], name: str, place: PurePosixPath) -> None:
        file = _file(self._trees.driver_root, name)
        if file is not None:
            found.setdefault(place, file)

    def _on_host(self, file: Path) -> PurePosixPath:
        return self._host_root / file.relative_to(self._trees.driver_root)

    def _libraries(self, folder: str, version: str) -> Iterator[str]:
        patterns = (f"*.so.{version}", f"vdpau/*.so.{version}", *tables.PLATFORM_LIBRARIES)
        for pattern in patterns:
            yield from self._matches(folder, pattern)
        for modules in tables.XORG_FOLDERS:
            for pattern in ("nvidia_drv.so", f"libglxserver_nvidia.so.{version}"):
                yield from self._matches(modules, f"**/{pattern}")

    def _programs(self) -> Iterator[str]:
        for name in tables.PROGRAMS:
            for folder in driver_root.PROGRAM_FOLDERS:
                if _file(self._trees.driver_root, f"{folder}/{name}") is not None:
                    yield f"{folder}/{name}".removeprefix("/")
                    break

    def _firmware(self, version: str) -> Iterator[str]:
        release = _text(self._trees.proc / "sys/kernel/osrelease")
        custom = _text(self._trees.sys / "module/firmware_class/parameters/path").strip("/")
        for folder in (
            *([custom] if custom else []),
            *([f"lib/firmware/updates/{release}"] if release else []),
            "lib/firmware/updates",
            *([f"lib/firmware/{release}"] if release else []),
            "lib/firmware",
        ):
            yield from self._matches(f"{folder}/nvidia/{version}", "gsp*.bin")

    def _matches(self, folder: str, pattern: str) -> list[str]:
        root = self._trees.driver_root
        # A folder that is a link is searched as well, and its files are named as they are there.
        names = sorted(str(path.relative_to(root)) for path in (root / folder).glob(pattern))
        return [
            name
            for name in names
            if (file := _file(root, name)) is not None and not _is_of_32_bits(file)
        ]

    def _links(
        self, folders: set[PurePosixPath], found: dict[PurePosixPath, Path]
    ) -> Iterator[tuple[str, str]]:
        """Yield the links beside the libraries that lead to one of them, as the host has them."""
        root = self._trees.driver_root
        places = {file: place for place, file in found.items()}
        for folder in sorted(folders):
            here = root / folder.relative_to("/")
            for path in sorted(here.iterdir()):
                file = _file(root, str(path.relative_to(root))) if path.is_symlink() else None
                if file in places and folder / path.name not in found:
                    target = path.readlink()
                    # A link by way of /etc/alternatives would lead nowhere in the container.
                    short = len(target.parts) == 1
                    yield str(target if short else places[file]), str(folder / path.name)
            if any(place.name.startswith(_ALLOCATOR) for place in found if place.parent == folder):
                yield f"../{_ALLOCATOR}.1", f"{folder}/gbm/nvidia-drm_gbm.so"


def _file(root: Path, name: str) -> Path | None:
    """Return the regular file of a name below the root, with its links followed."""
    name = name.removeprefix("/")
    # What is not there would be looked for in all folders of libraries.
    if not os.path.lexists(root / name):
        return None
    try:
        return driver_root.library(root, name)
    except LibraryMissingError:
        return None


def _is_of_32_bits(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            start = opened.read(len(_ELF) + 1)
    except OSError:
        return False
    return start[: len(_ELF)] == _ELF and start[len(_ELF) :] == bytes([_ELF_OF_32_BITS])


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
