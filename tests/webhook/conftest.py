"""Webhooks to talk to, each a process of its own."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import pytest
import trustme

from tests.webhook.served import Served, write_pair


class Serve(Protocol):
    """Starts a webhook that ends with the test."""

    def __call__(self, *arguments: str, folder: Path | None = None, **environment: str) -> Served:
        """Start it with *arguments*."""


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.fixture(scope="session")
def pair_folder(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    write_pair(folder, authority.issue_cert("localhost", "127.0.0.1"))
    return folder


@pytest.fixture(scope="session")
def webhook(pair_folder: Path, trust: ssl.SSLContext) -> Iterator[Served]:
    """Yield one webhook with the service's own limits, for all tests that leave it unharmed."""
    served = Served(pair_folder, trust)
    yield served
    assert served.stop() == 0


@pytest.fixture
def serve(pair_folder: Path, trust: ssl.SSLContext) -> Iterator[Serve]:
    with ExitStack() as stack:

        def start(*arguments: str, folder: Path | None = None, **environment: str) -> Served:
            served = Served(folder or pair_folder, trust, *arguments, **environment)
            stack.callback(served.stop)
            return served

        yield start
