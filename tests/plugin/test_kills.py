"""The plugin is killed at every step of prepare and unprepare, and whatever comes next is right.

Each life of a claim is lived once undisturbed, which lists its steps. Then the process is killed
at each of them, started again, and the kubelet asks for the one or the other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import grpc
import pytest

from plugin.hardware.facts import ComputeMode
from plugin.rpc.stubs import kubelet_dra_v1_pb2 as v1
from tests.cluster.api_server import ApiServer
from tests.cluster.client import Json
from tests.plugin.faulty_node import (
    ANSWER_SECONDS,
    Caller,
    FaultyNode,
    calling,
    faulty_node,
    told_devices,
)
from tests.plugin.plugin_process import running, start
from tests.plugin.prepare_rig import SHORT_SLICES, opaque
from tests.plugin.rpc_kubelet import PREPARE, UNPREPARE

KILLED = -9


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of claim."""

    name: str
    sharing: Json | None
    before: ComputeMode
    """The compute mode that an administrator has set."""
    prepared: dict[str, tuple[str, str]]
    """Compute mode and time slice of the GPU while the claim is prepared."""
    daemons: int
    marks: frozenset[str]
    """Steps that there must be among the others; the rest may change."""

    def allocate(self, node: FaultyNode) -> v1.Claim:
        """Return a new claim of this kind."""
        configs = () if self.sharing is None else (opaque(sharing=self.sharing),)
        return node.claims.allocate("gpu-0", configs=configs)


PLAIN = Kind(
    name="plain",
    sharing=None,
    before=ComputeMode.DEFAULT,
    prepared={},
    daemons=0,
    marks=frozenset({"cdi: replaced", "cdi: removed"}),
)
SLICES = Kind(
    name="slices",
    sharing=SHORT_SLICES,
    before=ComputeMode.EXCLUSIVE_PROCESS,
    prepared={"gpu-0": ("Default", "Short")},
    daemons=0,
    marks=PLAIN.marks
    | {"made: ComputeMode", "made: TimeSlice", "undone: ComputeMode", "undone: TimeSlice"},
)
MPS = Kind(
    name="mps",
    sharing={"strategy": "MPS", "mpsConfig": {"defaultActiveThreadPercentage": 50}},
    before=ComputeMode.PROHIBITED,
    prepared={"gpu-0": ("ExclusiveProcess", "Default")},
    daemons=1,
    marks=PLAIN.marks
    | {"made: MpsComputeMode", "made: MpsFolders", "made: MpsDaemon", "stopped: MpsDaemon"},
)
KINDS = (PLAIN, SLICES, MPS)


@dataclass(frozen=True, slots=True)
class Life:
    """What an undisturbed claim went through."""

    steps: list[str]
    first_of_prepare: int
    """Counted from 1, as `--crash-at` counts."""
    first_of_unprepare: int
    devices: list[str]
    cdi: str


@pytest.fixture(scope="module")
def shared_node(api_server: ApiServer) -> Iterator[FaultyNode]:
    with faulty_node(api_server) as found:
        yield found


@pytest.fixture
def node(shared_node: FaultyNode) -> Iterator[FaultyNode]:
    """Lend the node, and leave its GPUs as they booted."""
    yield shared_node
    for name in shared_node.settings():
        shared_node.set_mode(name, ComputeMode.DEFAULT)


@pytest.fixture(scope="module")
def life_of(shared_node: FaultyNode) -> Callable[[Kind], Life]:
    """Return what lets a claim of a kind live undisturbed, once for each kind."""
    lives: dict[str, Life] = {}

    def life(kind: Kind) -> Life:
        if kind.name not in lives:
            lives[kind.name] = lived(shared_node, kind)
        return lives[kind.name]

    return life


def lived(node: FaultyNode, kind: Kind) -> Life:
    node.set_mode("gpu-0", kind.before)
    before = node.settings()
    claim = kind.allocate(node)
    node.forget_steps()
    with running(node.host), calling(node.host) as caller:
        at_start = len(node.steps())
        devices = caller.prepare(claim)
        prepared = len(node.steps())
        cdi = node.cdi_of(claim)
        assert node.settings() == kind.prepared
        assert len(node.daemons()) == kind.daemons
        caller.unprepare(claim)
        expect_nothing_left(node, before)
    steps = node.steps()
    assert kind.marks <= {*steps}
    return Life(
        steps=steps,
        first_of_prepare=at_start + 1,
        first_of_unprepare=prepared + 1,
        devices=told_devices(devices, claim),
        cdi=cdi,
    )


def expect_nothing_left(node: FaultyNode, settings: dict[str, tuple[str, str]]) -> None:
    assert node.left() == []
    assert node.settings() == settings


def die(node: FaultyNode, kind: Kind, life: Life, crash_at: int) -> v1.Claim:
    """Let the plugin die at a step of the life of a claim, which is returned."""
    claim = kind.allocate(node)
    node.forget_steps()
    with running(node.host, "--crash-at", str(crash_at)) as plugin, calling(node.host) as caller:
        if crash_at >= life.first_of_unprepare:
            caller.prepare(claim)
            expect_death(caller, UNPREPARE, claim)
        else:
            expect_death(caller, PREPARE, claim)
        assert plugin.wait() == KILLED
    assert node.steps() == life.steps[:crash_at]
    return claim


def expect_death(caller: Caller, method: str, claim: v1.Claim) -> None:
    error = caller.kubelet.future(method, claim, seconds=ANSWER_SECONDS).exception()
    assert isinstance(error, grpc.RpcError)
    assert error.code() is grpc.StatusCode.UNAVAILABLE


def prepare_again(node: FaultyNode, kind: Kind, life: Life, claim: v1.Claim) -> None:
    with running(node.host) as plugin, calling(node.host) as caller:
        expect_prepared(node, kind, life, caller, claim)
        caller.unprepare(claim)
        plugin.kill()


def expect_prepared(
    node: FaultyNode, kind: Kind, life: Life, caller: Caller, claim: v1.Claim
) -> None:
    assert told_devices(caller.prepare(claim), claim) == life.devices
    assert node.cdi_of(claim) == life.cdi
    assert node.settings() == kind.prepared
    assert len(node.daemons()) == kind.daemons


def unprepare(node: FaultyNode, _kind: Kind, _life: Life, claim: v1.Claim) -> None:
    with running(node.host) as plugin, calling(node.host) as caller:
        caller.unprepare(claim)
        plugin.kill()


ENDINGS = (prepare_again, unprepare)


def survive(
    node: FaultyNode, life: Life, kind: Kind, crash_at: int, ending: Callable[..., None]
) -> None:
    """Kill the plugin at one step, go on, and see that nothing is left in the end."""
    before = node.settings()
    claim = die(node, kind, life, crash_at)
    ending(node, kind, life, claim)
    expect_nothing_left(node, before)


def test_a_kill_at_any_step_is_made_good(
    node: FaultyNode, life_of: Callable[[Kind], Life]
) -> None:
    """D28 and D29, with nobody to clean up."""
    life = life_of(SLICES)
    node.set_mode("gpu-0", SLICES.before)
    for crash_at in range(life.first_of_prepare, len(life.steps) + 1):
        survive(node, life, SLICES, crash_at, ENDINGS[crash_at % 2])


def test_a_kill_at_a_step_of_mps_is_made_good(
    node: FaultyNode, life_of: Callable[[Kind], Life]
) -> None:
    known = {*life_of(SLICES).steps}
    life = life_of(MPS)
    node.set_mode("gpu-0", MPS.before)
    own = [number for number, step in enumerate(life.steps, start=1) if step not in known]
    assert len(own) >= 5
    for crash_at in own:
        survive(node, life, MPS, crash_at, ENDINGS[crash_at % 2])


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.deep)])
def test_another_instance_goes_on_where_one_was_killed(
    node: FaultyNode, life_of: Callable[[Kind], Life], every: int
) -> None:
    """D56: during a rolling update nobody has to start anew for that."""
    life = life_of(SLICES)
    node.set_mode("gpu-0", SLICES.before)
    before = node.settings()
    other = node.instance(2)
    elsewhere = ("--steps-file", str(node.root / "other-steps"))
    with running(other, *elsewhere), calling(other) as caller:
        for crash_at in range(life.first_of_prepare, len(life.steps) + 1, every):
            claim = die(node, SLICES, life, crash_at)
            if crash_at % 2:
                expect_prepared(node, SLICES, life, caller, claim)
            caller.unprepare(claim)
            expect_nothing_left(node, before)


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.deep)])
def test_a_kill_amid_many_claims_is_made_good(node: FaultyNode, kills: int) -> None:
    """The threads of eight claims stand at eight different steps."""
    gpus = [f"gpu-{number}" for number in range(8)]
    for name in gpus:
        node.set_mode(name, SLICES.before)
    before = node.settings()
    configs = [opaque(sharing=SHORT_SLICES)]

    def allocate() -> list[v1.Claim]:
        node.forget_steps()
        return [node.claims.allocate(name, configs=configs) for name in gpus]

    claims = allocate()
    with running(node.host), calling(node.host) as caller:
        expect_success(caller, PREPARE, claims)
        caller.unprepare(*claims)
    total = len(node.steps())
    expect_nothing_left(node, before)
    for number in range(1, kills + 1):
        crash_at = number * total // (kills + 1)
        claims = allocate()
        with (
            running(node.host, "--crash-at", str(crash_at)) as plugin,
            calling(node.host) as caller,
        ):
            for method in (PREPARE, UNPREPARE):
                future = caller.kubelet.future(method, *claims, seconds=ANSWER_SECONDS)
                if future.exception() is not None:
                    break
            assert plugin.wait() == KILLED
        with running(node.host), calling(node.host) as caller:
            again = claims[::2]
            expect_success(caller, PREPARE, again)
            assert {node.settings()[name] for name in gpus[::2]} == {("Default", "Short")}
            caller.unprepare(*claims)
        expect_nothing_left(node, before)


def expect_success(caller: Caller, method: str, claims: list[v1.Claim]) -> None:
    answers = caller.kubelet.call(method, *claims, seconds=ANSWER_SECONDS)
    assert {one.error for one in answers.values()} == {""}
    assert len(answers) == len(claims)


@pytest.mark.deep
@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_kill_at_every_step_of_every_kind_is_made_good(
    node: FaultyNode,
    life_of: Callable[[Kind], Life],
    kind: Kind,
    ending: Callable[..., None],
) -> None:
    life = life_of(kind)
    node.set_mode("gpu-0", kind.before)
    for crash_at in range(life.first_of_prepare, len(life.steps) + 1):
        survive(node, life, kind, crash_at, ending)


@pytest.mark.parametrize(
    ("kind", "every"),
    [
        (SLICES, 3),
        pytest.param(SLICES, 1, marks=pytest.mark.deep),
        pytest.param(MPS, 1, marks=pytest.mark.deep),
    ],
    ids=["slices", "slices-at-every-step", "mps-at-every-step"],
)
def test_a_kill_while_a_kill_is_made_good_is_made_good(
    node: FaultyNode, life_of: Callable[[Kind], Life], kind: Kind, every: int
) -> None:
    life = life_of(kind)
    node.set_mode("gpu-0", kind.before)
    before = node.settings()
    # Nearly all is done by then, and nothing of it is answered yet.
    begun = life.first_of_unprepare - 2
    die(node, kind, life, begun)
    node.forget_steps()
    with running(node.host):
        recovery = node.steps()
    expect_nothing_left(node, before)
    for crash_at in range(1, len(recovery) + 1, every):
        claim = die(node, kind, life, begun)
        node.forget_steps()
        assert start(node.host, "--crash-at", str(crash_at)).wait() == KILLED
        assert node.steps() == recovery[:crash_at]
        ENDINGS[crash_at % 2](node, kind, life, claim)
        expect_nothing_left(node, before)
    assert len(recovery) > 3
