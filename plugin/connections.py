"""The API server as the settings name it, and who we are there."""

import time
from datetime import UTC, datetime

from dra_config.scheme import GPU_DRIVER
from dra_config.version import __version__
from kube.client import Client
from kube.credentials import from_kubeconfig, in_cluster
from kube.events import EventWriter
from plugin.settings import Settings


def client(settings: Settings) -> Client:
    """Return a client of the API server; nothing is asked yet.

    Raises:
        CredentialsError: The kubeconfig cannot be used.
    """
    if settings.kubeconfig is None:
        access = in_cluster(*settings.server)
    else:
        access = from_kubeconfig(settings.kubeconfig)
    return Client(access, user_agent=f"dra-config-plugin/{__version__}")


def event_writer(client: Client, settings: Settings) -> EventWriter:
    """Return what writes Events in the name of this node's plugin."""
    return EventWriter(
        client,
        controller=GPU_DRIVER,
        instance=settings.node_name,
        now=lambda: datetime.fromtimestamp(time.time(), UTC),
        monotonic=time.monotonic,
    )
