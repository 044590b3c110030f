"""Where the API server is found: a pod's service account, or a kubeconfig."""

import base64
import binascii
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from dra_config import manifests
from kube.access import Access, Material
from kube.errors import CredentialsError

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_HTTPS_PORT: Final = 443

_Named = TypeVar("_Named", "_NamedCluster", "_NamedUser", "_NamedContext")


def in_cluster(host: str, port: int, *, account: Path = SERVICE_ACCOUNT) -> Access:
    """Return the server as a pod sees it.

    Args:
        host: `KUBERNETES_SERVICE_HOST`, which may be an IPv6 address.
        port: `KUBERNETES_SERVICE_PORT`.
        account: The folder of the service account; its files are read anew for each request,
            since the kubelet renews the token.
    """
    return Access(host=host, port=port, authority=account / "ca.crt", token=account / "token")


def from_kubeconfig(path: Path, *, context: str | None = None) -> Access:
    """Return the server and account of a kubeconfig.

    Args:
        path: The file; files that it names are found relative to it.
        context: The name of a context; None is the current one.

    Raises:
        CredentialsError: The file cannot be read, lacks what is needed, or wants a program to be
            run for a token, which is not done here.
    """
    config = _read(path)
    chosen = _named(config.contexts, context or config.current_context, "context").context
    cluster = _named(config.clusters, chosen.cluster, "cluster").cluster
    user = _named(config.users, chosen.user, "user").user
    address = urlsplit(cluster.server)
    if address.scheme != "https" or not address.hostname:
        raise CredentialsError(f"'{cluster.server}' is no address such as 'https://host:6443'.")
    if user.exec is not None or user.auth_provider is not None:
        raise CredentialsError(
            f"User '{chosen.user}' of '{path}' gets its token from a program. "
            "Give it a token or a client certificate."
        )
    authority = _material(path, cluster.certificate_authority, cluster.certificate_authority_data)
    if authority is None:
        raise CredentialsError(f"Cluster '{chosen.cluster}' of '{path}' has no authority.")
    return Access(
        host=address.hostname,
        port=address.port or _HTTPS_PORT,
        prefix=address.path.rstrip("/"),
        server_name=cluster.tls_server_name,
        authority=authority,
        token=user.token or _material(path, user.token_file, None),
        client_certificate=_material(path, user.client_certificate, user.client_certificate_data),
        client_key=_material(path, user.client_key, user.client_key_data),
    )


class _Cluster(Struct, rename="kebab"):
    server: str
    certificate_authority: str | None = None
    certificate_authority_data: str | None = None
    tls_server_name: str | None = None


class _User(Struct, rename="kebab"):
    token: str | None = None
    token_file: str | None = msgspec.field(default=None, name="tokenFile")
    client_certificate: str | None = None
    client_certificate_data: str | None = None
    client_key: str | None = None
    client_key_data: str | None = None
    exec: object = None
    auth_provider: object = None


class _Context(Struct):
    cluster: str
    user: str


class _NamedCluster(Struct):
    name: str
    cluster: _Cluster


class _NamedUser(Struct):
    name: str
    user: _User


class _NamedContext(Struct):
    name: str
    context: _Context


class _Kubeconfig(Struct, rename="kebab"):
    clusters: tuple[_NamedCluster, ...] = ()
    users: tuple[_NamedUser, ...] = ()
    contexts: tuple[_NamedContext, ...] = ()
    current_context: str = ""


def _read(path: Path) -> _Kubeconfig:
    try:
        found = manifests.read(path.read_bytes())
    except OSError as error:
        raise CredentialsError(f"'{path}' cannot be read: {error.strerror}.") from None
    if len(found) != 1 or isinstance(found[0], manifests.Unreadable):
        raise CredentialsError(f"'{path}' is no kubeconfig.")
    try:
        return msgspec.json.decode(manifests.to_json(found[0].root), type=_Kubeconfig)
    except msgspec.MsgspecError as error:
        # The library names a field and the kind of value, and never the value.
        raise CredentialsError(f"'{path}' is no kubeconfig: {error}.") from None


def _named(entries: tuple[_Named, ...], name: str, kind: str) -> _Named:
    for entry in entries:
        if entry.name == name:
            return entry
    raise CredentialsError(f"The kubeconfig has no {kind} '{name}'.")


def _material(path: Path, file: str | None, inline: str | None) -> Material | None:
    if inline:
        try:
            return base64.b64decode(inline, validate=True).decode("utf-8")
        except (binascii.Error, UnicodeDecodeError):
            raise CredentialsError(f"'{path}' holds certificates that are no base64.") from None
    return path.parent / file if file else None
