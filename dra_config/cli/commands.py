"""The list of commands; the module behind one is imported when it is called, not before."""

import importlib
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from dra_config.cli.arguments import VALIDATE_EPILOG, Parser, add_validate_arguments
from dra_config.cli.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Command:
    """One word after ``dra-config``, and what it does."""

    name: str
    """The word."""
    summary: str
    """What it does, in a few words for the list of commands."""
    description: str
    """What it does, in a sentence or two for its own help."""
    epilog: str
    """An example and the exit codes."""
    add_arguments: Callable[[Parser], None]
    """Gives its parser the arguments."""
    module: str
    """The module whose function ``run`` does the work."""

    def parser(self) -> Parser:
        """Return the parser of its arguments."""
        parser = Parser(f"dra-config {self.name}", self.description, self.epilog)
        self.add_arguments(parser)
        return parser

    def run(self, options: Namespace, surroundings: Surroundings) -> int:
        """Do the work and return the exit code.

        Raises:
            WrongUsage: The options contradict each other, or a value is none.
        """
        run = importlib.import_module(self.module).run
        return cast("Callable[[Namespace, Surroundings], int]", run)(options, surroundings)


COMMANDS: Final = {
    command.name: command
    for command in (
        Command(
            name="validate",
            summary="judge manifests and opaque configs",
            description="Judge the opaque GPU configuration in manifests, and what stands around "
            "it.\nOther objects pass untouched.",
            epilog=VALIDATE_EPILOG,
            add_arguments=add_validate_arguments,
            module="dra_config.cli.validate",
        ),
    )
}
"""Every command by its name, in the order of the help."""
