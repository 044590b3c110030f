"""The pytest fixtures `api_server` and `node`, and what becomes of their logs when a test fails.

Tests that use one of them carry the mark `cluster` by themselves.
"""

import os
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tests.cluster import machine
from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import (
    CONTROL_PLANE,
    NAMES,
    Binaries,
    MissingPackages,
    Settings,
    packages,
    provide,
)
from tests.cluster.binaries.settings import read
from tests.cluster.binaries.store import to_stderr
from tests.cluster.kept_logs import keep, sizes
from tests.cluster.node import Node
from tests.cluster.rig import Rig

FIXTURES = frozenset({"api_server", "node"})
RIGS = pytest.StashKey[dict[str, Rig]]()
SIZES = pytest.StashKey[Mapping[Path, int]]()


def missing(reason: str) -> NoReturn:
    """Skip, or fail where a machine promises to run everything: with CI=true."""
    if os.environ.get("CI", "").lower() in {"1", "true"}:
        pytest.fail(f"CI=true, and the cluster tests cannot run: {reason}", pytrace=False)
    pytest.skip(f"the cluster tests cannot run: {reason}")


def programs(settings: Settings, names: Sequence[str], tools: Sequence[str]) -> Binaries:
    """Return the cluster's programs, built where they are not; skip where that cannot be.

    Args:
        settings: Which Kubernetes, and where to keep it.
        names: The programs that are needed.
        tools: The programs of the system that are needed beside them.
    """
    obstacles = machine.obstacles()
    if obstacles:
        missing(" ".join(obstacles))
    try:
        packages.ensure(tools, report=to_stderr)
        return provide(settings, only=names)
    except MissingPackages as error:
        missing(str(error))


@contextmanager
def logged(config: pytest.Config, name: str, rig: Rig) -> Iterator[None]:
    """Let failures of tests name the rig's logs, as long as it runs."""
    rigs = config.stash.setdefault(RIGS, {})
    rigs[name] = rig
    try:
        yield
    finally:
        del rigs[name]


@pytest.fixture(scope="session")
def cluster_settings() -> Settings:
    """Return which Kubernetes the tests run on and where its programs are kept."""
    return read()


@pytest.fixture(scope="session")
def api_server(cluster_settings: Settings, pytestconfig: pytest.Config) -> Iterator[ApiServer]:
    """Start etcd and kube-apiserver on the loopback address, once for all tests."""
    binaries = programs(cluster_settings, CONTROL_PLANE, ())
    server = ApiServer(binaries, cache=cluster_settings.cache)
    try:
        with logged(pytestconfig, "api_server", server.rig):
            yield server
    finally:
        server.close()


@pytest.fixture(scope="session")
def node(cluster_settings: Settings, pytestconfig: pytest.Config) -> Iterator[Node]:
    """Start a whole cluster of one node in namespaces of its own, once for all tests."""
    binaries = programs(cluster_settings, NAMES, ("gcc", "ip", "runc"))
    whole = Node(binaries, cache=cluster_settings.cache)
    try:
        with logged(pytestconfig, "node", whole.rig):
            yield whole
    finally:
        whole.close()


def rigs_of(item: pytest.Item) -> dict[str, Rig]:
    """Return the running rigs that a test uses, itself or through other fixtures."""
    names: list[str] = getattr(item, "fixturenames", [])
    running = item.config.stash.get(RIGS, {})
    return {name: rig for name, rig in running.items() if name in names}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need the cluster, and say which belong to one process.

    Where several processes share the tests, each cluster is started by one of them only, and so
    is what a file makes for all of its tests.
    """
    for item in items:
        used = FIXTURES & set(getattr(item, "fixturenames", []))
        if used:
            item.add_marker("cluster")
        group = max(used, default=item.nodeid.partition("::")[0])
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remember where the logs stand before a test."""
    item.stash[SIZES] = {
        path: size for rig in rigs_of(item).values() for path, size in sizes(rig.logs).items()
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep what the cluster logged during a failed test, and say where."""
    report = yield
    if report.failed:
        for name, rig in rigs_of(item).items():
            kept = keep(
                rig.logs,
                read().cache / "failed",
                f"{item.name}-{name}",
                since=item.stash.get(SIZES, {}),
            )
            report.sections.append((f"logs of {name} during this test", str(kept)))
    return report
