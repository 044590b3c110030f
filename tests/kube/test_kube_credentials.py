"""Where the API server is found, and what is said when it is not."""

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from kube.access import Access, Connections
from kube.credentials import from_kubeconfig, in_cluster
from kube.errors import CredentialsError

Json = dict[str, Any]
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return what writes a kubeconfig with one cluster, user and context."""

    def write(
        *,
        cluster: Json | None = None,
        user: Json | None = None,
        current: str = "here",
    ) -> Path:
        path = tmp_path / "config"
        named = {
            "server": "https://192.0.2.1:6443",
            "certificate-authority": "ca.crt",
            **(cluster or {}),
        }
        account = user or {}
        path.write_text(
            f"""
apiVersion: v1
kind: Config
current-context: {current}
clusters: [{{name: c, cluster: {named}}}]
users: [{{name: u, user: {account}}}]
contexts:
- {{name: here, context: {{cluster: c, user: u, namespace: ignored}}}}
- {{name: lost, context: {{cluster: none, user: u}}}}
"""
        )
        return path

    return write


def test_a_pod_finds_server_and_account_in_its_folder(tmp_path: Path) -> None:
    access = in_cluster("2001:db8::1", 443, account=tmp_path)
    assert (access.host, access.port) == ("2001:db8::1", 443)
    assert (access.authority, access.token) == (tmp_path / "ca.crt", tmp_path / "token")


def test_files_of_a_kubeconfig_are_found_beside_it(write: Write, tmp_path: Path) -> None:
    access = from_kubeconfig(
        write(user={"client-certificate": "me.crt", "client-key": str(tmp_path / "me.key")})
    )
    assert (access.host, access.port, access.prefix) == ("192.0.2.1", 6443, "")
    assert access.authority == tmp_path / "ca.crt"
    assert access.client_certificate == tmp_path / "me.crt"
    assert access.client_key == tmp_path / "me.key"


def test_a_kubeconfig_may_hold_everything_itself(write: Write) -> None:
    inline = base64.b64encode(b"PEM").decode()
    access = from_kubeconfig(
        write(
            cluster={
                "server": "https://proxy.example/clusters/a/",
                "certificate-authority-data": inline,
                "tls-server-name": "kube",
            },
            user={"token": "secret"},
        )
    )
    assert (access.port, access.prefix, access.server_name) == (443, "/clusters/a", "kube")
    assert (access.authority, access.token) == ("PEM", "secret")


def test_a_token_may_lie_in_a_file(write: Write, tmp_path: Path) -> None:
    assert from_kubeconfig(write(user={"tokenFile": "t"})).token == tmp_path / "t"


@pytest.mark.parametrize(
    ("changes", "context", "said"),
    [
        ({"cluster": {"server": "http://192.0.2.1"}}, None, "no address such as"),
        ({"user": {"exec": {"command": "aws"}}}, None, "gets its token from a program"),
        ({"user": {"auth-provider": {"name": "gcp"}}}, None, "gets its token from a program"),
        ({"cluster": {"certificate-authority": ""}}, None, "has no authority"),
        ({"cluster": {"certificate-authority-data": "?"}}, None, "no base64"),
        ({"current": "nowhere"}, None, "no context 'nowhere'"),
        ({}, "nowhere", "no context 'nowhere'"),
        ({}, "lost", "no cluster 'none'"),
        ({"user": {"token": 5}}, None, "is no kubeconfig: Expected"),
    ],
)
def test_what_a_kubeconfig_lacks_is_said(
    write: Write, changes: Json, context: str | None, said: str
) -> None:
    with pytest.raises(CredentialsError, match=said):
        from_kubeconfig(write(**changes), context=context)


@pytest.mark.parametrize("text", ["", "a: [", "a: 1\n---\nb: 2\n"])
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(CredentialsError, match=r"is no kubeconfig|has no context"):
        from_kubeconfig(path)


def test_a_kubeconfig_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"none' cannot be read: No such file"):
        from_kubeconfig(tmp_path / "none")


def test_a_file_that_should_hold_an_authority_is_named(tmp_path: Path) -> None:
    file = tmp_path / "ca.crt"
    file.write_text("nothing")
    with pytest.raises(CredentialsError, match=r"ca\.crt' holds no certificate"):
        Connections(Access(host="192.0.2.1", port=1, authority=file)).pool()


@pytest.mark.parametrize(
    ("certificate", "key", "said"),
    [("nothing", None, "holds no certificate"), (None, "nothing", "cannot be used")],
)
def test_certificates_that_are_none_are_said_without_quoting_them(
    certificate: str | None, key: str | None, said: str
) -> None:
    authority = trustme.CA()
    pem = authority.cert_pem.bytes().decode()
    access = Access(
        host="192.0.2.1",
        port=1,
        authority=certificate or pem,
        client_certificate=pem if key else None,
        client_key=key,
    )
    with pytest.raises(CredentialsError, match=said) as caught:
        Connections(access).pool()
    assert "nothing" not in str(caught.value)
