"""``python -m tools.images.inside``: one step of the Dockerfile."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tools.images.inside.environment import add_sources, install
from tools.images.inside.system import gather

STEPS: Final[dict[str, tuple[Callable[..., None], tuple[str, ...]]]] = {
    "install": (install, ("root", "requirements", "wheels")),
    "gather": (gather, ("root", "dependencies")),
    "add-sources": (add_sources, ("root", "sources")),
}
"""What each step calls, and with which paths."""


def main(words: list[str]) -> None:
    """Carry out the step that *words* name."""
    parser = argparse.ArgumentParser(description=__doc__)
    steps = parser.add_subparsers(dest="step", required=True)
    for step, (_, paths) in STEPS.items():
        one = steps.add_parser(step)
        for name in paths:
            one.add_argument(name, type=Path)
    given = vars(parser.parse_args(words))
    carry_out, _ = STEPS[given.pop("step")]
    carry_out(**given)


if __name__ == "__main__":
    main(sys.argv[1:])
