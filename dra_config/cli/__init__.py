"""The command dra-config: what stands on the command line becomes findings and an exit code."""

import sys
from collections.abc import Sequence

from dra_config.cli.quick import print_answer

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``dra-config`` and return its exit code; no exception comes out.

    Args:
        argv: The words after the name of the program; those of the process if left out.
    """
    words = sys.argv[1:] if argv is None else argv
    if print_answer(words):
        return 0
    from dra_config.cli.entry import main as run  # noqa: PLC0415 - the quick way needs none of it

    return run(words)
