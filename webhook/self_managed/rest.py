"""The two objects over the API server's REST interface."""

from collections.abc import Mapping, Sequence
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from kube.access import Access
from kube.client import Client, Patch, path_of
from kube.errors import UnreachableError
from webhook.self_managed.cluster import SecretContents, WebhookConfiguration, WebhookEntry
from webhook.self_managed.options import SelfManaged

FIELD_OWNER: Final = "dra-config-webhook"
_AUTHORED: Final = {"fieldManager": FIELD_OWNER}
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


class RestObjects:
    """Reads and patches the two objects as the service account of a pod."""

    def __init__(self, options: SelfManaged) -> None:
        """Ask as the service account that *options* name."""
        cluster = options.cluster
        access = Access(
            host=cluster.host,
            port=cluster.port,
            authority=cluster.account / "ca.crt",
            token=cluster.account / "token",
        )
        # What is sent holds private keys, and what is said of it ends in the log.
        self._client = Client(access, user_agent=FIELD_OWNER, quote_refusals=False)
        self._secret = path_of(
            "v1", "secrets", options.secret_name, namespace=options.secret_namespace
        )
        self._configuration = path_of(
            "admissionregistration.k8s.io/v1",
            "validatingwebhookconfigurations",
            options.configuration,
        )

    def read_configuration(self) -> WebhookConfiguration:
        """Return the configuration."""
        found = self._read(self._configuration, _Configuration)
        webhooks = tuple(
            WebhookEntry(hook.name, hook.client_config.ca_bundle or b"")
            for hook in found.webhooks or ()
        )
        return WebhookConfiguration(webhooks, found.metadata.resource_version)

    def read_secret(self) -> SecretContents:
        """Return the Secret."""
        found = self._read(self._secret, _Secret)
        return SecretContents(found.data or {}, found.metadata.resource_version)

    def patch_secret(self, entries: Mapping[str, bytes], resource_version: str) -> None:
        """Set *entries*, and leave others alone, if the Secret is still of *resource_version*."""
        # The server answers 409 when metadata.resourceVersion in a patch is not the object's.
        patch = {"metadata": {"resourceVersion": resource_version}, "data": dict(entries)}
        self._client.patch(self._secret, patch, kind=Patch.MERGE, params=_AUTHORED)

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
        self._client.patch(
            self._configuration, patch, kind=Patch.STRATEGIC_MERGE, params=_AUTHORED
        )

    def _read(self, path: str, answer: type[_Object]) -> _Object:
        try:
            return msgspec.json.decode(self._client.get_bytes(path), type=answer)
        except msgspec.MsgspecError:
            # The library's own words could quote the answer.
            raise UnreachableError(f"GET {path}: the answer is not understood") from None
