"""Container images without a registry: one static program each, as docker-archive files."""

import hashlib
import io
import json
import platform
import subprocess
import tarfile
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.cluster.node_files import PAUSE_IMAGE
from tests.cluster.waiting import RigError

ENV_IMAGE = "rig.local/env:1"
"""Prints its environment and waits: its log shows what CDI put into a container."""

CONNECT_IMAGE = "rig.local/connect:1"
"""Connects to an address and a port, its two arguments, and ends with 0 when that works."""

SOURCES = Path(__file__).with_name("sources")
PROGRAMS = {PAUSE_IMAGE: "pause.c", ENV_IMAGE: "env.c", CONNECT_IMAGE: "connect.c"}
PROCESSORS = {"x86_64": "amd64", "aarch64": "arm64"}


def write_archive(
    path: Path, name: str, files: Mapping[str, bytes], entrypoint: list[str]
) -> None:
    """Write an image of one layer, byte for byte the same for the same files.

    Args:
        path: The docker-archive to write.
        name: The image's name with its tag.
        files: The content of each file by its absolute path; all may be run.
        entrypoint: What a container of the image runs.
    """
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as tar:
        for file, content in files.items():
            add(tar, file.lstrip("/"), content, mode=0o755)
    config = json.dumps(
        {
            "architecture": PROCESSORS.get(platform.machine(), platform.machine()),
            "os": "linux",
            "config": {"Entrypoint": entrypoint},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest(layer.getvalue())}"]},
            "history": [],
        }
    ).encode()
    config_name = f"{digest(config)}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": ["layer.tar"]}]
    with tarfile.open(path, "w") as out:
        add(out, config_name, config, mode=0o644)
        add(out, "layer.tar", layer.getvalue(), mode=0o644)
        add(out, "manifest.json", json.dumps(manifest).encode(), mode=0o644)


def digest(content: bytes) -> str:
    """Return the SHA-256 of *content* in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def add(tar: tarfile.TarFile, name: str, content: bytes, *, mode: int) -> None:
    """Add a file of root without a date."""
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), mode
    tar.addfile(member, io.BytesIO(content))


def compiled(source: Path, target: Path) -> bytes:
    """Return *source* as a static program, compiled at *target*.

    Raises:
        RigError: The compiler refuses.
    """
    run = subprocess.run(
        ["gcc", "-Os", "-static", "-Wall", "-Werror", "-o", str(target), str(source)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    if run.returncode != 0:
        raise RigError(f"gcc cannot compile {source.name}: {run.stderr}")
    return target.read_bytes()


def archives(cache: Path) -> list[Path]:
    """Return the archives of the images that every node has, made where they are not yet.

    Args:
        cache: The folder for what outlives a test run.

    Raises:
        RigError: The compiler refuses.
    """
    folder = cache / "images"
    folder.mkdir(parents=True, exist_ok=True)
    found: list[Path] = []
    for name, file_name in PROGRAMS.items():
        source = SOURCES / file_name
        key = digest(name.encode() + source.read_bytes() + platform.machine().encode())[:16]
        archive = folder / f"{source.stem}-{key}.tar"
        if not archive.exists():
            with tempfile.TemporaryDirectory(dir=folder) as scratch:
                program = compiled(source, Path(scratch, source.stem))
                entry = f"/{source.stem}"
                write_archive(Path(scratch, "archive"), name, {entry: program}, [entry])
                Path(scratch, "archive").replace(archive)
        found.append(archive)
    return found
