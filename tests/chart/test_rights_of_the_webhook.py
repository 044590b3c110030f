"""In mode self-managed the webhook may do what its code does, and not a thing more."""

import ssl
from pathlib import Path

from tests.chart.chart import Helm, Json, with_tls
from tests.chart.installed import installed
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Client, path_of
from tests.webhook.installed import Whole
from tests.webhook.served import until

NAME = "rights-dra-config"
ACCOUNT = f"{NAME}-webhook"
RBAC = "rbac.authorization.k8s.io/v1"
Right = tuple[str, str, str, str]
"""Verb, namespace, resource and name."""


def granted(client: Client, namespace: str) -> set[Right]:
    """Return what the account of the webhook may do, by the rules that the chart brought."""
    role = client.get(path_of(RBAC, "roles", ACCOUNT, namespace=namespace))
    cluster_role = client.get(path_of(RBAC, "clusterroles", ACCOUNT))
    return {
        (verb, inside, resource, name)
        for inside, rules in ((namespace, role["rules"]), ("", cluster_role["rules"]))
        for rule in rules
        for verb in rule["verbs"]
        for resource in rule["resources"]
        for name in rule["resourceNames"]
    }


def used(server: ApiServer, user: str) -> set[Right]:
    """Return what *user* has asked for, and make sure that nothing was forbidden."""
    events = [one for one in server.control_plane.audit() if one["user"].get("username") == user]
    assert {one["responseStatus"]["code"] for one in events} <= {200, 409}
    return {
        (
            one["verb"],
            one["objectRef"].get("namespace", ""),
            one["objectRef"]["resource"],
            one["objectRef"].get("name", ""),
        )
        for one in events
    }


def test_the_rights_are_exactly_those_that_the_code_uses(
    api_server: ApiServer, helm_4: Helm, tmp_path: Path
) -> None:
    """The chart's own flags and account, and a whole webhook outside of any pod."""
    client = api_server.client
    values = with_tls("self-managed")
    with installed(helm_4, api_server, "rights", values) as release:
        user = f"system:serviceaccount:{release.namespace}:{ACCOUNT}"
        write_account(api_server, release.namespace, tmp_path)
        rendered = helm_4.render(values, release="rights", namespace=release.namespace)
        flags = [flag for flag in rendered.arguments() if flag.startswith("--self-managed-")]
        host, _, port = api_server.url.removeprefix("https://").partition(":")
        served = Whole(
            Path("no pair of files"),
            ssl.create_default_context(),
            *flags,
            f"--self-managed-directory={tmp_path / 'tls'}",
            f"--self-managed-account={tmp_path}",
            "--self-managed-interval=0.25",
            KUBERNETES_SERVICE_HOST=host,
            KUBERNETES_SERVICE_PORT=port,
        )
        try:
            until(lambda: served.probe("/readyz").status_code == 200)
            configuration = client.get(
                path_of("admissionregistration.k8s.io/v1", "validatingwebhookconfigurations", NAME)
            )
            assert all(hook["clientConfig"].get("caBundle") for hook in configuration["webhooks"])
            assert used(api_server, user) == granted(client, release.namespace)
            secrets_of_others(api_server, release.namespace)
        finally:
            assert served.stop() == 0


def write_account(server: ApiServer, namespace: str, folder: Path) -> None:
    """Write what the kubelet mounts for an account."""
    token = token_of(server.client, namespace)
    (folder / "token").write_text(token, encoding="ascii")
    (folder / "ca.crt").write_bytes(server.control_plane.authority.pem)


def token_of(client: Client, namespace: str) -> str:
    asked: Json = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600},
    }
    account = path_of("v1", "serviceaccounts", ACCOUNT, namespace=namespace)
    token: str = client.create(f"{account}/token", asked)["status"]["token"]
    return token


def secrets_of_others(server: ApiServer, namespace: str) -> None:
    """Make sure that the account sees no other Secret, nor the list of them."""
    review = path_of("authorization.k8s.io/v1", "selfsubjectaccessreviews")
    with server.control_plane.client_with_token(token_of(server.client, namespace)) as account:
        for name, verb in (("other", "get"), ("", "list"), ("", "create"), ("", "watch")):
            attributes = {"namespace": namespace, "verb": verb, "resource": "secrets"}
            spec = {"resourceAttributes": attributes | {"name": name}}
            body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
            answer = account.create(review, body | {"spec": spec})
            assert answer["status"]["allowed"] is False
