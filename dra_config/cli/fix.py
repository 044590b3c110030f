"""The command ``fix``: what is wrong and can be put right without guessing."""

from argparse import Namespace
from collections.abc import Collection, Sequence

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.judge import Criteria, violations_in
from dra_config.cli.objects import FoundObject, unfold
from dra_config.cli.rewrite import RewritingRun, Wording
from dra_config.cli.rewriting.documents import Plan
from dra_config.cli.rewriting.repairs import REPAIRED_RULES, repairs_of
from dra_config.cli.surroundings import Surroundings
from dra_config.manifests import Node
from dra_config.violations import Violation

_WORDING = Wording(infinitive="repair", participle="repaired")


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Repair the files that *options* name and return the exit code.

    Raises:
        WrongUsage: No path is given, a rule has no repair, or the options contradict each other.
    """
    rules = _read_rules(options.select)
    return RewritingRun(
        options, surroundings, lambda root: plan_repairs(root, rules), _WORDING
    ).over_all()


def plan_repairs(root: Node, rules: Collection[str] = REPAIRED_RULES) -> Plan:
    """Return the changes that repair what breaks one of *rules* in the document *root*."""
    changes = [
        change.under(found.path)
        for found in unfold(root)
        if found.is_judged or found.is_bare_config
        for change in repairs_of(found, _judge, rules).changes
    ]
    return Plan(tuple(changes))


def _judge(found: FoundObject) -> Sequence[Violation]:
    return violations_in(found, Criteria())


def _read_rules(selected: Collection[str]) -> Collection[str]:
    """Return the rules to repair.

    Raises:
        WrongUsage: One of them has no repair.
    """
    names = {name.strip().upper() for words in selected for name in words.split(",")} - {""}
    for name in sorted(names - REPAIRED_RULES):
        known = ", ".join(sorted(REPAIRED_RULES))
        raise WrongUsage(f"{name} has no repair; there is one for {known}")
    return names or REPAIRED_RULES
