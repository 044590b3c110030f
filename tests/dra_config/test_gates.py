"""A gate list comes to one set of gates, or to every reason why nothing can start with it."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_config.catalogue import Severity
from dra_config.gates import SPECS, FeatureGate, FeatureGates, InvalidGates, Stage, resolve

DEFAULTS = FeatureGates().enabled
BETA = {gate for gate, spec in SPECS.items() if spec.stage is Stage.BETA}
ALPHA = set(SPECS) - BETA


def refusal(text: str, variable: str | None = None) -> list[tuple[str, str]]:
    with pytest.raises(InvalidGates) as error:
        resolve(text, variable)
    found = [(violation.rule, violation.message) for violation in error.value.violations]
    for rule, message in found:
        assert f"{message} ({rule})" in str(error.value)
    return found


def reasons(text: str, variable: str | None = None) -> list[str]:
    """Return the rules that the settings break, one for each reason; empty if there is none."""
    try:
        resolve(text, variable)
    except InvalidGates as error:
        return [violation.rule for violation in error.violations] or ["refused without a reason"]
    return []


def test_without_a_word_the_beta_gates_are_on_and_the_alpha_gates_are_off() -> None:
    assert FeatureGates().enabled == FeatureGates.parse("").enabled == BETA
    assert {
        FeatureGate.IMEX_DAEMONS_WITH_DNS_NAMES,
        FeatureGate.COMPUTE_DOMAIN_CLIQUES,
        FeatureGate.CRASH_ON_NVLINK_FABRIC_ERRORS,
    } == BETA
    assert len(SPECS) == 14


@pytest.mark.parametrize(
    ("text", "on", "off"),
    [
        ("MPSSupport=true", {"MPSSupport"}, set()),
        ("MPSSupport=true,TimeSlicingSettings=true", {"MPSSupport", "TimeSlicingSettings"}, set()),
        ("CrashOnNVLinkFabricErrors=false", set(), {"CrashOnNVLinkFabricErrors"}),
        (" MPSSupport = true , DynamicMIG = false ", {"MPSSupport"}, set()),
        (",MPSSupport=true,,", {"MPSSupport"}, set()),
        ("MPSSupport=TRUE", {"MPSSupport"}, set()),
        ("MPSSupport=True", {"MPSSupport"}, set()),
        ("ComputeDomainCliques=FALSE", set(), {"ComputeDomainCliques"}),
        ("MPSSupport=true,MPSSupport=false", set(), set()),
        ("MPSSupport=false,MPSSupport=true", {"MPSSupport"}, set()),
        ("AllAlpha=false", set(), set()),
        ("AllBeta=true", set(), set()),
        ("AllBeta=false", set(), {str(gate) for gate in BETA}),
    ],
)
def test_a_list_says_how_gates_differ_from_their_defaults(
    text: str, on: set[str], off: set[str]
) -> None:
    assert FeatureGates.parse(text).enabled == (DEFAULTS | on) - off


def test_a_gate_is_in_the_value_exactly_if_it_is_on() -> None:
    gates = FeatureGates.parse("MPSSupport=true")
    assert FeatureGate.MPS_SUPPORT in gates
    assert FeatureGate.DYNAMIC_MIG not in gates


@pytest.mark.parametrize("order", [*permutations(["AllAlpha=true", "DynamicMIG=false"])])
def test_a_single_gate_beats_all_alpha_whatever_the_order(order: tuple[str, ...]) -> None:
    gates = FeatureGates.parse(",".join(order))
    assert gates.enabled == set(SPECS) - {FeatureGate.DYNAMIC_MIG}


@pytest.mark.parametrize(
    "order", [*permutations(["AllBeta=false", "CrashOnNVLinkFabricErrors=true", "AllAlpha=false"])]
)
def test_a_single_gate_beats_all_beta_whatever_the_order(order: tuple[str, ...]) -> None:
    assert FeatureGates.parse(",".join(order)).enabled == {
        FeatureGate.CRASH_ON_NVLINK_FABRIC_ERRORS
    }


def test_all_alpha_alone_is_refused_with_the_pairs_that_exclude_each_other() -> None:
    ((rule, message),) = refusal("AllAlpha=true")
    assert rule == "DRA983"
    assert "DynamicMIG with MPSSupport" in message
    assert "DynamicMIG with PassthroughSupport" in message


@pytest.mark.parametrize("other", ["MPSSupport", "PassthroughSupport"])
def test_two_gates_that_exclude_each_other_are_refused_once(other: str) -> None:
    ((rule, message),) = refusal(f"{other}=true,DynamicMIG=true")
    assert rule == "DRA981"
    assert "DynamicMIG" in message
    assert other in message


def test_the_health_check_excludes_nothing() -> None:
    for other in ("DynamicMIG", "PassthroughSupport"):
        assert not reasons(f"NVMLDeviceHealthCheck=true,{other}=true")


def test_excluding_is_symmetric_and_no_gate_needs_what_it_excludes() -> None:
    for gate, spec in SPECS.items():
        for other in spec.excludes:
            assert gate in SPECS[other].excludes
        assert not spec.excludes & spec.requires
        assert gate not in spec.excludes | spec.requires


@pytest.mark.parametrize(
    ("text", "gate", "needed"),
    [
        ("DeviceMetadata=true", "DeviceMetadata", "PassthroughSupport"),
        ("IMEXDaemonsWithDNSNames=false", "ComputeDomainCliques", "IMEXDaemonsWithDNSNames"),
    ],
)
def test_a_gate_without_the_one_it_needs_is_refused(text: str, gate: str, needed: str) -> None:
    ((rule, message),) = refusal(text)
    assert rule == "DRA982"
    assert f"{gate} needs {needed}" in message


@pytest.mark.parametrize(
    "text",
    [
        "DeviceMetadata=true,PassthroughSupport=true",
        "IMEXDaemonsWithDNSNames=false,ComputeDomainCliques=false",
    ],
)
def test_a_gate_beside_the_one_it_needs_is_fine(text: str) -> None:
    assert not reasons(text)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("MPSsupport", "MPSSupport"),
        ("MpsSuport", "MPSSupport"),
        ("TimeSlicingSetting", "TimeSlicingSettings"),
        ("FabricTopology", "FabricTopologySupport"),
        ("dynamicmig", "DynamicMIG"),
        ("allalpha", "AllAlpha"),
    ],
)
def test_an_unknown_gate_is_refused_with_the_nearest_one(name: str, nearest: str) -> None:
    ((rule, message),) = refusal(f"{name}=true")
    assert rule == "DRA980"
    assert f"'{name}'" in message
    assert message.endswith(f"the nearest one is {nearest}")


def test_a_gate_unlike_any_other_is_refused_with_the_whole_list() -> None:
    ((rule, message),) = refusal("Quux=true")
    assert rule == "DRA980"
    assert all(gate in message for gate in SPECS)


@pytest.mark.parametrize("value", ["yes", "1", "t", "on", "", '"true"', "true=false"])
def test_a_value_that_is_no_boolean_is_refused_by_name(value: str) -> None:
    ((rule, message),) = refusal(f"MPSSupport={value}")
    assert rule == "DRA980"
    assert "MPSSupport" in message
    assert f"'{value}'" in message


def test_a_gate_without_a_value_is_refused() -> None:
    ((rule, message),) = refusal("MPSSupport")
    assert rule == "DRA980"
    assert "MPSSupport takes true or false, not nothing" in message


def test_all_reasons_are_given_at_once() -> None:
    text = "Quux=true,MPSSupport=true,DynamicMIG=true,DeviceMetadata=true,ConsumableShares=yes"
    rules = [rule for rule, _ in refusal(text, "maybe")]
    assert sorted(rules) == ["DRA980", "DRA980", "DRA980", "DRA981", "DRA982"]


@pytest.mark.parametrize("value", ["true", "TRUE", "True", " true "])
def test_the_variable_switches_fabric_support_on(value: str) -> None:
    resolved = resolve("", value)
    assert resolved.gates.enabled == DEFAULTS | {FeatureGate.FABRIC_TOPOLOGY_SUPPORT}
    assert not resolved.warnings


@pytest.mark.parametrize("value", [None, "", "  ", "false", "FALSE"])
def test_the_variable_otherwise_says_nothing(value: str | None) -> None:
    assert resolve("", value).gates == FeatureGates()
    for text in ("FabricTopologySupport=true", "FabricTopologySupport=false"):
        resolved = resolve(text, value)
        assert resolved.gates == FeatureGates.parse(text)
        assert not resolved.warnings


@pytest.mark.parametrize("value", ["1", "yes", "on", "enabled", "true,false"])
def test_any_other_value_of_the_variable_is_refused(value: str) -> None:
    ((rule, message),) = refusal("", value)
    assert rule == "DRA980"
    assert message == f"FABRIC_TOPOLOGY_SUPPORT takes true or false, not '{value}'"


def test_the_gate_list_beats_the_variable_with_a_warning() -> None:
    resolved = resolve("FabricTopologySupport=false", "true")
    assert resolved.gates == FeatureGates()
    (warning,) = resolved.warnings
    assert (warning.rule, warning.severity) == ("DRA990", Severity.WARNING)


def test_the_gate_list_and_the_variable_may_agree() -> None:
    resolved = resolve("FabricTopologySupport=true", "true")
    assert FeatureGate.FABRIC_TOPOLOGY_SUPPORT in resolved.gates
    assert not resolved.warnings


def test_the_variable_beats_all_alpha_false() -> None:
    resolved = resolve("AllAlpha=false", "true")
    assert FeatureGate.FABRIC_TOPOLOGY_SUPPORT in resolved.gates


possible_gates = (
    st.sets(st.sampled_from(sorted(ALPHA)))
    .map(lambda alpha: FeatureGates(frozenset(BETA | alpha)))
    .filter(
        lambda gates: all(
            spec.requires <= gates.enabled and not spec.excludes & gates.enabled
            for gate, spec in SPECS.items()
            if gate in gates
        )
    )
)


@given(possible_gates)
def test_the_text_of_gates_parses_back_to_the_same_gates(gates: FeatureGates) -> None:
    assert FeatureGates.parse(str(gates)) == gates


def test_the_text_of_the_defaults_is_empty_and_every_other_names_only_the_difference() -> None:
    assert str(FeatureGates()) == ""
    gates = FeatureGates.parse("AllBeta=false,MPSSupport=true")
    assert str(gates) == (
        "MPSSupport=true,IMEXDaemonsWithDNSNames=false,ComputeDomainCliques=false,"
        "CrashOnNVLinkFabricErrors=false"
    )
    assert FeatureGates.parse(str(gates)) == gates


entries = st.builds(
    "{}={}".format,
    st.sampled_from([*SPECS, "AllAlpha", "AllBeta"]),
    st.sampled_from(["true", "false"]),
)


@given(st.lists(entries, max_size=8))
def test_gates_that_come_out_always_fit_each_other(texts: list[str]) -> None:
    text = ",".join(texts)
    refused = reasons(text)
    assert set(refused) <= {"DRA981", "DRA982", "DRA983"}
    enabled = DEFAULTS if refused else FeatureGates.parse(text).enabled
    for gate in enabled:
        assert SPECS[gate].requires <= enabled
        assert not SPECS[gate].excludes & enabled


@given(st.text(max_size=60), st.none() | st.text(max_size=10))
def test_any_text_gives_gates_or_reasons(text: str, variable: str | None) -> None:
    assert set(reasons(text, variable)) <= {"DRA980", "DRA981", "DRA982", "DRA983"}
