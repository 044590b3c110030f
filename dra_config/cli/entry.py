"""The outermost edge: the process, its streams and its exit code."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from io import StringIO, TextIOWrapper
from typing import Final, TextIO

from dra_config.cli.arguments import Parser, WrongUsage, did_you_mean
from dra_config.cli.commands import COMMANDS
from dra_config.cli.settings import read_settings
from dra_config.cli.surroundings import ExitCode, Surroundings
from dra_config.version import __version__

_EPILOG: Final = f"""\
example:
  dra-config validate --feature-gates MPSSupport=true manifests/

exit codes:
  {ExitCode.FINE}  no error
  {ExitCode.REJECTED}  an error in a document, or something that could not be rewritten
  {ExitCode.UNUSABLE}  a file that could not be read or written, or wrong usage
  {ExitCode.INTERNAL}  an internal error
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``dra-config`` and return its exit code; no exception comes out.

    Args:
        argv: The words after the name of the program; those of the process if left out.
    """
    surroundings = Surroundings(
        stdin=sys.stdin,
        # A process that was started with a closed stream has None in its place.
        stdout=sys.stdout or StringIO(),
        stderr=sys.stderr or StringIO(),
        clock=time.monotonic,
        settings=read_settings(),
    )
    words = sys.argv[1:] if argv is None else argv
    return run(words, surroundings)


def run(words: Sequence[str], surroundings: Surroundings) -> int:
    """Run the command that *words* name inside *surroundings* and return the exit code."""
    for stream in (surroundings.stdout, surroundings.stderr):
        if isinstance(stream, TextIOWrapper):
            # A file name or a manifest may hold what the terminal's encoding cannot say.
            stream.reconfigure(errors="backslashreplace")
    try:
        code = _dispatch(words, surroundings)
        surroundings.stdout.flush()
    except WrongUsage as error:
        surroundings.tell(f"{error}")
        return ExitCode.UNUSABLE
    except KeyboardInterrupt:
        surroundings.tell("interrupted")
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        _silence(surroundings.stdout)
        return ExitCode.PIPE_CLOSED
    except OSError as error:
        # Input that cannot be read never comes this far, so it is the output: a full disk.
        _silence(surroundings.stdout)
        surroundings.tell(f"cannot write the output: {error.strerror or error}")
        return ExitCode.UNUSABLE
    except Exception as error:  # noqa: BLE001 - the outermost edge
        return _confess(error, surroundings, debug="--debug" in words)
    return code


def _dispatch(words: Sequence[str], surroundings: Surroundings) -> int:
    command = COMMANDS.get(words[0]) if words else None
    try:
        if command is not None:
            return command.run(command.parser().read(words[1:]), surroundings)
        if words and words[0].startswith("-") and words[0] != "-":
            _program_parser().read(words)
    except SystemExit as stop:
        return int(stop.code or 0)
    if not words:
        message = f"name a command: {', '.join(COMMANDS)} (see dra-config --help)"
        raise WrongUsage(message)
    hint = did_you_mean(words[0], COMMANDS)
    if not hint and (os.path.exists(words[0]) or words[0] == "-"):  # noqa: PTH110 - any text
        hint = f"; did you mean dra-config validate {words[0]}?"
    message = f"there is no command {words[0]!r}{hint} (see dra-config --help)"
    raise WrongUsage(message)


class _ProgramParser(Parser):
    """The parser of the words before a command; its help leaves room for every command."""

    def format_help(self) -> str:
        """Return the help without a list of the two options, which the usage names already."""
        return f"{self.format_usage()}\n{self.description}\n\n{self.epilog}"


def _program_parser() -> Parser:
    listed = "\n".join(f"  {name:11}{command.summary}" for name, command in COMMANDS.items())
    epilog = f"commands, each with a --help of its own:\n{listed}\n\n{_EPILOG}"
    description = "Judge the opaque GPU configuration in Kubernetes manifests before it is used."
    parser = _ProgramParser("dra-config", description, epilog)
    parser.usage = "dra-config [--help] [--version] COMMAND ..."
    parser.add_argument("--version", action="version", version=f"dra-config {__version__}")
    return parser


def _silence(stdout: TextIO) -> None:
    """Send what is left in the buffer nowhere, so that leaving the process raises nothing."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stdout.fileno())
        os.close(nowhere)


def _confess(error: Exception, surroundings: Surroundings, *, debug: bool) -> int:
    if debug or surroundings.settings.debug:
        import traceback  # noqa: PLC0415 - never needed, if all is well

        print("".join(traceback.format_exception(error)), end="", file=surroundings.stderr)
    surroundings.tell(
        f"internal error, which is a mistake of ours and not in your files: "
        f"{type(error).__name__}: {error}; please report it with the output of --debug and the "
        f"version, {__version__}"
    )
    return ExitCode.INTERNAL
