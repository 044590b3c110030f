"""Which config of an allocated claim reaches which device, against admission and a plain spec."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dra_config import hub
from dra_config.allocation import (
    AllocationConfig,
    AllocationResult,
    DeviceType,
    Resolution,
    Settled,
    SettledConfig,
    SettledDevice,
    SettledFabric,
    Source,
    resolve,
    settle,
)
from dra_config.catalogue import Severity
from dra_config.claims import OpaqueConfig
from dra_config.gates import FeatureGates
from dra_config.scheme import COMPUTE_DOMAIN_DRIVER, DRIVERS, GPU_DRIVER
from dra_config.violations import Violation
from tests.dra_config.strategies import (
    GATES,
    driver_of,
    dumps,
    hub_configs,
    legacy_configs,
    spoiled,
    wire_configs,
)
from tests.webhook.asked import a_review, an_object, config, entry
from webhook.admission import Policy, review
from webhook.review import read_review

NO_GATES = FeatureGates()
AUTO = hub.Fabric(
    hub.FabricAuto(None), hub.VirtualizationModel.BARE_METAL, None, None, nvlink_preferred=True
)
NO_FABRIC = AUTO._replace(strategy=hub.FabricDisabled.DISABLED)
PLAIN = hub.Gpu(None, hub.UNSPECIFIED)
SHORT = hub.TimeSlicing(hub.TimeSliceInterval.SHORT)
MPS = hub.Mps(None, None, {}, multi_user=False)


def gpu(request: str = "gpus", *, admin: bool = False) -> AllocationResult:
    return AllocationResult(request, DeviceType.GPU, admin)


def mig(request: str = "slices") -> AllocationResult:
    return AllocationResult(request, DeviceType.MIG)


def listed(
    *configs: tuple[hub.Gpu | hub.Mig | hub.Vfio | hub.FabricTopology, Sequence[str]],
    source: Source = Source.FROM_CLAIM,
    first: int = 0,
) -> list[SettledConfig]:
    return [
        SettledConfig(first + index, source, tuple(requests), config)
        for index, (config, requests) in enumerate(configs)
    ]


def resolved(
    results: Sequence[AllocationResult],
    configs: Sequence[SettledConfig],
    gates: FeatureGates = NO_GATES,
) -> tuple[SettledDevice, ...]:
    resolution = resolve(results, configs, gates=gates)
    assert resolution.violations == ()
    return resolution.devices


def refusals(resolution: Resolution) -> list[tuple[str, Severity, str]]:
    assert resolution.devices == ()
    return [(one.rule, one.severity, one.field) for one in resolution.violations]


def remarks(resolution: Resolution) -> list[tuple[str, str]]:
    assert resolution.devices
    return [(one.rule, one.field) for one in resolution.violations]


def where(position: int, field: str) -> str:
    return f"status.allocation.devices.config[{position}].opaque.parameters.{field}"


# ---------------------------------------------------------------------- who wins


def test_a_device_that_no_config_reaches_gets_the_default_of_its_type() -> None:
    results = [gpu(), mig(), AllocationResult("vm", DeviceType.VFIO)]
    assert resolved(results, []) == (
        (PLAIN, None, None),
        (hub.Mig(None), None, None),
        (hub.Vfio(hub.IommuBackendPolicy.LEGACY_ONLY, api_device_enabled=False), None, None),
    )


def test_a_later_config_beats_an_earlier_one_as_a_whole() -> None:
    configs = listed((PLAIN._replace(sharing=SHORT), ()), (PLAIN, ()))
    assert resolved([gpu()], configs) == ((PLAIN, 1, None),)


def test_a_config_of_the_claim_beats_one_of_the_class_wherever_they_stand() -> None:
    text = json.dumps(config(sharing={"strategy": "TimeSlicing"})).encode()
    plain = json.dumps(config()).encode()
    configs = [
        AllocationConfig(Source.FROM_CLAIM, OpaqueConfig(0, GPU_DRIVER, plain)),
        AllocationConfig(Source.FROM_CLASS, OpaqueConfig(1, GPU_DRIVER, text)),
    ]
    settled = settle(configs, gates=GATES)
    assert settled.violations == ()
    assert [one.position for one in settled.configs] == [1, 0]
    assert resolve([gpu()], settled.configs, gates=NO_GATES).devices == ((PLAIN, 0, None),)


def test_a_request_is_reached_by_its_name_and_by_that_of_the_request_above_it() -> None:
    """D17: the reference driver compares names literally."""
    shared = PLAIN._replace(sharing=SHORT)
    configs = listed((shared, ["gpus"]))
    results = [gpu("gpus"), gpu("gpus/large"), gpu("gpusx"), gpu("other/gpus")]
    assert [one.position for one in resolved(results, configs)] == [0, 0, None, None]
    configs = listed((shared, ["gpus/large"]))
    results = [gpu("gpus"), gpu("gpus/large"), gpu("gpus/small")]
    assert [one.position for one in resolved(results, configs)] == [None, 0, None]


def test_a_config_without_requests_applies_where_it_fits() -> None:
    configs = listed((PLAIN, ()), (hub.Mig(MPS), ()))
    assert [one.position for one in resolved([gpu(), mig()], configs)] == [0, 1]


def test_a_config_that_names_a_device_of_another_type_is_refused_unless_a_stronger_one_fits() -> (
    None
):
    wrong = (hub.Mig(None), ["gpus"])
    resolution = resolve([gpu(), gpu()], listed(wrong), gates=NO_GATES)
    assert refusals(resolution) == [("DRA201", Severity.ERROR, where(0, "kind"))]
    assert "MigDeviceConfig names request gpus" in resolution.violations[0].message
    assert resolved([gpu()], listed(wrong, (PLAIN, ())))[0].position == 1


def test_a_fabric_config_that_names_a_mig_device_is_refused() -> None:
    configs = listed((hub.FabricTopology(AUTO), ["slices"]), (hub.Mig(None), ["slices"]))
    resolution = resolve([mig()], configs, gates=GATES)
    assert refusals(resolution) == [("DRA201", Severity.ERROR, where(0, "kind"))]


def test_a_config_without_requests_that_suits_no_device_is_remarked_on() -> None:
    """D19: the reference driver skips it without a word, and the devices get their defaults."""
    configs = listed((hub.Gpu(SHORT, hub.UNSPECIFIED), ()), (hub.Mig(None), ()))
    resolution = resolve([mig(), mig("others")], configs, gates=NO_GATES)
    assert remarks(resolution) == [("DRA202", where(0, "kind"))]
    assert "GpuConfig names no request" in resolution.violations[0].message


def test_a_config_for_all_requests_that_beats_one_for_this_request_is_remarked_on() -> None:
    """D20: the order is that of the API, and the reference driver does not tell who lost."""
    configs = listed((PLAIN._replace(sharing=SHORT), ["gpus"]), (PLAIN, ()))
    resolution = resolve([gpu(), gpu()], configs, gates=NO_GATES)
    assert [one.position for one in resolution.devices] == [1, 1]
    assert remarks(resolution) == [("DRA206", "status.allocation.devices.config[1].requests")]
    assert "config 0, which names request gpus" in resolution.violations[0].message
    configs = listed((PLAIN._replace(sharing=SHORT), ["others"]), (PLAIN, ()))
    assert resolved([gpu()], configs)[0].position == 1


def test_that_a_config_of_the_claim_beats_one_of_the_class_needs_no_remark() -> None:
    of_class = listed((PLAIN._replace(sharing=SHORT), ["gpus"]), source=Source.FROM_CLASS)
    assert resolved([gpu()], [*of_class, *listed((PLAIN, ()), first=1)])[0].position == 1


# ----------------------------------------------------------------------- the fabric


def of_size(count: int) -> hub.Fabric:
    return AUTO._replace(strategy=hub.FabricAuto(count))


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (hub.FabricTopology(of_size(2)), "partitionSize"),
        (hub.Gpu(None, of_size(2)), "fabricTopologyConfig.partitionSize"),
    ],
)
def test_a_partition_has_as_many_gpus_as_it_is_for(
    config: hub.Gpu | hub.FabricTopology, field: str
) -> None:
    configs = listed((config, ["gpus"]))
    (one,) = refusals(resolve([gpu()] * 3, configs, gates=GATES))
    assert one == ("DRA416", Severity.ERROR, where(0, field))
    (one,) = refusals(resolve([gpu(), mig()], configs, gates=GATES))
    assert one == ("DRA417", Severity.ERROR, where(0, field))
    assert len(resolved([gpu()] * 2, configs, GATES)) == 2
    # The other GPU of the partition may come from another request of the claim.
    assert len(resolved([gpu(), gpu("others")], configs, GATES)) == 2


def test_a_gpu_with_admin_access_takes_no_place_in_a_partition() -> None:
    configs = listed((hub.FabricTopology(of_size(2)), ()))
    resolution = resolve([gpu(), gpu("watch", admin=True)], configs, gates=GATES)
    assert [rule for rule, _, _ in refusals(resolution)] == ["DRA417"]


def test_the_fabric_is_implied_only_with_its_gate_and_never_written_into_the_config() -> None:
    assert resolved([gpu()], [], NO_GATES)[0].fabric is None
    (device,) = resolved([gpu()], listed((PLAIN, ())), GATES)
    assert device.fabric is not None
    assert device.fabric.implied
    assert device == (PLAIN, 0, (AUTO, None))


def test_the_implied_fabric_asks_for_nothing_beside_mps() -> None:
    (device,) = resolved([gpu()], listed((hub.Gpu(MPS, hub.UNSPECIFIED), ())), GATES)
    assert device.fabric == (NO_FABRIC, None)


def test_mig_devices_have_no_fabric() -> None:
    configs = listed((hub.FabricTopology(AUTO), ()))
    assert resolve([mig()], configs, gates=GATES).devices == ((hub.Mig(None), None, None),)


@pytest.mark.parametrize("block_is_stronger", [True, False])
def test_a_fabric_config_competes_with_the_block_of_the_winning_config(
    *, block_is_stronger: bool
) -> None:
    own = (hub.Gpu(None, NO_FABRIC), ())
    apart = (hub.FabricTopology(AUTO), ("gpus",))
    configs = listed(*((apart, own) if block_is_stronger else (own, apart)))
    resolution = resolve([gpu()], configs, gates=GATES)
    (device,) = resolution.devices
    counts = NO_FABRIC if block_is_stronger else AUTO
    assert device.fabric == (counts, 1)
    assert device.config == hub.Gpu(None, counts)
    parameters = "status.allocation.devices.config[0].opaque.parameters"
    lost = parameters if block_is_stronger else where(0, "fabricTopologyConfig")
    assert remarks(resolution) == [("DRA420", lost)]


def test_of_two_fabric_configs_the_later_one_counts_without_a_remark() -> None:
    configs = listed((hub.FabricTopology(AUTO), ()), (hub.FabricTopology(NO_FABRIC), ()))
    assert resolved([gpu()], configs, GATES)[0].fabric == (NO_FABRIC, 1)


def test_the_block_of_a_config_that_lost_counts_for_nothing() -> None:
    configs = listed((hub.Gpu(None, NO_FABRIC), ()), (PLAIN, ()))
    assert resolved([gpu()], configs, GATES) == ((PLAIN, 1, (AUTO, None)),)


def test_mps_and_a_partition_of_two_configs_are_refused_together() -> None:
    configs = listed((hub.FabricTopology(AUTO), ()), (hub.Gpu(MPS, hub.UNSPECIFIED), ()))
    resolution = resolve([gpu()], configs, gates=GATES)
    assert refusals(resolution) == [("DRA414", Severity.ERROR, where(0, "strategy"))]
    without = listed((hub.FabricTopology(NO_FABRIC), ()), (hub.Gpu(MPS, hub.UNSPECIFIED), ()))
    assert resolved([gpu()], without, GATES)[0].fabric == (NO_FABRIC, 0)


# --------------------------------------------------------------------- admin access


def test_sharing_on_admin_access_is_refused_from_the_claim() -> None:
    configs = listed((PLAIN._replace(sharing=SHORT), ()))
    resolution = resolve([gpu("watch", admin=True), gpu()], configs, gates=NO_GATES)
    assert refusals(resolution) == [("DRA124", Severity.ERROR, where(0, "sharing"))]


def test_sharing_on_admin_access_is_ignored_from_the_class_with_a_warning() -> None:
    configs = listed((hub.Gpu(SHORT, NO_FABRIC), ()), source=Source.FROM_CLASS)
    resolution = resolve([gpu("watch", admin=True), gpu()], configs, gates=GATES)
    assert resolution.devices == (
        (PLAIN, 0, None),
        (hub.Gpu(SHORT, NO_FABRIC), 0, (NO_FABRIC, 0)),
    )
    assert [(one.rule, one.severity) for one in resolution.violations] == [
        ("DRA124", Severity.WARNING)
    ]


def test_admin_access_asks_nothing_of_the_fabric() -> None:
    assert resolved([gpu(admin=True)], listed((hub.FabricTopology(AUTO), ())), GATES) == (
        (PLAIN, None, None),
    )


# -------------------------------------------------------------- against a plain specification

REQUESTS = ["a", "b", "b/x", "b/y", "c"]
NAMES = st.lists(st.sampled_from([*REQUESTS, "b"]), max_size=3, unique=True).map(tuple)
OF_GPUS = hub_configs.filter(
    lambda one: isinstance(one, hub.Gpu | hub.Mig | hub.Vfio | hub.FabricTopology)
)
RESULTS = st.lists(
    st.builds(
        AllocationResult,
        st.sampled_from(REQUESTS),
        st.sampled_from(DeviceType),
        st.sampled_from([False, False, True]),
    ),
    max_size=6,
)


@st.composite
def settled_configs(draw: st.DrawFn) -> list[SettledConfig]:
    of_classes = draw(st.lists(st.tuples(OF_GPUS, NAMES), max_size=3))
    of_claim = draw(st.lists(st.tuples(OF_GPUS, NAMES), max_size=4))
    found = listed(*of_classes, source=Source.FROM_CLASS)  # type: ignore[arg-type]
    return found + listed(*of_claim, first=len(found))  # type: ignore[arg-type]


FITS: dict[type, set[DeviceType]] = {
    hub.Gpu: {DeviceType.GPU},
    hub.Mig: {DeviceType.MIG},
    hub.Vfio: {DeviceType.VFIO},
    hub.FabricTopology: {DeviceType.GPU, DeviceType.VFIO},
}
DEFAULTS = {
    DeviceType.GPU: PLAIN,
    DeviceType.MIG: hub.Mig(None),
    DeviceType.VFIO: hub.Vfio(hub.IommuBackendPolicy.LEGACY_ONLY, api_device_enabled=False),
}


Wrong: TypeAlias = set[tuple[str, Severity, object]]


def is_for_fabric(one: SettledConfig) -> bool:
    return isinstance(one.config, hub.FabricTopology)


def reaching(result: AllocationResult, configs: list[SettledConfig]) -> list[SettledConfig]:
    names = {result.request, result.request.split("/")[0]}
    return [one for one in configs if not one.requests or names & {*one.requests}]


def specified_winner(
    result: AllocationResult, configs: list[SettledConfig], wrong: Wrong
) -> SettledConfig | None:
    """Return the strongest that counts; one that names a device that it does not fit is wrong."""
    candidates = [one for one in reaching(result, configs) if not is_for_fabric(one)]
    fitting = [one for one in candidates if result.device_type in FITS[type(one.config)]]
    counting = [one for one in candidates if one in fitting or one.requests]
    strongest = max(counting, key=lambda one: one.position, default=None)
    if strongest is None or strongest in fitting:
        return strongest
    wrong.add(("DRA201", Severity.ERROR, strongest.position))
    return None


def specified_fabric(
    result: AllocationResult,
    configs: list[SettledConfig],
    winner: SettledConfig | None,
    wrong: Wrong,
) -> dict[int, hub.Fabric]:
    """Return the blocks that compete, by position."""
    blocks: dict[int, hub.Fabric] = {}
    for one in filter(is_for_fabric, reaching(result, configs)):
        if result.device_type is not DeviceType.MIG:
            blocks[one.position] = one.config.fabric  # type: ignore[union-attr,assignment]
        elif one.requests:
            wrong.add(("DRA201", Severity.ERROR, one.position))
    block = None if winner is None else getattr(winner.config, "fabric", None)
    if winner is not None and isinstance(block, hub.Fabric):
        blocks[winner.position] = block
    return blocks


def specified(
    result: AllocationResult, configs: list[SettledConfig], gates: FeatureGates
) -> tuple[SettledDevice, Wrong]:
    """Return what a device gets, and what is wrong by rule and position."""
    wrong: Wrong = set()
    winner = specified_winner(result, configs, wrong)
    blocks = specified_fabric(result, configs, winner, wrong)
    settled: Any = DEFAULTS[result.device_type] if winner is None else winner.config
    sharing = getattr(settled, "sharing", None)
    fabric = None
    if result.admin_access:
        if sharing is not None and winner is not None:
            severities = {Source.FROM_CLAIM: Severity.ERROR, Source.FROM_CLASS: Severity.WARNING}
            wrong.add(("DRA124", severities[winner.source], winner.position))
            settled = settled._replace(sharing=None)
    elif blocks:
        fabric = SettledFabric(blocks[max(blocks)], max(blocks))
        if isinstance(sharing, hub.Mps) and fabric.fabric.strategy is not NO_FABRIC.strategy:
            wrong.add(("DRA414", Severity.ERROR, max(blocks)))
    elif gates is GATES and result.device_type is DeviceType.GPU:
        fabric = SettledFabric(NO_FABRIC if isinstance(sharing, hub.Mps) else AUTO, None)
    if result.device_type is DeviceType.GPU:
        kept = bool(blocks) and not result.admin_access
        settled = settled._replace(fabric=blocks[max(blocks)] if kept else hub.UNSPECIFIED)
    return SettledDevice(settled, None if winner is None else winner.position, fabric), wrong


def specified_together(results: list[AllocationResult], configs: list[SettledConfig]) -> Wrong:
    """Return what is wrong between configs, by rule and position."""
    wrong: Wrong = set()
    for one in configs:
        if not one.requests and not any(r.device_type in FITS[type(one.config)] for r in results):
            wrong.add(("DRA202", Severity.WARNING, one.position))
    reached: Counter[int] = Counter()
    for result in results:
        winner = specified_winner(result, configs, set())
        for half in halves(result, configs):
            strongest = max_of(half) if any(map(is_for_fabric, half)) else winner
            if strongest is None or strongest.requests:
                continue
            if any(one.requests and one.source is strongest.source for one in half):
                wrong.add(("DRA206", Severity.WARNING, strongest.position))
        if not result.admin_access:
            blocks = specified_fabric(result, configs, winner, set())
            reached[max(blocks, default=-1)] += 1
            if winner is not None and winner.position in blocks:
                wrong |= {("DRA420", Severity.WARNING, lost) for lost in sorted(blocks)[:-1]}
    return wrong | specified_sizes(results, configs, reached)


def specified_sizes(
    results: list[AllocationResult], configs: list[SettledConfig], reached: Counter[int]
) -> Wrong:
    wrong: Wrong = set()
    connected = [
        one for one in results if one.device_type is not DeviceType.MIG and not one.admin_access
    ]
    for one in configs:
        strategy = getattr(getattr(one.config, "fabric", None), "strategy", None)
        size = getattr(strategy, "partition_size_count", None)
        count = reached[one.position]
        if size is not None and count > size:
            wrong.add(("DRA416", Severity.ERROR, one.position))
        if size is not None and 0 < count <= len(connected) < size:
            wrong.add(("DRA417", Severity.ERROR, one.position))
    return wrong


def halves(
    result: AllocationResult, configs: list[SettledConfig]
) -> tuple[list[SettledConfig], list[SettledConfig]]:
    """Return what suits a device: what is for the fabric, and the rest."""
    fitting = [
        one for one in reaching(result, configs) if result.device_type in FITS[type(one.config)]
    ]
    fabrics = [one for one in fitting if is_for_fabric(one)]
    return fabrics, [one for one in fitting if not is_for_fabric(one)]


def max_of(configs: list[SettledConfig]) -> SettledConfig | None:
    return max(configs, key=lambda one: one.position, default=None)


@settings(max_examples=5 * settings().max_examples)
@given(RESULTS, settled_configs(), st.sampled_from([GATES, NO_GATES]))
def test_what_each_device_gets_is_what_the_specification_says(
    results: list[AllocationResult], configs: list[SettledConfig], gates: FeatureGates
) -> None:
    wanted = [specified(result, configs, gates) for result in results]
    wrong = specified_together(results, configs).union(*(one for _, one in wanted))
    resolution = resolve(results, configs, gates=gates)
    found = [(one.rule, one.severity, one.path[4]) for one in resolution.violations]
    assert set(found) == wrong
    refused = any(severity is Severity.ERROR for _, severity, _ in wrong)
    assert resolution.devices == (() if refused else tuple(device for device, _ in wanted))


# ----------------------------------------------------------------------- against admission

PARAMETERS = st.one_of(wire_configs, legacy_configs, spoiled())


@st.composite
def entries(draw: st.DrawFn) -> tuple[str, str]:
    """Return the driver and the parameters of an entry, as text."""
    tree = draw(PARAMETERS)
    near = [GPU_DRIVER, COMPUTE_DOMAIN_DRIVER, "GPU.nvidia.com", "gpu.nvidia.co", "other.example"]
    driver = draw(st.just(driver_of(tree.get("kind"))) | st.sampled_from(near))
    return driver, dumps(tree)


def admitted(
    kind: str, written: Sequence[tuple[str, str]], policy: Policy
) -> list[tuple[Violation, bool]]:
    """Return what the webhook finds in a new object, and whether it refuses it for that."""
    text = an_object([entry(parameters, driver) for driver, parameters in written], kind=kind)
    decision = review(read_review(a_review(text, kind=kind)), policy)
    return [(one.violation, True) for one in decision.violations] + [
        (one.violation, False) for one in decision.warnings
    ]


def in_its_config(found: Violation) -> tuple[Any, ...]:
    """Return a violation with its path from the config on."""
    return found._replace(path=found.path[found.path.index("opaque") :])


def allocation(
    of_class: Sequence[tuple[str, str]], of_claim: Sequence[tuple[str, str]]
) -> list[AllocationConfig]:
    written = [(Source.FROM_CLASS, one) for one in of_class]
    written += [(Source.FROM_CLAIM, one) for one in of_claim]
    return [
        AllocationConfig(source, OpaqueConfig(position, driver, parameters.encode()))
        for position, (source, (driver, parameters)) in enumerate(written)
    ]


@settings(max_examples=3 * settings().max_examples)
@given(
    st.lists(entries(), max_size=3, unique=True),
    st.lists(entries(), max_size=4),
    st.sampled_from([GATES, NO_GATES]),
    st.sampled_from([frozenset(DRIVERS), frozenset({GPU_DRIVER})]),
)
def test_what_admission_says_of_class_and_claim_is_what_settling_says(
    of_class: list[tuple[str, str]],
    of_claim: list[tuple[str, str]],
    gates: FeatureGates,
    drivers: frozenset[str],
) -> None:
    policy = Policy(drivers=drivers, gates=gates)
    said = admitted("DeviceClass", of_class, policy) + admitted("ResourceClaim", of_claim, policy)
    settled = settle(allocation(of_class, of_claim), gates=gates, drivers=drivers)
    assert Counter(map(in_its_config, settled.violations)) == Counter(
        in_its_config(violation) for violation, _ in said
    )
    refused = any(one.severity is Severity.ERROR for one in settled.violations)
    assert refused is any(refuses for _, refuses in said)
    if not refused:
        ours = [driver for driver, _ in (*of_class, *of_claim) if driver == GPU_DRIVER]
        assert len(settled.configs) == len(ours)


@given(entries(), st.integers(2, 4), st.sampled_from([GATES, NO_GATES]))
def test_the_repeated_config_of_a_class_is_judged_once(
    written: tuple[str, str], times: int, gates: FeatureGates
) -> None:
    once = settle(allocation([written], []), gates=gates)
    repeated = settle(allocation([written] * times, []), gates=gates)
    assert repeated.violations == once.violations
    assert [one.config for one in repeated.configs] == [
        one.config for one in once.configs for _ in range(times)
    ]


def test_findings_have_paths_from_the_root_of_the_allocated_claim() -> None:
    bad = json.dumps(config(sharing={"strategy": "Sometimes"}))
    found = settle(allocation([(GPU_DRIVER, bad)], [("gpu.nvidia.co", "{}")]), gates=GATES)
    assert [one.field for one in found.violations] == [
        where(0, "sharing.strategy"),
        "status.allocation.devices.config[1].opaque.driver",
    ]


def test_missing_parameters_are_refused_as_admission_refuses_them() -> None:
    config = AllocationConfig(Source.FROM_CLAIM, OpaqueConfig(0, GPU_DRIVER, None))
    settled = settle([config], gates=GATES)
    assert settled == Settled((), settled.violations)
    assert [one.rule for one in settled.violations] == ["DRA002"]
