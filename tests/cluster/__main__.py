"""The command behind `make cluster`: build the test cluster's programs, say where, clean up."""

import argparse
import signal
import sys
from collections.abc import Sequence
from types import FrameType

from tests.cluster.binaries import NAMES, InvalidSettings, Unavailable, clean, locate, provide
from tests.cluster.binaries.pins import DEFAULT_KUBERNETES, KUBERNETES
from tests.cluster.binaries.settings import read
from tests.cluster.machine import obstacles


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, 1 for a failure, 2 for bad arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.cluster", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build what is missing, and print the folder")
    path = commands.add_parser("path", help="print the folder of the programs")
    commands.add_parser("clean", help="remove what no pin names any more")
    for one in (build, path):
        one.add_argument(
            "--kube-version",
            default="",
            metavar="X.Y",
            help=f"{', '.join(KUBERNETES)} (default: $KUBE_VERSION, or {DEFAULT_KUBERNETES})",
        )
    build.add_argument(
        "--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES)
    )
    build.add_argument(
        "--where-possible",
        action="store_true",
        help="where this machine cannot run or build the cluster, say why and succeed",
    )
    given = parser.parse_args(arguments)
    lenient = given.command == "build" and given.where_possible
    found_obstacles = obstacles() if lenient else []
    if found_obstacles:
        sys.stderr.write("No test cluster here: " + " ".join(found_obstacles) + "\n")
        return 0
    try:
        if given.command == "clean":
            for old in clean():
                print(f"removed {old}")  # noqa: T201 - the answer of the command
            return 0
        chosen = read(kubernetes=given.kube_version)
        found = provide(chosen, only=given.only) if given.command == "build" else locate(chosen)
        print(found.directory)  # noqa: T201 - the answer of the command
    except InvalidSettings as error:
        parser.error(str(error))
    except Unavailable as error:
        sys.stderr.write(f"{error}\n")
        return 0 if lenient else 1
    return 0


def _stop(_number: int, _frame: FrameType | None) -> None:
    """Leave as on an interrupt, so that the compiler is ended too."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
