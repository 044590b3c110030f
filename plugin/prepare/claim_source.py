"""Where claims come from: the API server, asked for one at a time."""

from collections.abc import Callable
from typing import Final, Protocol

from kube.client import path_of
from kube.errors import InvalidError, KubeError, NotFoundError
from plugin.prepare.failures import ClaimGone
from plugin.preparer import ClaimReference, Deadline, PrepareFailed

_LONGEST_SECONDS: Final = 10.0
"""A server that does not answer in this time is asked again."""


class ClaimSource(Protocol):
    """Knows claims as they are now."""

    def fetch(self, claim: ClaimReference, deadline: Deadline) -> bytes:
        """Return the claim as JSON, just as the server writes it.

        It is looked up by its name, so it may have another UID.

        Raises:
            ClaimGone: There is no such claim.
            PrepareFailed: There is no answer.
        """
        ...


class Reader(Protocol):
    """The part of `kube.client.Client` that is needed."""

    def get_bytes(self, path: str, *, seconds: float | None = None) -> bytes:
        """Return the object at *path* as the server writes it."""
        ...


class KubeClaims:
    """Asks the API server."""

    def __init__(self, client: Reader, *, api_version: Callable[[], str | None]) -> None:
        """Ask nothing yet.

        Args:
            client: The API server.
            api_version: Tells which version is served, such as `resource.k8s.io/v1`; None as
                long as nobody knows.
        """
        self._client = client
        self._api_version = api_version

    def fetch(self, claim: ClaimReference, deadline: Deadline) -> bytes:
        """Return the claim as JSON."""
        api_version = self._api_version()
        if api_version is None:
            message = f"The API server has not answered yet, so claim {claim} is not known."
            raise PrepareFailed(message, permanent=False)
        path = path_of(api_version, "resourceclaims", claim.name, namespace=claim.namespace)
        seconds = min(_LONGEST_SECONDS, deadline.remaining_seconds())
        if not seconds:
            message = f"There was no time left to ask the API server for claim {claim}."
            raise PrepareFailed(message, permanent=False)
        try:
            return self._client.get_bytes(path, seconds=seconds)
        except NotFoundError as error:
            message = f"Claim {claim} does not exist any more."
            raise ClaimGone(message) from error
        except KubeError as error:
            # Also a refusal: a server that has just started does not know all rights yet.
            message = f"The API server did not give claim {claim}: {error}"
            raise PrepareFailed(message, permanent=isinstance(error, InvalidError)) from error
