"""How findings are written down: one small interface, one module per format."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Protocol

from dra_config.cli.findings import Amount, Finding, Summary
from dra_config.cli.report.json import JsonReporter
from dra_config.cli.report.text import TextReporter
from dra_config.cli.surroundings import Surroundings

__all__ = ["Reporter", "make_reporter"]


class Reporter(Protocol):
    """Writes findings in one format."""

    def show(self, findings: Sequence[Finding]) -> None:
        """Take the findings of one file that are to be shown, in the order of their places."""

    def conclude(self, summary: Summary) -> None:
        """Take the sum of the run; nothing comes after it."""


def make_reporter(options: Namespace, surroundings: Surroundings, amount: Amount) -> Reporter:
    """Return the reporter that the options ask for."""
    if options.output == "json":
        return JsonReporter(surroundings.stdout)
    automatic = surroundings.stdout.isatty() and not surroundings.settings.no_color
    colored = options.color == "always" or (options.color == "auto" and automatic)
    return TextReporter(surroundings.stdout, amount, colored=colored)
