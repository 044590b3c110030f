"""Flags and variables as text, and what texts may mean."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from dra_config.gates import InvalidGates, Resolved, resolve
from dra_config.scheme import DRIVERS as SERVED_DRIVERS

GATES_VARIABLE: Final = "FEATURE_GATES"
FABRIC_VARIABLE: Final = "FABRIC_TOPOLOGY_SUPPORT"
BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "false": False}
_LAST_PORT: Final = 65535
_NO_PORT: Final = "-1"
_MOST_DIGITS: Final = 9
_Value = TypeVar("_Value")


class InvalidSettings(ValueError):  # noqa: N818 - named like InvalidConfig
    """Settings with which nothing can start; its text is one sentence."""


class Parser(argparse.ArgumentParser):
    """A parser that raises `InvalidSettings` in place of ending the process."""

    def __init__(self, program: str, description: str, *, prefix: str) -> None:
        """Begin without flags.

        Args:
            program: How the service is started.
            description: What it does, in a sentence.
            prefix: What the names of the variables begin with.
        """
        super().__init__(
            prog=program,
            description=description,
            epilog=f"Every flag is also a variable: --log-level is {prefix}LOG_LEVEL. "
            f"{GATES_VARIABLE} is read, too, and {FABRIC_VARIABLE}=true adds one gate.",
            allow_abbrev=False,
        )

    def add(self, flags: Iterable[tuple[str, str, str]]) -> None:
        """Add flags, each with what stands for its value in the help, and what it means."""
        for flag, stand_in, meaning in flags:
            self.add_argument(flag, metavar=stand_in, help=meaning)

    def error(self, message: str) -> NoReturn:
        """Refuse the arguments."""
        raise InvalidSettings(message)


class Given:
    """What was given; a flag wins over its variable.

    Names are those of the flags with underscores. Every method raises `InvalidSettings`, naming
    the flag, if its text means nothing of the kind.
    """

    def __init__(
        self,
        parser: Parser,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        prefix: str,
    ) -> None:
        """Parse *arguments*, and take what is not among them from *environment*.

        Raises:
            InvalidSettings: An argument is unknown.
            SystemExit: After ``--help``, with status 0.
        """
        self._flags: dict[str, str | None] = vars(parser.parse_args(arguments))
        self._environment = environment
        self._prefix = prefix

    def text(self, name: str, default: str = "") -> str:
        """Return the text that was given."""
        flag = self._flags[name]
        if flag is not None:
            return flag
        return self._environment.get(self._prefix + name.upper(), default)

    def file(self, name: str) -> Path | None:
        """Return a path; None if there is none."""
        text = self.text(name)
        return Path(text) if text else None

    def folder(self, name: str, default: str) -> Path:
        """Return an absolute path."""
        path = Path(self.text(name, default))
        if not path.is_absolute():
            raise InvalidSettings(f"{flag_of(name)} takes an absolute path, not '{path}'")
        return path

    def port(self, name: str, default: str) -> int:
        """Return the number of a port; 0 stands for any free one."""
        return self.whole(name, default, most=_LAST_PORT)

    def port_if_any(self, name: str, default: str) -> int | None:
        """Return the number of a port, or None for -1."""
        return None if self.text(name, default) == _NO_PORT else self.port(name, default)

    def whole(self, name: str, default: str, *, least: int = 0, most: int) -> int:
        """Return a whole number within bounds."""
        text = self.text(name, default)
        digits = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
        if not (digits and least <= int(text) <= most):
            raise InvalidSettings(
                f"{flag_of(name)} takes a whole number from {least} to {most}, not {text!r}"
            )
        return int(text)

    def seconds(self, name: str, default: str, *, most: int) -> float:
        """Return a time in seconds, from 0 on."""
        text = self.text(name, default)
        try:
            seconds = float(text)
        except ValueError:
            seconds = -1.0
        if not 0 <= seconds <= most:
            raise InvalidSettings(f"{flag_of(name)} takes seconds from 0 to {most}, not {text!r}")
        return seconds

    def choice(self, name: str, default: str, choices: Mapping[str, _Value]) -> _Value:
        """Return what one of the texts of *choices* stands for, in whatever case it is."""
        text = self.text(name, default)
        found = choices.get(text.lower())
        if found is None:
            raise InvalidSettings(f"{flag_of(name)} takes {', '.join(choices)}, not {text!r}")
        return found

    def gates(self, name: str = "feature_gates") -> Resolved:
        """Return the feature gates; the variables without prefix count where the flag does not."""
        text = self.text(name, self._environment.get(GATES_VARIABLE, ""))
        try:
            return resolve(text, self._environment.get(FABRIC_VARIABLE))
        except InvalidGates as error:
            raise InvalidSettings(f"{flag_of(name)}: {error}") from None

    def drivers(self, name: str = "drivers") -> tuple[str, ...]:
        """Return names of drivers that the library serves; all of them by default."""
        text = self.text(name, ",".join(SERVED_DRIVERS))
        parts = (part.strip() for part in text.split(","))
        drivers = tuple(dict.fromkeys(part for part in parts if part))
        if not drivers:
            raise InvalidSettings(
                f"{flag_of(name)} takes at least one driver name, such as gpu.nvidia.com"
            )
        for driver in drivers:
            if driver not in SERVED_DRIVERS:
                known = ", ".join(SERVED_DRIVERS)
                raise InvalidSettings(f"{flag_of(name)} takes some of {known}, not {driver!r}")
        return drivers


def flag_of(name: str) -> str:
    """Return how a flag is written."""
    return f"--{name.replace('_', '-')}"
