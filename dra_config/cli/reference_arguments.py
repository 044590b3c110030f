"""The arguments of the commands that explain and list."""

import argparse
from collections.abc import Callable
from typing import Any, Final

from dra_config.cli.arguments import Parser, one_of
from dra_config.cli.surroundings import ExitCode

_EXIT_CODES: Final = f"""\
exit codes:
  {ExitCode.FINE}  it was printed
  {ExitCode.UNUSABLE}  wrong usage, such as a name that is unknown
  {ExitCode.INTERNAL}  an internal error
"""


def add_explain_arguments(parser: Parser) -> None:
    """Give *parser* the arguments of ``explain``."""
    add: Callable[..., Any] = parser.add_argument
    subject = "a kind, a field (KIND.field.field) or a rule's id"
    add("subject", nargs="?", metavar="SUBJECT", help=subject)
    _add_api_version(parser)
    add("--recursive", action="store_true", help="name all fields below, at any depth")
    _add_output(parser, "text", "json")


def add_listing_arguments(parser: Parser) -> None:
    """Give *parser* the arguments of ``rules`` and of ``gates``."""
    _add_output(parser, "text", "json", "markdown")


def add_schema_arguments(parser: Parser) -> None:
    """Give *parser* the arguments of ``schema``."""
    add: Callable[..., Any] = parser.add_argument
    add("kind", nargs="?", metavar="KIND", help="a kind; all opaque parameters if left out")
    _add_api_version(parser)
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--list", action="store_true", help="list the schemas by their paths")
    editor = "the schema for editors: whole manifests"
    one.add_argument("--manifest", action="store_true", help=editor)
    _add_debug(parser)


def add_server_arguments(parser: Parser) -> None:
    """Give *parser* the arguments of ``server``."""
    gates = "gates of the cluster, as for validate; unknown if left out"
    add: Callable[..., Any] = parser.add_argument
    add("--feature-gates", metavar="GATES", help=gates)
    _add_debug(parser)


def _add_api_version(parser: Parser) -> None:
    text = "group and version of the kind; the newest if left out"
    add: Callable[..., Any] = parser.add_argument
    add("--api-version", metavar="VERSION", help=text)


def _add_output(parser: Parser, first: str, *others: str) -> None:
    add: Callable[..., Any] = parser.add_argument
    listed = f"{first} (default), {', '.join(others)}"
    formats = one_of(first, *others)
    add("--output", type=formats, metavar="FORMAT", default=first, help=listed)
    _add_debug(parser)


def _add_debug(parser: Parser) -> None:
    parser.add_argument("--debug", action="store_true", help=argparse.SUPPRESS)


EXPLAIN_EPILOG: Final = f"""\
example:
  dra-config explain GpuConfig.sharing.strategy
  dra-config explain DRA110

{_EXIT_CODES}"""
RULES_EPILOG: Final = f"""\
example:
  dra-config rules --output json

{_EXIT_CODES}"""
GATES_EPILOG: Final = f"""\
example:
  dra-config gates --output markdown

{_EXIT_CODES}"""
SCHEMA_EPILOG: Final = f"""\
example:
  dra-config schema GpuConfig
  dra-config schema --manifest > manifest.json

{_EXIT_CODES}"""
SERVER_EPILOG: Final = f"""\
example:
  dra-config server --feature-gates MPSSupport=true

exit codes:
  {ExitCode.FINE}  the editor has said goodbye
  {ExitCode.UNUSABLE}  wrong usage, or the extra is missing: pip install 'dra-config[server]'
  {ExitCode.INTERNAL}  an internal error
"""
