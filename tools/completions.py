"""The completion scripts of the shells, made by shtab from the list of commands."""

import argparse
from collections.abc import Callable
from typing import Final

import shtab

from dra_config.cli.arguments import OneOf, Parser
from dra_config.cli.commands import COMMANDS
from dra_config.cli.quick import SHELLS

FOLDER: Final = "dra_config/cli/completions"
PATH_WORDS: Final = frozenset({"FILE", "PATH"})
"""What an argument that takes a path is called in the help."""


def renderers() -> dict[str, Callable[[], str]]:
    """Return what makes the script of each shell, by the path of its file."""
    return {f"{FOLDER}/dra-config.{shell}": _renderer(shell) for shell in SHELLS}


def _renderer(shell: str) -> Callable[[], str]:
    return lambda: render(shell)


def render(shell: str) -> str:
    """Return the script for *shell*, one of `SHELLS`."""
    text: str = shtab.complete(_parser(), shell)
    lines = (line.rstrip() for line in text.strip().splitlines())
    return "\n".join(lines) + "\n"


def _parser() -> argparse.ArgumentParser:
    """Return one parser of the whole program, with a parser for each command below it."""
    whole = argparse.ArgumentParser("dra-config")
    whole.add_argument("--version", action="version", help="show the version and exit")
    below = whole.add_subparsers(parser_class=_CommandParser)
    for command in COMMANDS.values():
        made = below.add_parser(command.name, help=command.summary)
        command.add_arguments(made)
        for action in made._actions:  # noqa: SLF001 - argparse has no other list of them
            _teach(action)
    return whole


class _CommandParser(Parser):
    """Our parser, made with the words that argparse makes the parser of a command with."""

    def __init__(self, *, prog: str, **_rest: object) -> None:
        super().__init__(prog, "")


def _teach(action: argparse.Action) -> None:
    """Tell shtab which words *action* takes."""
    if isinstance(action.type, OneOf):
        action.choices = [*action.type.words]
    names = {action.metavar} if isinstance(action.metavar, str) else {*(action.metavar or ())}
    if names & PATH_WORDS:
        action.complete = shtab.FILE  # type: ignore[attr-defined]
