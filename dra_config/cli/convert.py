"""The command ``convert``: manifests of older versions become manifests of the current ones."""

from argparse import Namespace

from dra_config.cli.rewrite import RewritingRun, Wording
from dra_config.cli.rewriting.conversion import plan_conversion
from dra_config.cli.surroundings import Surroundings

_WORDING = Wording(infinitive="convert", participle="converted")


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Convert the files that *options* name and return the exit code.

    Raises:
        WrongUsage: No path is given, or the options contradict each other.
    """
    return RewritingRun(options, surroundings, plan_conversion, _WORDING).over_all()
