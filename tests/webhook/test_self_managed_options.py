"""The flags of self-managed TLS."""

from datetime import timedelta
from pathlib import Path

import pytest

from flags.given import InvalidSettings
from webhook.self_managed.options import Cluster, SelfManaged
from webhook.settings import parse_settings

POD = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
LEAST = (
    "--self-managed-secret=team/webhook-tls",
    "--self-managed-webhook=dra-config",
    "--self-managed-service=webhook.team.svc",
)


def test_three_flags_suffice_in_a_pod() -> None:
    assert parse_settings(LEAST, POD).self_managed == SelfManaged(
        cluster=Cluster("10.0.0.1", 443, Path("/var/run/secrets/kubernetes.io/serviceaccount")),
        secret_namespace="team",  # noqa: S106 - the name of an object
        secret_name="webhook-tls",  # noqa: S106 - the name of an object
        configuration="dra-config",
        names=("webhook.team.svc",),
        directory=Path("/run/dra-config"),
        certificate_lifetime=timedelta(days=90),
        authority_lifetime=timedelta(days=365),
        interval_seconds=3.0,
    )
    assert parse_settings([], POD).self_managed is None


def test_all_of_them_are_also_variables() -> None:
    prefix = "DRA_CONFIG_WEBHOOK_SELF_MANAGED_"
    variables = {
        f"{prefix}SECRET": "team/webhook-tls",
        f"{prefix}WEBHOOK": "dra-config",
        f"{prefix}SERVICE": "webhook.team.svc, 127.0.0.1,0:0::1, 127.0.0.1",
        f"{prefix}DIRECTORY": "/pair",
        f"{prefix}CERTIFICATE_LIFETIME": "36h",
        f"{prefix}AUTHORITY_LIFETIME": "9d",
        f"{prefix}INTERVAL": "0.5",
        f"{prefix}ACCOUNT": "/account",
    }
    managed = parse_settings([], POD | variables).self_managed
    assert managed is not None
    assert managed.names == ("webhook.team.svc", "127.0.0.1", "::1")
    assert managed.directory == Path("/pair")
    assert managed.certificate_lifetime == timedelta(hours=36)
    assert managed.authority_lifetime == timedelta(days=9)
    assert managed.interval_seconds == 0.5
    assert managed.cluster.account == Path("/account")


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (("--self-managed-secret=",), "need each other"),
        (("--self-managed-webhook=",), "need each other"),
        (("--self-managed-service=",), "need each other"),
        (("--self-managed-secret=webhook-tls",), "takes NAMESPACE/NAME, not 'webhook-tls'"),
        (("--self-managed-secret=team/../x",), "takes NAMESPACE/NAME"),
        (("--self-managed-secret=Team/x",), "takes NAMESPACE/NAME"),
        (("--self-managed-webhook=a/b",), "'a/b'"),
        (("--self-managed-webhook=a\n",), "ValidatingWebhookConfiguration"),
        (("--self-managed-service=a,,b",), "not ''"),
        (("--self-managed-service=*.svc",), "'*.svc'"),
        (("--self-managed-service=1.2.3.4.5",), "'1.2.3.4.5'"),
        (("--self-managed-certificate-lifetime=90",), "90d, 12h, 30m or 45s"),
        (("--self-managed-authority-lifetime=0d",), "--self-managed-authority-lifetime"),
        (("--self-managed-authority-lifetime=36501d",), "36501d"),
        (("--self-managed-authority-lifetime=269d",), "three times"),
        (("--self-managed-certificate-lifetime=59s",), "20 times"),
        (("--self-managed-interval=0",), "from 0.1 to 60"),
        (("--self-managed-interval=nan",), "nan"),
        (("--self-managed-interval=x",), "'x'"),
        (("--self-signed",), "--self-managed-secret and --self-signed exclude each other"),
        (("--tls-cert-file=/c", "--tls-private-key-file=/k"), "--tls-cert-file exclude"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_sentence(
    changed: tuple[str, ...], named: str
) -> None:
    with pytest.raises(InvalidSettings) as raised:
        parse_settings([*LEAST, *changed], POD)
    assert named in str(raised.value)


@pytest.mark.parametrize(
    "environment",
    [{}, {"KUBERNETES_SERVICE_HOST": ""}, {**POD, "KUBERNETES_SERVICE_PORT": "https"}],
    ids=["absent", "empty", "no number"],
)
def test_outside_a_cluster_the_variables_that_are_missing_are_named(
    environment: dict[str, str],
) -> None:
    with pytest.raises(InvalidSettings, match="KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE"):
        parse_settings(LEAST, environment)
