"""How findings are written down: one small interface, one module per format."""

import os
from argparse import Namespace

from dra_config.cli.findings import Amount
from dra_config.cli.report.reporter import Reporter
from dra_config.cli.settings_file import read_rule_pages
from dra_config.cli.surroundings import Surroundings

__all__ = ["Reporter", "make_reporter"]


def make_reporter(options: Namespace, surroundings: Surroundings, amount: Amount) -> Reporter:
    """Return the reporter that the options ask for; only its own module is imported."""
    out = surroundings.stdout
    match options.output:
        case "json":
            from dra_config.cli.report.json import JsonReporter  # noqa: PLC0415

            return JsonReporter(out)
        case "sarif":
            from dra_config.cli.report.sarif import SarifReporter  # noqa: PLC0415

            folder = os.getcwd()  # noqa: PTH109 - a text is wanted
            return SarifReporter(out, folder, read_rule_pages(folder))
        case "junit":
            from dra_config.cli.report.junit import JUnitReporter  # noqa: PLC0415

            return JUnitReporter(out, strict=options.strict)
        case "github":
            from dra_config.cli.report.github import GitHubReporter  # noqa: PLC0415

            return GitHubReporter(out)
        case "gitlab":
            from dra_config.cli.report.gitlab import GitLabReporter  # noqa: PLC0415

            return GitLabReporter(out, os.getcwd())  # noqa: PTH109 - as above
        case _:
            from dra_config.cli.report.text import TextReporter  # noqa: PLC0415

            automatic = out.isatty() and not surroundings.settings.no_color
            colored = options.color == "always" or (options.color == "auto" and automatic)
            return TextReporter(out, amount, colored=colored)
