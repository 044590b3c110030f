"""The command ``rules``: every rule of the catalogue."""

import json
from argparse import Namespace

from dra_config.catalogue import RULES
from dra_config.cli.explaining.as_json import rule_json
from dra_config.cli.reference import rules
from dra_config.cli.surroundings import ExitCode, Surroundings


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Print the list in the form that *options* ask for and return the exit code."""
    match options.output:
        case "json":
            listed = [rule_json(rule) for rule in RULES.values()]
            text = f"{json.dumps({'rules': listed}, indent=2)}\n"
        case "markdown":
            text = rules.render()
        case _:
            width = max(len(rule.severity) for rule in RULES.values())
            text = "".join(
                f"{rule.id}  {rule.severity:{width}}  {rule.name}\n" for rule in RULES.values()
            )
    print(text, end="", file=surroundings.stdout)
    return ExitCode.FINE
