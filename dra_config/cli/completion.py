"""The command ``completion``: the script that teaches a shell the words of dra-config."""

from argparse import Namespace
from typing import Final

from dra_config.cli.arguments import Parser, one_of
from dra_config.cli.quick import SHELLS, script
from dra_config.cli.surroundings import ExitCode, Surroundings


def add_arguments(parser: Parser) -> None:
    """Give *parser* the arguments of ``completion``."""
    shells = f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}"
    parser.add_argument("shell", metavar="SHELL", type=one_of(*SHELLS), help=shells)


EPILOG: Final = f"""\
example:
  bash: source <(dra-config completion bash), in ~/.bashrc
  zsh:  dra-config completion zsh > _dra-config, in a folder of $fpath
  fish: dra-config completion fish > ~/.config/fish/completions/dra-config.fish

exit codes:
  {ExitCode.FINE}  the script is printed
  {ExitCode.UNUSABLE}  wrong usage, or it could not be written
  {ExitCode.INTERNAL}  an internal error
"""
"""What stands below the options in ``completion --help``."""


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Print the script for the shell that *options* name and return the exit code."""
    print(script(options.shell), end="", file=surroundings.stdout)
    return ExitCode.FINE
