"""``python -m tools.images``: build the images of the services, or the wheels that they need."""

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tools.images import archive, wheelhouse
from tools.images.build import architecture, obstacles, provide, to_stderr
from tools.images.errors import BuildFailed
from tools.images.targets import ROOT, TARGETS, WHEELHOUSE, default_python

_MEGABYTE: Final = 1_000_000


def main(words: Sequence[str]) -> int:
    """Carry out the command and return the exit status: 1 says that there is no image."""
    arguments = _parser().parse_args(words)
    try:
        if arguments.command == "build":
            _build(arguments.target, arguments.output, path_only=arguments.print_path)
        else:
            _fetch(arguments)
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


def _fetch(arguments: argparse.Namespace) -> None:
    output: Path = arguments.output
    part = output.with_name(f".{output.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        wheelhouse.fetch(
            wheelhouse.requirements(ROOT, TARGETS[arguments.target].requirements),
            part,
            python=arguments.python or default_python(ROOT),
            architectures=arguments.architecture or [architecture() or "amd64"],
        )
        shutil.rmtree(output, ignore_errors=True)
        part.rename(output)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    to_stderr(f"{sum(1 for _ in output.iterdir())} wheels in {output}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tools.images", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser(
        "build",
        help="build an image without Docker and without a registry, as root on Debian or Ubuntu",
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
    wheels.add_argument(
        "--architecture",
        action="append",
        choices=sorted(wheelhouse.ARCHITECTURES),
        help="of the image, this machine's if left out; may be given more than once",
    )
    wheels.add_argument(
        "--output", metavar="FOLDER", type=Path, default=ROOT / WHEELHOUSE, help="made anew"
    )
    for command in (build, wheels):
        command.add_argument("--target", choices=sorted(TARGETS), default="webhook")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
