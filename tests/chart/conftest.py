"""Helm in the two versions that people have."""

import sys
from pathlib import Path

import pytest
import trustme

from tests.chart.chart import TLS_BY_MODE, Helm, Json, Rendered, with_tls
from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import Settings, Unavailable, provide
from tests.cluster.client import Client
from tests.cluster.fixtures import missing


@pytest.fixture(scope="session")
def helm_3() -> Helm:
    return Helm(Path(sys.executable).with_name("helm"))


@pytest.fixture(scope="session")
def helm_4(cluster_settings: Settings) -> Helm:
    try:
        return Helm(provide(cluster_settings, only=("helm",)).helm)
    except Unavailable as error:
        missing(str(error))


@pytest.fixture(params=["helm_3", "helm_4"])
def helm(request: pytest.FixtureRequest) -> Helm:
    found: Helm = request.getfixturevalue(request.param)
    return found


@pytest.fixture(params=[*TLS_BY_MODE])
def mode(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def rendered(helm: Helm) -> dict[str, Rendered]:
    """Return what the webhook has of the release with default values, by TLS mode."""
    return {mode: helm.render(with_tls(mode)).part("webhook") for mode in TLS_BY_MODE}


@pytest.fixture(scope="session")
def secret_mode() -> Json:
    """Return values with a true authority, which the API server asks for."""
    bundle = trustme.CA().cert_pem.bytes().decode()
    return with_tls("secret", {"webhook": {"tls": {"secret": {"caBundle": bundle}}}})


@pytest.fixture(scope="session")
def client(api_server: ApiServer) -> Client:
    return api_server.client
