"""What an image in a file says and holds, read without any container program."""

import gzip
import json
import stat
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Contents:
    """An image."""

    name: str
    """With registry and tag."""
    identity: str
    """A hash of the config and of all layers: two images of the same bytes have the same."""
    config: Mapping[str, Any]
    """How it is run: `User`, `Entrypoint`, `Env`, `Labels`."""
    layers: tuple[int, ...]
    """The bytes of each layer, from the lowest."""
    files: Mapping[str, tarfile.TarInfo]
    """Each file by its path, without a leading slash."""

    @property
    def size(self) -> int:
        """How many bytes the layers take when they are unpacked."""
        return sum(self.layers)


def read(archive: Path) -> Contents:
    """Return what the docker-archive *archive* holds."""
    with tarfile.open(archive) as outer:
        manifest = json.load(_open(outer, "manifest.json"))[0]
        config = json.load(_open(outer, manifest["Config"]))["config"]
        files: dict[str, tarfile.TarInfo] = {}
        layers: list[int] = []
        for name in manifest["Layers"]:
            content = _open(outer, name).read()
            layers.append(len(content))
            with tarfile.open(fileobj=_open(outer, name)) as layer:
                files |= {member.name.strip("/"): member for member in layer if member.name}
    return Contents(
        name=manifest["RepoTags"][0],
        identity=manifest["Config"].removesuffix(".json"),
        config=config,
        layers=tuple(layers),
        files=files,
    )


def compressed_size(archive: Path) -> int:
    """Return how many bytes the layers of *archive* take in a registry."""
    with tarfile.open(archive) as outer:
        layers = json.load(_open(outer, "manifest.json"))[0]["Layers"]
        return sum(len(gzip.compress(_open(outer, layer).read(), 6)) for layer in layers)


def unpack(archive: Path, into: Path) -> None:
    """Write the root file system of *archive* to *into*, as root with owners and modes."""
    with tarfile.open(archive) as outer:
        for name in json.load(_open(outer, "manifest.json"))[0]["Layers"]:
            with tarfile.open(fileobj=_open(outer, name)) as layer:
                layer.extractall(into, filter="fully_trusted")  # noqa: S202 - our own build


def programs(contents: Contents) -> list[str]:
    """Return the paths of the files that may be executed, less shared libraries, in order."""
    return sorted(
        path
        for path, member in contents.files.items()
        if member.isfile() and member.mode & stat.S_IXUSR and ".so" not in path
    )


def _open(outer: tarfile.TarFile, name: str) -> Any:
    found = outer.extractfile(name)
    if found is None:
        raise ValueError(f"{name} is no file in the archive")
    return found
