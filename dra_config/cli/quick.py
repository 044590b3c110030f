"""What is answered before anything is imported: the version, and the scripts of the shells.

Only modules that the interpreter has loaded anyway may be imported here. Whatever is not answered
goes the long way, which imports a parser and knows what to do with a stream that fails.
"""

import os
import sys
from collections.abc import Sequence

from dra_config.version import __version__

SHELLS = ("bash", "zsh", "fish")
"""The shells for which there is a completion script, in the order of the help."""

_FOLDER = "completions"


def answer(words: Sequence[str]) -> str | None:
    """Return what to print for the *words* after the name of the program, or None.

    Raises:
        OSError: A script of ours cannot be read.
    """
    match [*words]:
        case ["--version"]:
            return f"dra-config {__version__}\n"
        case ["completion", shell] if shell in SHELLS:
            return script(shell)
        case _:
            return None


def script(shell: str) -> str:
    """Return the completion script for *shell*, one of `SHELLS`.

    Raises:
        OSError: It cannot be read.
    """
    path = os.path.join(os.path.dirname(__file__), _FOLDER, f"dra-config.{shell}")  # noqa: PTH118, PTH120 - pathlib alone takes longer to import than all the rest
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - as above
        return file.read()


def print_answer(words: Sequence[str]) -> bool:
    """Print what `answer` returns and say whether it has reached the reader."""
    try:
        text = answer(words)
        if text is None or sys.stdout is None:
            return False
        sys.stdout.write(text)
        sys.stdout.flush()
    except (OSError, UnicodeEncodeError):
        # The long way meets the same failure and knows its exit code.
        return False
    return True
