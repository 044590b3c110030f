"""The flags of self-managed TLS."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Final

FLAGS: Final = (
    ("--self-managed-secret", "NAMESPACE/NAME", "look after authority and certificate in it"),
    ("--self-managed-webhook", "NAME", "ValidatingWebhookConfiguration whose caBundle is kept"),
    ("--self-managed-service", "NAMES", "NAME.NAMESPACE.svc, and further names after commas"),
    ("--self-managed-directory", "DIRECTORY", "where the pair is put (/run/dra-config)"),
    ("--self-managed-certificate-lifetime", "DURATION", "renewed after two thirds of it (90d)"),
    ("--self-managed-authority-lifetime", "DURATION", "renewed after two thirds of it (365d)"),
    ("--self-managed-interval", "SECONDS", "look at Secret and configuration so often (3)"),
    ("--self-managed-account", "DIRECTORY", "where token and ca.crt of the API server are"),
)
ACCOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_HOST: Final = "KUBERNETES_SERVICE_HOST"
_PORT: Final = "KUBERNETES_SERVICE_PORT"
_LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
_LONGEST: Final = timedelta(days=36500)
_LEAST_LOOKS: Final = 20
"""A certificate lives for so many looks at least, so that a few that fail do not matter."""


class InvalidOption(ValueError):  # noqa: N818 - named like InvalidSettings
    """A flag that cannot be used; its text is one sentence."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the API server is, and who we are to it."""

    host: str
    port: int
    account: Path
    """A directory with `token` and `ca.crt`, as the kubelet mounts it; both change at times."""


@dataclass(frozen=True, slots=True)
class SelfManaged:
    """What is looked after, and how."""

    cluster: Cluster
    secret_namespace: str
    secret_name: str
    configuration: str
    names: tuple[str, ...]
    """What the certificate is for, DNS names and IP addresses; the Service's first."""
    directory: Path
    certificate_lifetime: timedelta
    authority_lifetime: timedelta
    interval_seconds: float


def self_managed(
    text: Callable[[str, str], str], environment: Mapping[str, str]
) -> SelfManaged | None:
    """Return what the flags say, or None when TLS is not self-managed.

    *text* returns the value of a flag, named with underscores, or its default.

    Raises:
        InvalidOption: If one of them cannot be used.
    """
    certificate = _duration("certificate_lifetime", text, "90d")
    authority = _duration("authority_lifetime", text, "365d")
    interval = _interval(text("self_managed_interval", "3"))
    _check_lifetimes(certificate, authority, interval)
    directory = Path(text("self_managed_directory", "") or "/run/dra-config")
    account = Path(text("self_managed_account", "") or ACCOUNT)
    secret, configuration, service = (
        text(f"self_managed_{name}", "") for name in ("secret", "webhook", "service")
    )
    if not (secret or configuration or service):
        return None
    if not (secret and configuration and service):
        raise InvalidOption(
            "--self-managed-secret, --self-managed-webhook and --self-managed-service need each "
            "other"
        )
    namespace, slash, name = secret.partition("/")
    if not (slash and _SUBDOMAIN.fullmatch(namespace) and _SUBDOMAIN.fullmatch(name)):
        raise InvalidOption(f"--self-managed-secret takes NAMESPACE/NAME, not {secret!r}")
    if not _SUBDOMAIN.fullmatch(configuration):
        raise InvalidOption(
            "--self-managed-webhook takes the name of a ValidatingWebhookConfiguration, not "
            f"{configuration!r}"
        )
    return SelfManaged(
        cluster=_cluster(environment, account),
        secret_namespace=namespace,
        secret_name=name,
        configuration=configuration,
        names=_names(service),
        directory=directory,
        certificate_lifetime=certificate,
        authority_lifetime=authority,
        interval_seconds=interval,
    )


def _cluster(environment: Mapping[str, str], account: Path) -> Cluster:
    host, port = environment.get(_HOST, ""), environment.get(_PORT, "443")
    if not host or not port.isdecimal():
        raise InvalidOption(
            f"--self-managed-secret needs {_HOST} and {_PORT}, which every container in a "
            "cluster has"
        )
    return Cluster(host, int(port), account)


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_canonical_name(part.strip()) for part in text.split(",")))


def _canonical_name(name: str) -> str:
    if _SUBDOMAIN.fullmatch(name) and not name.replace(".", "").isdecimal():
        return name
    try:
        return str(ip_address(name))
    except ValueError:
        raise InvalidOption(
            f"--self-managed-service takes names such as webhook.default.svc, not {name!r}"
        ) from None


def _duration(name: str, text: Callable[[str, str], str], default: str) -> timedelta:
    value = text(f"self_managed_{name}", default) or default
    found = re.fullmatch(r"([0-9]{1,9})([smhd])", value)
    duration = timedelta(**{_UNITS[found[2]]: int(found[1])}) if found else timedelta()
    if not timedelta() < duration <= _LONGEST:
        flag = f"--self-managed-{name.replace('_', '-')}"
        raise InvalidOption(f"{flag} takes a duration such as 90d, 12h, 30m or 45s, not {value!r}")
    return duration


def _interval(text: str) -> float:
    try:
        seconds = float(text or "3")
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 60:  # noqa: PLR2004 - said in the sentence
        raise InvalidOption(f"--self-managed-interval takes seconds from 0.1 to 60, not {text!r}")
    return seconds


def _check_lifetimes(certificate: timedelta, authority: timedelta, interval: float) -> None:
    if authority < 3 * certificate:
        # An authority signs during two thirds of its life; what it signed last must fit into the
        # rest of it.
        raise InvalidOption(
            "--self-managed-authority-lifetime takes at least three times "
            "--self-managed-certificate-lifetime"
        )
    if certificate.total_seconds() < _LEAST_LOOKS * interval:
        raise InvalidOption(
            f"--self-managed-certificate-lifetime takes at least {_LEAST_LOOKS} times "
            "--self-managed-interval"
        )
