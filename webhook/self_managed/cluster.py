"""What the keeper asks of the API server: two objects, read and patched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SecretContents:
    """The Secret as it was read."""

    entries: Mapping[str, bytes] = field(repr=False)
    resource_version: str


@dataclass(frozen=True, slots=True)
class WebhookEntry:
    """One webhook of the configuration."""

    name: str
    ca_bundle: bytes


@dataclass(frozen=True, slots=True)
class WebhookConfiguration:
    """The ValidatingWebhookConfiguration as it was read."""

    webhooks: tuple[WebhookEntry, ...]
    resource_version: str


class ClusterObjects(Protocol):
    """The two objects.

    Every method raises `KubeError` or one of its kinds: `NotFoundError` when there is no such
    object, and `ConflictError` when somebody else has changed it since it was read.
    """

    def read_configuration(self) -> WebhookConfiguration:
        """Return the configuration."""
        ...

    def read_secret(self) -> SecretContents:
        """Return the Secret."""
        ...

    def patch_secret(self, entries: Mapping[str, bytes], resource_version: str) -> None:
        """Set *entries*, and leave others alone, if the Secret is still of *resource_version*."""
        ...

    def patch_configuration(
        self, ca_bundle: bytes, webhooks: Sequence[str], resource_version: str
    ) -> None:
        """Let *webhooks* trust *ca_bundle* if the configuration is still of this version."""
        ...
