"""The command ``explain``: what a kind, a field or a rule means."""

import json
from argparse import Namespace
from typing import Any

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.explaining import as_json, as_text
from dra_config.cli.explaining.subjects import find_field, find_kind, find_rule, names_rule
from dra_config.cli.surroundings import ExitCode, Surroundings


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Print the page that *options* ask for and return the exit code.

    Raises:
        WrongUsage: There is no such kind, field, version or rule, or none is named.
    """
    word: str | None = options.subject
    if word is None:
        raise WrongUsage("name a kind, a field such as GpuConfig.sharing, or a rule")
    page, tree = _rule(word) if names_rule(word) else _kind(word, options)
    text = f"{json.dumps(tree, indent=2)}\n" if options.output == "json" else page
    print(text, end="", file=surroundings.stdout)
    return ExitCode.FINE


def _rule(word: str) -> tuple[str, dict[str, Any]]:
    rule = find_rule(word)
    return as_text.rule_page(rule), as_json.rule_json(rule)


def _kind(word: str, options: Namespace) -> tuple[str, dict[str, Any]]:
    recursive: bool = options.recursive
    name, *names = word.split(".")
    kind = find_kind(name, options.api_version)
    if not names:
        return (
            as_text.kind_page(kind, recursive=recursive),
            as_json.kind_json(kind, recursive=recursive),
        )
    trail = find_field(kind, names)
    return (
        as_text.field_page(kind, trail, recursive=recursive),
        as_json.field_json(kind, trail, recursive=recursive),
    )
