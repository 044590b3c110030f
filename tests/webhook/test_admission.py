"""The real verdict, from the bytes of a review to the bytes of its answer.

The rows D1 to D16 are those of the list of the reference driver's weaknesses.
"""

import json
from dataclasses import replace
from typing import Any

import pytest

from dra_config.claims import CONFIG_LISTS, SERVED_VERSIONS
from dra_config.gates import FeatureGates
from dra_config.scheme import COMPUTE_DOMAIN_DRIVER, GPU_DRIVER
from dra_config.violations import render_field
from tests.webhook.asked import (
    POLICY,
    V1BETA1,
    a_review,
    an_object,
    answer,
    asked,
    config,
    domain_entry,
    entry,
    rules,
    warned,
)
from webhook.admission import Policy
from webhook.admission import review as judge
from webhook.review import read_review

UID = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
FIELD = "spec.devices.config[0].opaque.parameters"
ALL_GATES = Policy(
    drivers=POLICY.drivers,
    gates=FeatureGates.parse(
        "TimeSlicingSettings=true,MPSSupport=true,PassthroughSupport=true,"
        "FabricTopologySupport=true"
    ),
)
TIME_SLICING = {"strategy": "TimeSlicing"}
BAD = config(sharing={"strategy": "Sometimes"})
LEGACY = {"apiVersion": "gpu.nvidia.com/v1alpha1", "kind": "GpuConfig"}


def mps(**settings: Any) -> dict[str, Any]:
    return {"strategy": "MPS", "mpsConfig": settings}


def channel(**fields: Any) -> dict[str, Any]:
    return config("ComputeDomainChannelConfig", **fields)


# ------------------------------------------------------------------ what is good is let in

ACCEPTED = {
    "empty time slicing (D1)": entry(config(sharing={**TIME_SLICING, "timeSlicingConfig": {}})),
    "null interval (D1)": entry(
        config(sharing={**TIME_SLICING, "timeSlicingConfig": {"interval": None}})
    ),
    "nothing but the kind": entry(config()),
    "null sharing": entry(config(sharing=None)),
    "MPS": entry(config(sharing=mps(defaultPinnedDeviceMemoryLimit="8Gi"))),
    "MIG": entry(config("MigDeviceConfig", sharing=mps(defaultActiveThreadPercentage=50))),
    "channel (D4)": domain_entry(channel(domainID=UID)),
    "daemon (D4)": domain_entry(config("ComputeDomainDaemonConfig", domainID=UID)),
    "garbage of another vendor": entry({"garbage": [1]}, "gpu.example.com"),
    "no opaque config": '{"requests": ["gpu"]}',
}


@pytest.mark.parametrize("case", ACCEPTED)
@pytest.mark.parametrize("version", SERVED_VERSIONS)
@pytest.mark.parametrize("kind", CONFIG_LISTS)
def test_good_configs_pass_in_silence_in_every_kind_and_version(
    case: str, kind: str, version: str
) -> None:
    """D1, D4 and D5: defaults are filled in, both drivers and classes are judged."""
    response = asked(ACCEPTED[case], kind=kind, version=version)
    assert response == {"uid": "uid-1", "allowed": True}


# ------------------------------------------------------------------ what is bad is refused

REFUSED: dict[str, tuple[str, dict[str, str]]] = {
    "time slicing with percentage 500 (D12)": (
        entry(
            config(sharing={**TIME_SLICING, "mpsConfig": {"defaultActiveThreadPercentage": 500}})
        ),
        {
            "DRA108": "sharing.mpsConfig.defaultActiveThreadPercentage",
            "DRA103": "sharing.mpsConfig",
        },
    ),
    "MPS with a bogus interval (D12)": (
        entry(config(sharing={"strategy": "MPS", "timeSlicingConfig": {"interval": "Bogus"}})),
        {
            "DRA107": "sharing.timeSlicingConfig.interval",
            "DRA104": "sharing.timeSlicingConfig",
        },
    ),
    "limit below a mebibyte (D12)": (
        entry(config(sharing=mps(defaultPinnedDeviceMemoryLimit="1Ki"))),
        {"DRA111": "sharing.mpsConfig.defaultPinnedDeviceMemoryLimit"},
    ),
    "negative limit (D12)": (
        entry(config(sharing=mps(defaultPinnedDeviceMemoryLimit="-1Gi"))),
        {"DRA111": "sharing.mpsConfig.defaultPinnedDeviceMemoryLimit"},
    ),
    "device that is none (D12)": (
        entry(config(sharing=mps(defaultPerDevicePinnedMemoryLimit={"banana": "1Gi"}))),
        {"DRA115": "sharing.mpsConfig.defaultPerDevicePinnedMemoryLimit[banana]"},
    ),
    "domain config for the GPU driver (D3)": (
        entry(channel(domainID="x", allocationMode="bogus")),
        {"DRA806": "allocationMode", "DRA802": "domainID", "DRA008": "kind"},
    ),
    "garbage for the domain driver (D4)": (
        domain_entry({"garbage": 1}),
        {"DRA004": "apiVersion", "DRA005": "kind"},
    ),
    "GPU config for the domain driver (D3)": (domain_entry(config()), {"DRA008": "kind"}),
    "no domain (D4)": (domain_entry(channel()), {"DRA801": "domainID"}),
    "path as domain (D15)": (
        domain_entry(channel(domainID="../../etc/shadow")),
        {"DRA802": "domainID"},
    ),
    "VFIO without its gate (D2)": (entry(config("VfioDeviceConfig")), {"DRA301": "kind"}),
    "fabric without its gate": (
        entry(config(fabricTopologyConfig={"strategy": "Auto"})),
        {"DRA401": "fabricTopologyConfig"},
    ),
    "object of its own (D16)": (entry(config("ComputeDomain")), {"DRA009": "kind"}),
    "kind of somebody else (D16)": (entry(config("DeleteOptions")), {"DRA007": "kind"}),
    "unknown version": (
        entry({"apiVersion": "v1", "kind": "GpuConfig"}),
        {"DRA006": "apiVersion"},
    ),
    "no kind": (entry({"apiVersion": V1BETA1}), {"DRA005": "kind"}),
    "no version": (entry({"kind": "GpuConfig"}), {"DRA004": "apiVersion"}),
    "null parameters": (entry(None), {"DRA002": ""}),
    "no parameters": ('{"opaque": {"driver": "gpu.nvidia.com"}}', {"DRA002": ""}),
    "text": (entry('"str"'), {"DRA002": ""}),
    "number": (entry(5), {"DRA002": ""}),
    "empty list": (entry([]), {"DRA002": ""}),
    "list": (entry([{}]), {"DRA002": ""}),
    "number beyond all floats as kind": (
        entry(f'{{"apiVersion": "{V1BETA1}", "kind": 1e400}}'),
        {"DRA013": "kind"},
    ),
    "wrong case": (entry(config(Sharing={})), {"DRA012": "Sharing"}),
    "unknown field": (entry(config(profile="1g.5gb")), {"DRA010": "profile"}),
    "repeated key": (
        entry(f'{{"apiVersion": "{V1BETA1}", "kind": "MigDeviceConfig", "kind": "GpuConfig"}}'),
        {"DRA011": "kind"},
    ),
    "key that is repeated in another spelling": (
        entry(f'{{"apiVersion": "{V1BETA1}", "k\\u0069nd": "GpuConfig", "kind": "GpuConfig"}}'),
        {"DRA011": "kind"},
    ),
    "larger than the API server stores": (
        entry(config(sharing=None, padding="x" * 11_000)),
        {"DRA003": ""},
    ),
    "deeply nested": (
        entry(f'{{"apiVersion": "{V1BETA1}", "kind": {"[" * 40}{"]" * 40}}}'),
        {"DRA001": ""},
    ),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("kind", CONFIG_LISTS)
def test_every_mistake_is_a_cause_with_its_rule_and_its_field(case: str, kind: str) -> None:
    """D2 to D5, D10, D12, D15 and D16: one place for all that is wrong, with its full path."""
    bad, expected = REFUSED[case]
    response = asked(entry(config()), bad, kind=kind)
    assert rules(response) == list(expected)
    assert warned(response) == []
    start = f"{render_field(CONFIG_LISTS[kind])}[1].opaque.parameters"
    status = response["status"]
    causes = status["details"]["causes"]
    assert [cause["field"] for cause in causes] == [
        f"{start}.{field}" if field else start for field in expected.values()
    ]
    assert (status["code"], status["reason"], status["status"]) == (422, "Invalid", "Failure")
    assert (status["details"]["kind"], status["details"]["name"]) == (kind, "x")
    assert response["auditAnnotations"] == {"rules": ",".join(expected)}
    leaks = ("Traceback", "pydantic", "Go value", "struct {", "scheme ", "api.go", "msgspec")
    assert not any(leak in json.dumps(response) for leak in leaks)


def test_the_refusal_of_an_unknown_kind_lists_those_that_there_are() -> None:
    """D16: the reference driver's answer names its own source file instead."""
    (cause,) = asked(entry(config("Nonsense")))["status"]["details"]["causes"]
    for kind in ("GpuConfig", "MigDeviceConfig", "VfioDeviceConfig", "FabricTopologyConfig"):
        assert kind in cause["message"]


def test_a_gate_decides_about_vfio_and_the_refusal_names_it() -> None:
    """D2: the reference driver refuses every VfioDeviceConfig, with its gate on as well."""
    vfio = entry(config("VfioDeviceConfig"))
    (cause,) = asked(vfio)["status"]["details"]["causes"]
    assert "PassthroughSupport" in cause["message"]
    assert asked(vfio, policy=ALL_GATES) == {"uid": "uid-1", "allowed": True}
    fabric = entry(config(fabricTopologyConfig={"strategy": "Auto"}))
    assert asked(fabric, policy=ALL_GATES) == {"uid": "uid-1", "allowed": True}


def test_what_was_sound_under_other_gates_is_judged_anew() -> None:
    """The policy remembers sound configs, and each policy only its own."""
    fabric = entry(config(fabricTopologyConfig={"strategy": "Auto"}))
    for _ in range(2):
        assert asked(fabric, policy=ALL_GATES)["allowed"]
        assert rules(asked(fabric, policy=replace(ALL_GATES, gates=POLICY.gates))) == ["DRA401"]


def test_a_driver_that_is_not_served_is_left_to_others() -> None:
    only_domains = Policy(frozenset({COMPUTE_DOMAIN_DRIVER}), POLICY.gates)
    response = asked(entry({"garbage": 1}), domain_entry({}), policy=only_domains)
    assert rules(response) == ["DRA004", "DRA005"]
    fields = [cause["field"] for cause in response["status"]["details"]["causes"]]
    assert all(field.startswith("spec.devices.config[1].") for field in fields)


def test_the_last_of_two_config_lists_counts_as_it_does_for_the_api_server() -> None:
    """An API server writes the review from a typed object, so it never sends two lists."""
    beside = f'"config": [{entry(BAD)}], '
    new = an_object([entry(config())], beside=beside)
    assert answer(a_review(new))["allowed"]
    swapped = an_object([entry(BAD)], beside=f'"config": [{entry(config())}], ')
    assert rules(answer(a_review(swapped))) == ["DRA101"]


def test_every_config_of_the_longest_list_is_judged_in_order() -> None:
    """D10: all causes of all 32 configs, and a message that stays readable."""
    wrong = config(sharing={"strategy": "Sometimes", "mpsConfig": {"multiuser": True}}, more=1)
    response = asked(*(entry(wrong) for _ in range(32)))
    causes = response["status"]["details"]["causes"]
    assert len(causes) == 32 * 3
    indices = [int(cause["field"].split("[")[1].split("]")[0]) for cause in causes]
    assert indices == sorted(indices)
    assert set(indices) == set(range(32))
    assert sorted(set(rules(response))) == ["DRA010", "DRA012", "DRA101"]
    assert set(response["auditAnnotations"]["rules"].split(",")) == set(rules(response))
    assert len(response["status"]["message"]) < 4096
    assert response["status"]["message"].endswith("; and 86 more")


# -------------------------------------------------------------------------- warnings


def test_an_old_version_passes_with_a_short_warning_that_names_the_command() -> None:
    """D16: older versions are read, and the user hears how to leave them."""
    field = f"{FIELD}.apiVersion"
    assert asked(entry(LEGACY)) == {
        "uid": "uid-1",
        "allowed": True,
        "warnings": [f"DRA015 {field}: old version; rewrite it with `dra-config convert`"],
        "auditAnnotations": {"rules": "DRA015"},
    }


@pytest.mark.parametrize(
    "parameters",
    [
        LEGACY,
        {"apiVersion": "gpu.resource.nvidia.com/v1alpha1", "kind": "GpuConfiguration"},
        {"apiVersion": "nvidia.com/v1beta1", "kind": "GpuConfig"},
    ],
)
@pytest.mark.parametrize("kind", CONFIG_LISTS)
def test_no_warning_of_an_old_version_is_longer_than_the_api_asks_for(
    kind: str, parameters: dict[str, str]
) -> None:
    response = asked(*(entry(parameters) for _ in range(32)), kind=kind, policy=ALL_GATES)
    assert response["allowed"]
    assert len(response["warnings"]) == 32
    for warning in response["warnings"]:
        assert len(warning) <= 120
        assert warning.startswith(f"DRA015 {render_field(CONFIG_LISTS[kind])}[")
        assert "dra-config convert" in warning


@pytest.mark.parametrize(
    ("driver", "rule"),
    [
        ("GPU.nvidia.com", "DRA920"),
        ("Compute-Domain.nvidia.com", "DRA920"),
        ("nvidia.com", "DRA022"),
        ("gpu.nvidia.co", "DRA022"),
        ("gpux.nvidia.com", "DRA022"),
        ("compute-domains.nvidia.com", "DRA022"),
    ],
)
def test_a_driver_that_is_called_almost_like_ours_gives_a_warning(driver: str, rule: str) -> None:
    """Nobody would read that config, and the reference driver lets it in without a word."""
    response = asked(entry({"garbage": 1}, driver))
    assert response["allowed"]
    assert warned(response) == [rule]
    (warning,) = response["warnings"]
    assert driver in warning
    assert "write " in warning
    assert response["auditAnnotations"] == {"rules": rule}


@pytest.mark.parametrize(
    "driver",
    ["gpu.intel.com", "gpu.amd.com", "gpu.example.com", "gaudi.intel.com", "tpu.google.com"],
)
def test_the_drivers_of_others_pass_in_silence(driver: str) -> None:
    response = asked(entry({"garbage": 1}, driver), entry(None, driver))
    assert response == {"uid": "uid-1", "allowed": True}


def test_a_setting_without_effect_gives_a_warning() -> None:
    """D13: time slicing on a MIG device does nothing, and the reference driver is silent."""
    response = asked(entry(config("MigDeviceConfig", sharing=TIME_SLICING)))
    assert response["allowed"]
    assert warned(response) == ["DRA106"]
    assert len(response["warnings"][0]) <= 120


def test_warnings_go_along_with_a_refusal_and_refusals_are_named_first() -> None:
    response = asked(entry(LEGACY), entry(BAD))
    assert rules(response) == ["DRA101"]
    assert warned(response) == ["DRA015"]
    assert response["auditAnnotations"] == {"rules": "DRA101,DRA015"}


# ----------------------------------------------------------------------------- metrics


@pytest.mark.parametrize(
    ("made", "labels"),
    [
        (entry(BAD), (GPU_DRIVER, "GpuConfig")),
        (domain_entry(channel()), (COMPUTE_DOMAIN_DRIVER, "ComputeDomainChannelConfig")),
        (entry(config('Evil"} 1\n')), (GPU_DRIVER, "other")),
        (entry(config("gpuconfig")), (GPU_DRIVER, "other")),
        (entry('{"kind": ["GpuConfig"]}'), (GPU_DRIVER, "other")),
        (entry("[]"), (GPU_DRIVER, "other")),
        (entry(None), (GPU_DRIVER, "other")),
    ],
)
def test_what_is_counted_is_never_the_users_own_text(made: str, labels: tuple[str, str]) -> None:
    """D9: whoever may write claims could else fill the memory of whoever stores the metrics."""
    decision = judge(read_review(a_review(an_object([made]))), POLICY)
    assert {(found.driver, found.kind) for found in decision.violations} == {labels}


def test_a_driver_of_ours_in_capitals_counts_as_other() -> None:
    new = an_object([entry({"garbage": 1}, "GPU.nvidia.com")])
    (found,) = judge(read_review(a_review(new)), POLICY).warnings
    assert (found.driver, found.kind) == ("other", "other")
