"""The words that ``convert`` and ``fix`` take."""

from collections.abc import Callable
from typing import Any

from dra_config.cli.arguments import Parser
from dra_config.cli.surroundings import ExitCode


def add_convert_arguments(parser: Parser) -> None:
    """Give *parser* the arguments of ``convert``."""
    add: Callable[..., Any] = parser.add_argument
    add("paths", nargs="*", metavar="FILE", help="file, folder, glob pattern, or - for stdin")
    add("--diff", action="store_true", help="print what would change (the default)")
    written = "change the files; what came from stdin goes to stdout"
    add("--write", action="store_true", help=written)
    add("--check", action="store_true", help="change nothing, and fail if anything would change")
    add("--debug", action="store_true", help="show the traceback of an internal error")


def add_fix_arguments(parser: Parser) -> None:
    """Give *parser* the arguments of ``fix``."""
    add_convert_arguments(parser)
    add: Callable[..., Any] = parser.add_argument
    selected = "repair this rule only, such as DRA012; may be given several times"
    add("--select", action="append", metavar="RULE", default=[], help=selected)


CONVERT_EPILOG = f"""\
example:
  dra-config convert manifests/            # show the difference
  dra-config convert --write manifests/    # make it
  kubectl get resourceclaims -o yaml | dra-config convert --write -

exit codes:
  {ExitCode.FINE}  everything is current, or could be converted
  {ExitCode.REJECTED}  something could not be converted, or --check found something to convert
  {ExitCode.UNUSABLE}  a file that could not be read or written, or wrong usage
  {ExitCode.INTERNAL}  an internal error
"""
"""What stands below the options in ``convert --help``."""

FIX_EPILOG = f"""\
example:
  dra-config fix manifests/            # show the difference
  dra-config fix --write manifests/    # make it
  dra-config fix --select DRA012 --check manifests/

exit codes:
  {ExitCode.FINE}  what can be repaired is repaired or shown, or there was nothing
  {ExitCode.REJECTED}  a document could not be repaired, or --check found something to repair
  {ExitCode.UNUSABLE}  a file that could not be read or written, or wrong usage
  {ExitCode.INTERNAL}  an internal error
"""
"""What stands below the options in ``fix --help``."""
