"""``python -m benchmarks``: one table for each thing that is measured."""

import argparse
import importlib
import platform
import sys
from collections.abc import Sequence
from typing import Final

from benchmarks.comparison import render

PARTS: Final = ("library", "webhook", "manifests", "tree", "start", "admission", "plugin")


def main(arguments: Sequence[str]) -> int:
    """Measure what *arguments* name and print a table for each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure each part beside a peer, by turns, and print medians. Read the "
        "ratios: the other numbers say more about the machine.",
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)} (all)")
    parser.add_argument(
        "--seconds",
        type=float,
        default=7.0,
        metavar="N",
        help="spend about so long on each side of each row (7)",
    )
    parser.add_argument(
        "--ratios", action="store_true", help="leave out the numbers that depend on the machine"
    )
    options = parser.parse_args(arguments)
    unknown = set(options.parts) - set(PARTS)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    print(f"Python {platform.python_version()}, {platform.machine()}, {platform.system()}")
    for part in options.parts or PARTS:
        module = importlib.import_module(f"benchmarks.{part}")
        rows = module.measure(options.seconds)
        table = render(module.TITLE, module.note(), rows, only_ratios=options.ratios)
        print(f"\n{table}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
