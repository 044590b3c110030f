"""The list of commands; the module behind one is imported when it is called, not before."""

import importlib
from argparse import Namespace
from collections.abc import Callable
from typing import Final, NamedTuple, cast

from dra_config.cli import (
    completion,
    reference_arguments,
    rewrite_arguments,
    selection_arguments,
)
from dra_config.cli.arguments import VALIDATE_EPILOG, Parser
from dra_config.cli.surroundings import Surroundings


class Command(NamedTuple):
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
            add_arguments=selection_arguments.add_arguments,
            module="dra_config.cli.validate",
        ),
        Command(
            name="convert",
            summary="bring manifests to the current versions",
            description="Rewrite older apiVersions of opaque configs and of resource.k8s.io to "
            "the\ncurrent ones. Comments, order, quotes and indentation stay as they are.",
            epilog=rewrite_arguments.CONVERT_EPILOG,
            add_arguments=rewrite_arguments.add_convert_arguments,
            module="dra_config.cli.convert",
        ),
        Command(
            name="fix",
            summary="repair what can be repaired without guessing",
            description="Repair what is wrong and can be put right without guessing, such as the "
            "case of\na key. Whatever is accepted already keeps its meaning.",
            epilog=rewrite_arguments.FIX_EPILOG,
            add_arguments=rewrite_arguments.add_fix_arguments,
            module="dra_config.cli.fix",
        ),
        Command(
            name="completion",
            summary="print the completion script of a shell",
            description="Print the script that teaches a shell the words of dra-config.",
            epilog=completion.EPILOG,
            add_arguments=completion.add_arguments,
            module="dra_config.cli.completion",
        ),
        Command(
            name="explain",
            summary="say what a kind, a field or a rule means",
            description="Say what a kind, a field or a rule means, and how it is written.",
            epilog=reference_arguments.EXPLAIN_EPILOG,
            add_arguments=reference_arguments.add_explain_arguments,
            module="dra_config.cli.explain",
        ),
        Command(
            name="rules",
            summary="list the rules",
            description="List every rule with its severity.",
            epilog=reference_arguments.RULES_EPILOG,
            add_arguments=reference_arguments.add_listing_arguments,
            module="dra_config.cli.rules_command",
        ),
        Command(
            name="gates",
            summary="list the feature gates",
            description="List every feature gate with its stage, its default and what it "
            "switches on.",
            epilog=reference_arguments.GATES_EPILOG,
            add_arguments=reference_arguments.add_listing_arguments,
            module="dra_config.cli.gates_command",
        ),
        Command(
            name="schema",
            summary="print a JSON Schema",
            description="Print the JSON Schema of a kind, of all parameters, or of manifests.",
            epilog=reference_arguments.SCHEMA_EPILOG,
            add_arguments=reference_arguments.add_schema_arguments,
            module="dra_config.cli.schema_command",
        ),
        Command(
            name="server",
            summary="help an editor while you type",
            description="Serve an editor through the language server protocol on standard input "
            "and\noutput: findings, explanations, completions.",
            epilog=reference_arguments.SERVER_EPILOG,
            add_arguments=reference_arguments.add_server_arguments,
            module="dra_config.cli.server",
        ),
    )
}
"""Every command by its name, in the order of the help."""
