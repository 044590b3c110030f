"""The webhook's flags and environment variables; nothing else in it reads either."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from dra_config.gates import FeatureGates
from dra_config.scheme import DRIVERS as SERVED_DRIVERS
from dra_config.violations import Violation
from flags.given import BOOLEANS, Given, InvalidSettings, Parser
from logs.lines import LogLevel
from webhook.self_managed.options import FLAGS as SELF_MANAGED_FLAGS
from webhook.self_managed.options import InvalidOption, SelfManaged, self_managed

PREFIX: Final = "DRA_CONFIG_WEBHOOK_"
_MOST_WORKERS: Final = 64
_MOST_DELAY_SECONDS: Final = 60


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
    given = Given(_parser(), arguments, environment, prefix=PREFIX)
    certificate, key = given.file("tls_cert_file"), given.file("tls_private_key_file")
    self_signed, directory = _self_signed(given.text("self_signed"), environment)
    try:
        managed = self_managed(given.text, environment)
    except InvalidOption as error:
        raise InvalidSettings(str(error)) from None
    _check_tls(certificate, key, self_signed=self_signed, managed=managed is not None)
    _check_scope(given.text("config_scope", "configs"))
    gates = given.gates()
    return Settings(
        bind_address=given.text("bind_address"),
        port=given.port("port", "10250"),
        probe_port=given.port("probe_port", "6080"),
        tls_certificate=certificate,
        tls_key=key,
        self_signed_directory=directory,
        self_managed=managed,
        feature_gates=gates.gates,
        gate_warnings=gates.warnings,
        drivers=given.drivers(),
        workers=given.whole("workers", "1", least=1, most=_MOST_WORKERS),
        log_level=given.choice("log_level", "info", {one.name.lower(): one for one in LogLevel}),
        shutdown_delay_seconds=given.seconds("shutdown_delay", "5", most=_MOST_DELAY_SECONDS),
    )


def _parser() -> Parser:
    parser = Parser(
        "python -m webhook",
        "Judges opaque GPU configs in claims, claim templates and device classes.",
        prefix=PREFIX,
    )
    parser.add(
        (
            ("--bind-address", "ADDRESS", "listen on this address only (all)"),
            ("--port", "NUMBER", "take reviews over TLS on this port, 0 for a free one (10250)"),
            ("--probe-port", "NUMBER", "serve /livez, /readyz and /metrics in plain text (6080)"),
            ("--tls-cert-file", "FILE", "certificate chain, PEM; read again when it changes"),
            ("--tls-private-key-file", "FILE", "its private key, PEM"),
            ("--feature-gates", "LIST", "such as MPSSupport=true,TimeSlicingSettings=true"),
            (
                "--drivers",
                "LIST",
                f"drivers whose configs are judged ({','.join(SERVED_DRIVERS)})",
            ),
            ("--workers", "NUMBER", "processes that answer (1)"),
            ("--log-level", "LEVEL", "debug, info, warning or error (info)"),
            ("--config-scope", "SCOPE", "configs: judge objects with a config of ours (configs)"),
            ("--shutdown-delay", "SECONDS", "go on for so long after SIGTERM (5)"),
            *SELF_MANAGED_FLAGS,
        )
    )
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
    asked = BOOLEANS.get(value.lower())
    if asked is None:
        return (True, Path(value)) if value else (False, default)
    return asked, default


def _check_tls(
    certificate: Path | None, key: Path | None, *, self_signed: bool, managed: bool
) -> None:
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
