"""The words of the command line: a parser whose mistakes name the right word."""

import argparse
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Final, NoReturn

from dra_config.cli.surroundings import ExitCode
from dra_config.spelling import nearest


class WrongUsage(Exception):  # noqa: N818 - the caller's mistake, not an error of ours
    """The command line makes no sense; the text is a sentence for the person who wrote it."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ``; did you mean ...?`` for the word of *known* that is most like *word*, or ''."""
    close = nearest(word, known)
    return f"; did you mean {close}?" if close else ""


_ANY_WIDTH: Final = 80
_Formatter = argparse.RawDescriptionHelpFormatter


class OneOf:
    """The type of an argument that takes one of a few words."""

    def __init__(self, words: Sequence[str]) -> None:
        """Make a type that takes one of *words*."""
        self.words = words

    def __call__(self, text: str) -> str:
        """Return *text*.

        Raises:
            ArgumentTypeError: It is none of the words.
        """
        if text in self.words:
            return text
        message = f"{text!r} is none of {', '.join(self.words)}{did_you_mean(text, self.words)}"
        raise argparse.ArgumentTypeError(message)


def one_of(*words: str) -> OneOf:
    """Return a type for an argument that takes one of *words*."""
    return OneOf(words)


class Parser(argparse.ArgumentParser):
    """A parser that raises instead of leaving the process, and names the option that was meant."""

    def __init__(self, program: str, description: str, epilog: str = "") -> None:
        """Make a parser without arguments, but for ``--help``.

        Args:
            program: What the user types before the arguments.
            description: What it does, in a sentence or two.
            epilog: What stands below the options, line breaks retained.
        """
        super().__init__(
            prog=program,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            # Every argument is formatted once to be checked. The width of the terminal, which is
            # not needed for that, takes longer to find out than all the rest.
            formatter_class=partial(_Formatter, width=_ANY_WIDTH),
        )

    def format_help(self) -> str:
        """Return the help, as wide as the terminal."""
        self.formatter_class = _Formatter
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        """Raise `WrongUsage` instead of leaving the process."""
        message = message.removeprefix("argument ")
        raise WrongUsage(f"{message} (see {self.prog} --help)")

    def read(self, words: Sequence[str]) -> argparse.Namespace:
        """Return what *words* say; options may stand before, between and behind the others.

        What follows ``--`` is a path, even if it begins with a dash.

        Raises:
            WrongUsage: An argument is unknown, missing or of the wrong form.
            SystemExit: Help was asked for and has been printed.
        """
        words, names = list(words), []
        if "--" in words:
            # argparse would take these names for options again on its second look.
            place = words.index("--")
            words, names = words[:place], words[place + 1 :]
        named = [f"./{name}" if name[:1] == "-" and name != "-" else name for name in names]
        options, unknown = self.parse_known_intermixed_args([*words, *named])
        for word in unknown:
            if not word.startswith("-"):
                self.error(f"{word!r} is one word too many")
            name = word.partition("=")[0]
            hint = did_you_mean(name, self._option_string_actions)
            self.error(f"there is no option {name}{hint}")
        return options


def add_validate_arguments(parser: Parser) -> None:
    """Give *parser* the arguments of ``validate``."""
    add: Callable[..., Any] = parser.add_argument
    add("paths", nargs="*", metavar="PATH", help="file, folder, glob pattern, or - for stdin")
    gates = "gates of the cluster, as A=true,B=false on top of the defaults; unknown if left out"
    add("--feature-gates", metavar="GATES", help=gates)
    add("--parameters", action="store_true", help="take every document for opaque parameters")
    add("--driver", metavar="NAME", help="the driver that --parameters are addressed to")
    targets = one_of("dra-config", "dra-driver-nvidia-gpu")
    add(
        "--target",
        type=targets,
        metavar="NAME",
        help="driver on the cluster: dra-config (default) or dra-driver-nvidia-gpu",
    )
    add("--strict", action="store_true", help="warnings fail, too")
    formats = one_of("text", "json", "sarif", "junit", "github", "gitlab")
    listed = "text (default), json, sarif, junit, github or gitlab"
    add("--output", type=formats, metavar="FORMAT", help=listed)
    amount = parser.add_mutually_exclusive_group()
    amount.add_argument("--verbose", action="store_true", help="show notes, too")
    amount.add_argument("--quiet", action="store_true", help="show only what fails")
    colors = one_of("auto", "always", "never")
    add("--color", type=colors, metavar="WHEN", default="auto", help="auto, always or never")
    add("--debug", action="store_true", help=argparse.SUPPRESS)


VALIDATE_EPILOG = f"""\
example:
  dra-config validate --feature-gates MPSSupport=true manifests/
  helm template chart/ | dra-config validate -

exit codes:
  {ExitCode.FINE}  no error
  {ExitCode.REJECTED}  an error in a document
  {ExitCode.UNUSABLE}  a file that could not be read, or wrong usage
  {ExitCode.INTERNAL}  an internal error
"""
"""What stands below the options in ``validate --help``."""
