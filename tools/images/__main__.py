"""``python -m tools.images``: build the images of the services, or the parts that they need."""

import argparse
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tools import debian
from tools.images import archive, cdi_hook, wheelhouse
from tools.images.build import architecture, default_cache, locked, obstacles, provide, to_stderr
from tools.images.errors import BuildFailed
from tools.images.targets import ROOT, TARGETS, WHEELHOUSE, default_python

_MEGABYTE: Final = 1_000_000


def main(words: Sequence[str]) -> int:
    """Carry out the command and return the exit status: 1 says that there is no image."""
    parser = _parser()
    arguments = parser.parse_args(words)
    try:
        if arguments.command == "build":
            targets: list[str] = arguments.target or sorted(TARGETS)
            if arguments.output is not None and len(targets) > 1:
                parser.error(f"--output needs one --target of {', '.join(sorted(TARGETS))}")
            for target in targets:
                _build(target, arguments.output, path_only=arguments.print_path)
        elif arguments.command == "wheelhouse":
            _into_place(arguments.output, lambda part: _fetch(arguments, part))
            to_stderr(f"{sum(1 for _ in arguments.output.iterdir())} wheels in {arguments.output}")
        else:
            _into_place(arguments.output, lambda part: _compile(arguments, part))
            to_stderr(f"{cdi_hook.PROGRAM.name} in {arguments.output}")
    except BuildFailed as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    return 0


def _build(target: str, output: Path | None, *, path_only: bool) -> None:
    image = provide(target)
    place = image.archive
    if output is not None:
        # Nobody shall find half an archive under the name that was asked for.
        part = output.with_name(f".{output.name}.part")
        shutil.copyfile(place, part)
        place = part.replace(output)
    if path_only:
        print(place)
        return
    contents = archive.read(image.archive)
    print(f"{image.name} in {place}")
    print(f"unpacked    {contents.size / _MEGABYTE:6.1f} MB")
    print(f"compressed  {archive.compressed_size(image.archive) / _MEGABYTE:6.1f} MB")


def _into_place(output: Path, make: Callable[[Path], None]) -> None:
    """Put the folder that *make* makes where *output* is, once it is whole."""
    part = output.with_name(f".{output.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        make(part)
        shutil.rmtree(output, ignore_errors=True)
        part.rename(output)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _fetch(arguments: argparse.Namespace, into: Path) -> None:
    for target in arguments.target or sorted(TARGETS):
        wheelhouse.fetch(
            wheelhouse.requirements(ROOT, TARGETS[target].requirements),
            into,
            python=arguments.python or default_python(ROOT),
            architectures=arguments.architecture or [architecture() or "amd64"],
        )


def _compile(arguments: argparse.Namespace, into: Path) -> None:
    if not sys.platform.startswith("linux"):
        raise BuildFailed(f"{cdi_hook.PROGRAM.name} is compiled on Linux")
    own = architecture() or ""
    chosen = arguments.architecture or [own]
    for one in chosen:
        wanted = cdi_hook.compilers(one, own)
        try:
            debian.ensure(wanted, purpose="Images", report=to_stderr)
        except debian.MissingPackages as error:
            raise BuildFailed(f"{error}") from error
    cache = default_cache()
    with locked(cache, to_stderr):
        for one in chosen:
            cdi_hook.make(
                ROOT,
                into / one,
                architecture=one,
                own_architecture=own,
                toolchains=cache,
                log=cache / "hook.log",
                report=to_stderr,
            )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser(
        "build",
        help="build images without Docker and without a registry, as root on Debian or Ubuntu",
        epilog=" ".join(obstacles()),
    )
    build.add_argument("--output", metavar="FILE", type=Path, help="copy the archive to FILE")
    build.add_argument("--print-path", action="store_true", help="print its path and no more")
    wheels = commands.add_parser(
        "wheelhouse", help="fetch the wheels that `docker build` installs from"
    )
    wheels.add_argument(
        "--python", metavar="VERSION", help="of the base image (the Dockerfile's default's)"
    )
    wheels.set_defaults(output=ROOT / WHEELHOUSE)
    hook = commands.add_parser(
        "hook", help="compile the nvidia-cdi-hook that `docker build --target plugin` takes"
    )
    hook.set_defaults(output=ROOT / cdi_hook.FOLDER)
    for command in (wheels, hook):
        command.add_argument(
            "--architecture",
            action="append",
            choices=sorted(wheelhouse.ARCHITECTURES),
            help="of the image, this machine's if left out; may be given more than once",
        )
        command.add_argument("--output", metavar="FOLDER", type=Path, help="made anew")
    for command in (build, wheels):
        command.add_argument(
            "--target",
            action="append",
            choices=sorted(TARGETS),
            help="of the Dockerfile, every one if left out; may be given more than once",
        )
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
