"""What the tests of the machine share: rigs of each kind, ended when the test ends."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from plugin.hardware.host_trees import HostTrees
from plugin.hardware.port import Machine
from plugin.hardware.simulation.profile import SimulatedMachine
from tests.plugin.machine_rigs import FakeRig, NvmlRig, Rig, profile
from tests.plugin.nvml.building import build
from tests.plugin.nvml.worker import Remote

SHORT_SECONDS = 1.0
"""A deadline for tests in which a call hangs."""

LONG_SECONDS = 60.0
"""A deadline that no healthy call reaches, however busy the computer is."""

MakeRig = Callable[..., Rig]
MakeNvmlRig = Callable[..., NvmlRig]


@pytest.fixture(scope="session")
def nvml_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library that plays NVML, built once."""
    return build(tmp_path_factory.mktemp("nvml"))


def _machine(plan: str | SimulatedMachine) -> SimulatedMachine:
    return profile(plan) if isinstance(plan, str) else plan


@pytest.fixture
def nvml_rig(tmp_path: Path, nvml_library: Path) -> Iterator[MakeNvmlRig]:
    """Return what makes an adapter to NVML over the library that plays it."""
    rigs: list[NvmlRig] = []

    def make(plan: str | SimulatedMachine, *, deadline_seconds: float = LONG_SECONDS) -> NvmlRig:
        folder = tmp_path / f"nvml-{len(rigs)}"
        rigs.append(
            NvmlRig(_machine(plan), folder, nvml_library, deadline_seconds=deadline_seconds)
        )
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture
def fake_rig(tmp_path: Path) -> Iterator[MakeRig]:
    """Return what makes a machine of data."""
    rigs: list[FakeRig] = []

    def make(plan: str | SimulatedMachine, *, deadline_seconds: float = LONG_SECONDS) -> FakeRig:
        folder = tmp_path / f"fake-{len(rigs)}"
        rigs.append(FakeRig(_machine(plan), folder, deadline_seconds=deadline_seconds))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.close()


@pytest.fixture(params=["fake", "nvml"])
def rig(request: pytest.FixtureRequest) -> MakeRig:
    """Return what makes a machine of either kind, with a hand on its other side."""
    make: MakeRig = request.getfixturevalue(f"{request.param}_rig")
    return make


@pytest.fixture(
    params=["fake", "nvml", pytest.param("real", marks=pytest.mark.gpu)],
)
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Return a machine to look at: made of data, over the library of ours, or of metal."""
    if request.param != "real":
        make: MakeRig = request.getfixturevalue(f"{request.param}_rig")
        yield make("mixed").machine
        return
    trees = HostTrees.of_driver_root(Path("/"))
    if not (trees.dev / "nvidiactl").exists():
        pytest.skip("needs a real NVIDIA GPU")
    # In a process of its own: this one may have to load another library later.
    with Remote(trees, deadline_seconds=LONG_SECONDS) as real:
        yield real
