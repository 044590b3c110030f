"""The arguments of ``validate`` that choose what is judged and shown, beside those of judging."""

import argparse

from dra_config.cli.arguments import Parser, add_validate_arguments


def add_arguments(parser: Parser) -> None:
    """Give *parser* every argument of ``validate``."""
    add_validate_arguments(parser)
    # The options are listed once, below; twice would not fit a screen.
    parser.usage = f"{parser.prog} [OPTION ...] PATH ..."
    add = parser.add_argument
    rules = "RULES"
    add(
        "--select",
        action="append",
        metavar=rules,
        help="judge by these only, as DRA101,DRA110",
    )
    add("--ignore", action="append", metavar=rules, help="leave these rules out")
    add("--baseline", metavar="FILE", help="show only what FILE does not hold")
    add("--write-baseline", metavar="FILE", help="write what is found to FILE")
    add("--diff-from", metavar="GIT_REF", help="judge only lines changed since GIT_REF")
    add("--jobs", type=_jobs, metavar="N", default=1, help="processes; 0 for one a core")
    add("--show-settings", action="store_true", help="print what holds for each file, and why")


def _jobs(text: str) -> int:
    """Return the number of processes.

    Raises:
        ArgumentTypeError: It is no number from 0 on.
    """
    if not (text.isascii() and text.isdigit()):
        message = f"{text!r} is no number of processes; write 1, 2 and so on, or 0"
        raise argparse.ArgumentTypeError(message)
    return int(text)
