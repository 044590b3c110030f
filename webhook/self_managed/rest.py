"""The two objects over the API server's REST interface."""

import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import urllib3
from msgspec import Struct

from webhook.self_managed.cluster import (
    Conflict,
    Failure,
    Missing,
    SecretContents,
    WebhookConfiguration,
    WebhookEntry,
)
from webhook.self_managed.options import Cluster, SelfManaged

CONNECT_SECONDS: Final = 5.0
READ_SECONDS: Final = 10.0
FIELD_OWNER: Final = "dra-config-webhook"
_MERGE_PATCH: Final = "application/merge-patch+json"
_STRATEGIC_MERGE_PATCH: Final = "application/strategic-merge-patch+json"
_LONGEST_MESSAGE_CHARACTERS: Final = 300
_HARMLESS: Final = (401, 403, 404, 409, 429, 500, 503)
"""Codes whose message speaks of us or of the server; others may quote what was sent."""
_Object = TypeVar("_Object")


class _Metadata(Struct, gc=False, rename="camel"):
    resource_version: str


class _Secret(Struct, gc=False):
    metadata: _Metadata
    data: dict[str, bytes] | None = None


class _ClientConfig(Struct, gc=False, rename={"ca_bundle": "caBundle"}):
    ca_bundle: bytes | None = None


class _Webhook(Struct, gc=False, rename="camel"):
    name: str
    client_config: _ClientConfig


class _Configuration(Struct, gc=False):
    metadata: _Metadata
    webhooks: list[_Webhook] | None = None


class _Status(Struct, gc=False):
    reason: str = ""
    message: str = ""


class RestObjects:
    """Reads and patches the two objects over one connection that is kept."""

    def __init__(self, options: SelfManaged) -> None:
        """Ask as the service account that *options* name."""
        self._cluster = options.cluster
        self._secret = (
            f"/api/v1/namespaces/{options.secret_namespace}/secrets/{options.secret_name}"
        )
        self._configuration = (
            "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/"
            f"{options.configuration}"
        )
        self._authority = ""
        self._pool: urllib3.HTTPSConnectionPool | None = None

    def read_configuration(self) -> WebhookConfiguration:
        """Return the configuration."""
        found = self._ask("GET", self._configuration, _Configuration)
        webhooks = tuple(
            WebhookEntry(hook.name, hook.client_config.ca_bundle or b"")
            for hook in found.webhooks or ()
        )
        return WebhookConfiguration(webhooks, found.metadata.resource_version)

    def read_secret(self) -> SecretContents:
        """Return the Secret."""
        found = self._ask("GET", self._secret, _Secret)
        return SecretContents(found.data or {}, found.metadata.resource_version)

    def patch_secret(self, entries: Mapping[str, bytes], resource_version: str) -> None:
        """Set *entries*, and leave others alone, if the Secret is still of *resource_version*."""
        # The server answers 409 when metadata.resourceVersion in a patch is not the object's.
        patch = {"metadata": {"resourceVersion": resource_version}, "data": dict(entries)}
        self._ask("PATCH", self._secret, _Secret, patch, _MERGE_PATCH)

    def patch_configuration(
        self, ca_bundle: bytes, webhooks: Sequence[str], resource_version: str
    ) -> None:
        """Let *webhooks* trust *ca_bundle* if the configuration is still of this version."""
        # Entries are merged by their name, so nothing else in them is touched.
        patch = {
            "metadata": {"resourceVersion": resource_version},
            "webhooks": [
                {"name": name, "clientConfig": {"caBundle": ca_bundle}} for name in webhooks
            ],
        }
        self._ask("PATCH", self._configuration, _Configuration, patch, _STRATEGIC_MERGE_PATCH)

    def _ask(
        self,
        method: str,
        path: str,
        answer: type[_Object],
        patch: Mapping[str, Any] | None = None,
        content_type: str = "",
    ) -> _Object:
        account = self._cluster.account
        # Read anew each time: the kubelet renews the token long before it expires.
        token = _text(account / "token").strip()
        headers = {
            "accept": "application/json",
            "authorization": f"Bearer {token}",
            "user-agent": FIELD_OWNER,
        }
        if patch is not None:
            headers["content-type"] = content_type
            path = f"{path}?fieldManager={FIELD_OWNER}"
        try:
            response = self._connections(_text(account / "ca.crt")).request(
                method,
                path,
                body=None if patch is None else msgspec.json.encode(patch),
                headers=headers,
            )
            body = response.data
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise Failure(f"{method} {path}: {_cause(error)}") from None
        if response.status != 200:  # noqa: PLR2004 - HTTP's own number
            raise _failure(f"{method} {path}", response.status, body)
        try:
            return msgspec.json.decode(body, type=answer)
        except msgspec.MsgspecError:
            # The library's own words could quote the answer.
            raise Failure(f"{method} {path}: the answer is not understood") from None

    def _connections(self, authority: str) -> urllib3.HTTPSConnectionPool:
        if self._pool is None or authority != self._authority:
            self._pool = _connections(self._cluster, authority)
            self._authority = authority
        return self._pool


def _connections(cluster: Cluster, authority: str) -> urllib3.HTTPSConnectionPool:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError):
        raise Failure(f"{cluster.account / 'ca.crt'} holds no certificate") from None
    return urllib3.HTTPSConnectionPool(
        cluster.host,
        cluster.port,
        ssl_context=context,
        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
        retries=urllib3.Retry(0, redirect=False, raise_on_status=False),
    )


def _text(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{path} cannot be read: {_cause(error)}") from None


def _cause(error: Exception) -> str:
    if isinstance(error, urllib3.exceptions.MaxRetryError) and error.reason is not None:
        return _cause(error.reason)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error)[:_LONGEST_MESSAGE_CHARACTERS]


def _failure(asked: str, code: int, body: bytes) -> Failure:
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        status = _Status()
    said = status.message if code in _HARMLESS else status.reason
    text = f"{asked}: {code} {said[:_LONGEST_MESSAGE_CHARACTERS]}".rstrip()
    match code:
        case 404:
            return Missing(text)
        case 409:
            return Conflict(text)
        case _:
            return Failure(text)
