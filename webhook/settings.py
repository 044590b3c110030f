"""The webhook's flags and environment variables; nothing else in it reads either."""

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from dra_config.gates import FeatureGates, InvalidGates, resolve
from dra_config.scheme import DRIVERS as SERVED_DRIVERS
from dra_config.violations import Violation
from webhook.logs import LogLevel
from webhook.self_managed.options import FLAGS as SELF_MANAGED_FLAGS
from webhook.self_managed.options import InvalidOption, SelfManaged, self_managed

PREFIX: Final = "DRA_CONFIG_WEBHOOK_"
GATES_VARIABLE: Final = "FEATURE_GATES"
FABRIC_VARIABLE: Final = "FABRIC_TOPOLOGY_SUPPORT"
_LAST_PORT: Final = 65535
_MOST_WORKERS: Final = 64
_MOST_DELAY_SECONDS: Final = 60.0
_BOOLEANS: Final[Mapping[str, bool]] = {"true": True, "false": False}
_Value = TypeVar("_Value")


class InvalidSettings(ValueError):  # noqa: N818 - named like InvalidConfig
    """Settings with which nothing can start; its text is one sentence."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything an operator decides."""

    bind_address: str
    """Empty for every address of the machine."""
    port: int
    """Where reviews come in over TLS; 0 for any free one, as with `probe_port`."""
    probe_port: int
    tls_certificate: Path | None
    """None with `tls_key` None: a certificate of our own is made in `self_signed_directory`."""
    tls_key: Path | None
    self_signed_directory: Path
    self_managed: SelfManaged | None
    """Given, it takes the place of both."""
    feature_gates: FeatureGates
    gate_warnings: tuple[Violation, ...]
    drivers: tuple[str, ...]
    workers: int
    log_level: LogLevel
    shutdown_delay_seconds: float
    """How long requests are still taken after SIGTERM, while the endpoints forget us."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise InvalidSettings(message)


def settings_from_process(arguments: Sequence[str]) -> Settings:
    """Return the settings from *arguments* and this process's environment.

    Raises:
        InvalidSettings: As `parse_settings` does.
    """
    return parse_settings(arguments, os.environ)


def parse_settings(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Return the settings from *arguments*; a flag wins over its variable.

    Raises:
        InvalidSettings: If one of them is unknown or cannot be used, naming the first that is.
        SystemExit: After ``--help``, with status 0.
    """
    given = vars(_parser().parse_args(arguments))

    def text(name: str, default: str) -> str:
        flag: str | None = given[name]
        return environment.get(PREFIX + name.upper(), default) if flag is None else flag

    certificate, key = text("tls_cert_file", ""), text("tls_private_key_file", "")
    self_signed, directory = _self_signed(text("self_signed", ""), environment)
    try:
        managed = self_managed(text, environment)
    except InvalidOption as error:
        raise InvalidSettings(str(error)) from None
    _check_tls(certificate, key, self_signed=self_signed, managed=managed is not None)
    _check_scope(text("config_scope", "configs"))
    gates_text = given["feature_gates"]
    if gates_text is None:
        gates_text = environment.get(PREFIX + GATES_VARIABLE, environment.get(GATES_VARIABLE, ""))
    try:
        gates = resolve(gates_text, environment.get(FABRIC_VARIABLE))
    except InvalidGates as error:
        raise InvalidSettings(f"--feature-gates: {error}") from None
    levels = {level.name.lower(): level for level in LogLevel}
    return Settings(
        bind_address=text("bind_address", ""),
        port=_integer("--port", text("port", "10250"), 0, _LAST_PORT),
        probe_port=_integer("--probe-port", text("probe_port", "6080"), 0, _LAST_PORT),
        tls_certificate=Path(certificate) if certificate else None,
        tls_key=Path(key) if key else None,
        self_signed_directory=directory,
        self_managed=managed,
        feature_gates=gates.gates,
        gate_warnings=gates.warnings,
        drivers=_drivers(text("drivers", ",".join(SERVED_DRIVERS))),
        workers=_integer("--workers", text("workers", "1"), 1, _MOST_WORKERS),
        log_level=_choice("--log-level", text("log_level", "info"), levels),
        shutdown_delay_seconds=_seconds("--shutdown-delay", text("shutdown_delay", "5")),
    )


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m webhook",
        description="Judges opaque GPU configs in claims, claim templates and device classes.",
        epilog=f"Every flag is also a variable: --log-level is {PREFIX}LOG_LEVEL. "
        f"{GATES_VARIABLE} is read, too, and {FABRIC_VARIABLE}=true adds one gate.",
        allow_abbrev=False,
    )
    for flag, meta, meaning in (
        ("--bind-address", "ADDRESS", "listen on this address only (all)"),
        ("--port", "NUMBER", "take reviews over TLS on this port, 0 for a free one (10250)"),
        ("--probe-port", "NUMBER", "serve /livez, /readyz and /metrics in plain text (6080)"),
        ("--tls-cert-file", "FILE", "certificate chain, PEM; read again when it changes"),
        ("--tls-private-key-file", "FILE", "its private key, PEM"),
        ("--feature-gates", "LIST", "such as MPSSupport=true,TimeSlicingSettings=true"),
        ("--drivers", "LIST", f"drivers whose configs are judged ({','.join(SERVED_DRIVERS)})"),
        ("--workers", "NUMBER", "processes that answer (1)"),
        ("--log-level", "LEVEL", "debug, info, warning or error (info)"),
        ("--config-scope", "SCOPE", "configs: judge objects with a config of ours (configs)"),
        ("--shutdown-delay", "SECONDS", "go on for so long after SIGTERM (5)"),
        *SELF_MANAGED_FLAGS,
    ):
        parser.add_argument(flag, metavar=meta, help=meaning)
    parser.add_argument(
        "--self-signed",
        nargs="?",
        const="true",
        metavar="DIRECTORY",
        help="make an authority and a certificate for this machine, kept in DIRECTORY; "
        "the default when no certificate is given",
    )
    return parser


def _self_signed(value: str, environment: Mapping[str, str]) -> tuple[bool, Path]:
    """Return whether it was asked for, and the directory it would use."""
    home = environment.get("HOME", "/")
    state_home = environment.get("XDG_STATE_HOME", "") or f"{home}/.local/state"
    default = Path(state_home) / "dra-config" / "webhook-tls"
    asked = _BOOLEANS.get(value.lower())
    if asked is None:
        return (True, Path(value)) if value else (False, default)
    return asked, default


def _check_tls(certificate: str, key: str, *, self_signed: bool, managed: bool) -> None:
    if bool(certificate) != bool(key):
        raise InvalidSettings("--tls-cert-file and --tls-private-key-file need each other")
    if certificate and self_signed:
        raise InvalidSettings("--self-signed and --tls-cert-file exclude each other")
    if managed and (certificate or self_signed):
        other = "--tls-cert-file" if certificate else "--self-signed"
        raise InvalidSettings(f"--self-managed-secret and {other} exclude each other")


def _check_scope(scope: str) -> None:
    """Refuse the scope that is planned by its own sentence, so that nobody believes in it."""
    match scope.lower():
        case "configs":
            return
        case "requests":
            sentence = (
                "--config-scope requests: no rule judges the requests of a claim yet, so only "
                "configs can be judged"
            )
        case _:
            sentence = f"--config-scope takes configs, not {scope!r}"
    raise InvalidSettings(sentence)


def _integer(flag: str, text: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10 and least <= int(text) <= most):  # noqa: PLR2004
        raise InvalidSettings(f"{flag} takes a whole number from {least} to {most}, not {text!r}")
    return int(text)


def _seconds(flag: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= _MOST_DELAY_SECONDS:
        most = int(_MOST_DELAY_SECONDS)
        raise InvalidSettings(f"{flag} takes seconds from 0 to {most}, not {text!r}")
    return seconds


def _choice(flag: str, text: str, choices: Mapping[str, _Value]) -> _Value:
    found = choices.get(text.lower())
    if found is None:
        raise InvalidSettings(f"{flag} takes {', '.join(choices)}, not {text!r}")
    return found


def _drivers(text: str) -> tuple[str, ...]:
    drivers = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not drivers:
        raise InvalidSettings("--drivers takes at least one driver name, such as gpu.nvidia.com")
    for driver in drivers:
        if driver not in SERVED_DRIVERS:
            known = ", ".join(SERVED_DRIVERS)
            raise InvalidSettings(f"--drivers takes some of {known}, not {driver!r}")
    return drivers
