"""The Secret and the configuration in memory, with the API server's rule for colliding writes."""

from collections.abc import Callable, Mapping, Sequence

from kube.errors import ConflictError, NotFoundError
from webhook.self_managed.cluster import (
    SecretContents,
    WebhookConfiguration,
    WebhookEntry,
)

NAMES = ("resourceclaims.example.com", "deviceclasses.example.com")


class StoredObjects:
    """What etcd would hold. A patch that names an older version is refused and changes nothing."""

    def __init__(self) -> None:
        """Start as the chart leaves it: an empty Secret, and webhooks without a caBundle."""
        self.secret: dict[str, bytes] | None = {}
        self.bundle_by_webhook: dict[str, bytes] | None = dict.fromkeys(NAMES, b"")
        self.version = 1
        self.secret_version = 1
        self.configuration_version = 1
        self.writes: list[str] = []
        self.trouble: Callable[[str], None] = lambda _asked: None
        """Called before each request with what is asked; may raise."""

    def read_configuration(self) -> WebhookConfiguration:
        self.trouble("read_configuration")
        if self.bundle_by_webhook is None:
            raise NotFoundError("there is no configuration")
        webhooks = tuple(WebhookEntry(*entry) for entry in self.bundle_by_webhook.items())
        return WebhookConfiguration(webhooks, str(self.configuration_version))

    def read_secret(self) -> SecretContents:
        self.trouble("read_secret")
        if self.secret is None:
            raise NotFoundError("there is no Secret")
        return SecretContents(dict(self.secret), str(self.secret_version))

    def patch_secret(self, entries: Mapping[str, bytes], resource_version: str) -> None:
        self.trouble("patch_secret")
        if self.secret is None:
            raise NotFoundError("there is no Secret")
        if resource_version != str(self.secret_version):
            raise ConflictError("the Secret has changed")
        self.set_secret({**self.secret, **entries})
        self.writes.append("secret")

    def patch_configuration(
        self, ca_bundle: bytes, webhooks: Sequence[str], resource_version: str
    ) -> None:
        self.trouble("patch_configuration")
        if self.bundle_by_webhook is None:
            raise NotFoundError("there is no configuration")
        if resource_version != str(self.configuration_version):
            raise ConflictError("the configuration has changed")
        self.set_bundles({**self.bundle_by_webhook, **dict.fromkeys(webhooks, ca_bundle)})
        self.writes.append("configuration")

    def set_secret(self, entries: dict[str, bytes]) -> None:
        """Write the Secret as somebody who needs no leave."""
        self.version += 1
        self.secret, self.secret_version = entries, self.version

    def set_bundles(self, bundle_by_webhook: dict[str, bytes]) -> None:
        """Write the configuration as somebody who needs no leave."""
        self.version += 1
        self.bundle_by_webhook, self.configuration_version = bundle_by_webhook, self.version
