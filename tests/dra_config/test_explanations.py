"""A refusal says everything at once, says it once, and points at the right place."""

import json
from typing import Any

import pytest

from dra_config.gates import FeatureGates
from dra_config.loading import Examined, examine, load
from dra_config.violations import InvalidConfig, MapKey, Target

V1BETA1 = "resource.nvidia.com/v1beta1"
CD_DRIVER = "compute-domain.nvidia.com"
UID = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
GATES = FeatureGates.parse(
    "TimeSlicingSettings=true,MPSSupport=true,PassthroughSupport=true,FabricTopologySupport=true"
)
VALUE, KEY, PARENT = Target.VALUE, Target.KEY, Target.PARENT


def judged(
    kind: str, *, driver: str = "gpu.nvidia.com", version: str = V1BETA1, **fields: Any
) -> Examined:
    text = json.dumps({"apiVersion": version, "kind": kind, **fields})
    return examine(text, driver=driver, gates=GATES)


def judged_text(fields: str, kind: str = "GpuConfig") -> Examined:
    text = f'{{"apiVersion": "{V1BETA1}", "kind": "{kind}", {fields}}}'
    return examine(text, gates=GATES)


def places(examined: Examined) -> set[tuple[str, str, Target]]:
    """Return rule, field and target of every violation; each stands there once."""
    found = [(v.rule, v.field, v.target) for v in examined.violations]
    assert len(set(found)) == len(found), found
    return set(found)


def only(examined: Examined) -> tuple[str, str, Target]:
    (place,) = places(examined)
    return place


def message(examined: Examined) -> str:
    (violation,) = examined.violations
    return violation.message


def mps(**settings: Any) -> dict[str, Any]:
    return {"strategy": "MPS", "mpsConfig": settings}


def test_everything_that_is_wrong_is_said_at_once_each_at_its_own_place() -> None:
    found = judged(
        "GpuConfig",
        metadata={},
        sharing={
            "strategy": "MPS",
            "timeSlicingConfig": {"interval": "short"},
            "mpsConfig": {
                "defaultActiveThreadPercentage": 120,
                "defaultPinnedDeviceMemoryLimit": "10GB",
                "defaultPerDevicePinnedMemoryLimit": {"01": "2Gi", "1": "512Ki", "2": None},
                "multiUser": "yes",
                "MultiUser": True,
            },
        },
        fabricTopologyConfig={"strategy": "Auto", "partitionSize": 3, "minBandwidth": -1},
    )
    settings = "sharing.mpsConfig"
    limits = f"{settings}.defaultPerDevicePinnedMemoryLimit"
    assert found.config is None
    assert places(found) == {
        ("DRA010", "metadata", KEY),
        ("DRA104", "sharing.timeSlicingConfig", KEY),
        ("DRA107", "sharing.timeSlicingConfig.interval", VALUE),
        ("DRA108", f"{settings}.defaultActiveThreadPercentage", VALUE),
        ("DRA110", f"{settings}.defaultPinnedDeviceMemoryLimit", VALUE),
        ("DRA115", f"{limits}[01]", KEY),
        ("DRA111", f"{limits}[1]", VALUE),
        ("DRA111", f"{limits}[2]", VALUE),
        ("DRA013", f"{settings}.multiUser", VALUE),
        ("DRA012", f"{settings}.MultiUser", KEY),
        ("DRA409", "fabricTopologyConfig.partitionSize", VALUE),
        ("DRA412", "fabricTopologyConfig.minBandwidth", VALUE),
        ("DRA414", "fabricTopologyConfig.strategy", VALUE),
    }


def test_the_exception_carries_what_examine_returns_warnings_included() -> None:
    text = json.dumps(
        {
            "apiVersion": V1BETA1,
            "kind": "GpuConfig",
            "sharing": mps(defaultActiveThreadPercentage=0, defaultPinnedDeviceMemoryLimit="1k"),
        }
    )
    with pytest.raises(InvalidConfig) as refusal:
        load(text, gates=GATES)
    assert refusal.value.violations == examine(text, gates=GATES).violations
    assert [v.rule for v in refusal.value.violations] == ["DRA109", "DRA111"]
    for violation in refusal.value.violations:
        assert f"{violation.field}: {violation.message} ({violation.rule})" in str(refusal.value)


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"x": 1}, ("DRA010", "x", KEY)),
        ({"Sharing": {}}, ("DRA012", "Sharing", KEY)),
        ({"sharing": {}}, ("DRA101", "sharing.strategy", PARENT)),
        ({"sharing": {"strategy": None}}, ("DRA101", "sharing.strategy", PARENT)),
        ({"sharing": {"strategy": ""}}, ("DRA101", "sharing.strategy", VALUE)),
        ({"sharing": []}, ("DRA013", "sharing", VALUE)),
        (
            {"sharing": {"strategy": "TimeSlicing", "mpsConfig": {}}},
            ("DRA103", "sharing.mpsConfig", KEY),
        ),
        (
            {"fabricTopologyConfig": {"strategy": "Manual"}},
            ("DRA404", "fabricTopologyConfig.partitionIDs", PARENT),
        ),
        (
            {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": []}},
            ("DRA404", "fabricTopologyConfig.partitionIDs", VALUE),
        ),
        (
            {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": ["a", "b", " "]}},
            ("DRA405", "fabricTopologyConfig.partitionIDs[2]", VALUE),
        ),
        (
            {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": ["a", None, "b"]}},
            ("DRA405", "fabricTopologyConfig.partitionIDs[1]", VALUE),
        ),
        (
            {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": ["a", "b", "a"]}},
            ("DRA406", "fabricTopologyConfig.partitionIDs[2]", VALUE),
        ),
        (
            {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": ["a", 7]}},
            ("DRA013", "fabricTopologyConfig.partitionIDs[1]", VALUE),
        ),
        (
            {"fabricTopologyConfig": {"partitionIDs": ["a"]}},
            ("DRA403", "fabricTopologyConfig.partitionIDs", KEY),
        ),
        (
            {"sharing": {"strategy": "MPS"}, "fabricTopologyConfig": {}},
            ("DRA414", "fabricTopologyConfig.strategy", PARENT),
        ),
    ],
    ids=str,
)
def test_a_violation_points_at_the_key_the_value_or_the_parent(
    fields: dict[str, Any], place: tuple[str, str, Target]
) -> None:
    assert only(judged("GpuConfig", **fields)) == place


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"kind": "GpuConfig"}', ("DRA004", "apiVersion", PARENT)),
        ('{"apiVersion": null, "kind": "GpuConfig"}', ("DRA004", "apiVersion", PARENT)),
        ('{"apiVersion": "", "kind": "GpuConfig"}', ("DRA004", "apiVersion", VALUE)),
        (f'{{"apiVersion": "{V1BETA1}"}}', ("DRA005", "kind", PARENT)),
        (f'{{"apiVersion": "{V1BETA1}", "kind": ["x"]}}', ("DRA013", "kind", VALUE)),
        (f'{{"apiVersion": "{V1BETA1}", "Kind": "GpuConfig"}}', ("DRA012", "Kind", KEY)),
        (f'{{"apiVersion": "{V1BETA1}", "kind": "Pod"}}', ("DRA007", "kind", VALUE)),
        ('{"apiVersion": "apps/v1", "kind": "GpuConfig"}', ("DRA006", "apiVersion", VALUE)),
        ('{"apiVersion": "v1", "kind": "List"}', ("DRA009", "kind", VALUE)),
        ("[]", ("DRA002", "", VALUE)),
        ("{", ("DRA001", "", VALUE)),
        (" " * 10241, ("DRA003", "", VALUE)),
    ],
    ids=lambda part: str(part)[:60],
)
def test_a_header_that_is_wrong_is_one_violation(
    text: str, place: tuple[str, str, Target]
) -> None:
    assert only(examine(text, gates=GATES)) == place


def test_the_key_of_a_map_is_marked_as_the_users_own() -> None:
    found = judged("GpuConfig", sharing=mps(defaultPerDevicePinnedMemoryLimit={"a.b": "2Gi"}))
    (violation,) = found.violations
    assert violation.field == "sharing.mpsConfig.defaultPerDevicePinnedMemoryLimit[a.b]"
    assert isinstance(violation.path[-1], MapKey)
    assert not any(isinstance(part, MapKey) for part in violation.path[:-1])


def test_a_repeated_key_is_told_with_the_number_of_its_occurrence() -> None:
    found = judged_text('"sharing": null, "sharing": null, "sharing": null')
    assert [(v.rule, v.field, v.target, v.occurrence) for v in found.violations] == [
        ("DRA011", "sharing", KEY, 1),
        ("DRA011", "sharing", KEY, 2),
    ]


def test_a_repeated_device_key_is_told_as_a_key_of_the_map() -> None:
    limits = '"defaultPerDevicePinnedMemoryLimit": {"0": "2Gi", "1": "2Gi", "0": "4Gi"}'
    found = judged_text(f'"sharing": {{"strategy": "MPS", "mpsConfig": {{{limits}}}}}')
    field = "sharing.mpsConfig.defaultPerDevicePinnedMemoryLimit[0]"
    (violation,) = found.violations
    assert (violation.rule, violation.field, violation.occurrence) == ("DRA011", field, 1)
    assert isinstance(violation.path[-1], MapKey)


@pytest.mark.parametrize(
    "fields",
    [
        {"sharing": {"strategy": "mps", "mpsConfig": {}}},
        {"sharing": {"strategy": "timeslicing", "mpsConfig": {}}},
        {"sharing": {"strategy": "mps"}, "fabricTopologyConfig": {"strategy": "Auto"}},
        {"sharing": {"strategy": "MPS"}, "fabricTopologyConfig": {"strategy": "auto"}},
        {"sharing": {"strategy": 5, "timeSlicingConfig": {"interval": "Long"}}},
        {"fabricTopologyConfig": {"strategy": "manual", "partitionIDs": ["a"]}},
        {"fabricTopologyConfig": {"strategy": "disabled", "minBandwidth": 1}},
        {"fabricTopologyConfig": {"strategy": "x", "virtualizationModel": "VGPU"}},
        {"fabricTopologyConfig": {"strategy": "Disabled", "partitionSize": "2"}},
        {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": [1]}},
        {"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": "a"}},
        {"fabricTopologyConfig": "Auto"},
        {"sharing": "MPS"},
    ],
    ids=json.dumps,
)
def test_one_mistake_gives_one_message(fields: dict[str, Any]) -> None:
    """Rules that would lean on a value that cannot be read are silent."""
    only(judged("GpuConfig", **fields))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ('"sharing": {}', "sharing takes an object"),
        ('"sharing": {"strategy": {}}', "strategy takes one of TimeSlicing, MPS"),
        ('"sharing": {"strategy": "MPS", "mpsConfig": {"multiUser": {}}}', "multiUser takes true"),
        ('"fabricTopologyConfig": {"partitionIDs": {}}', "partitionIDs takes a list"),
        ('"fabricTopologyConfig": {"partitionIDs": [{}]}', "partitionIDs takes a text"),
    ],
    ids=lambda part: part[:50],
)
@pytest.mark.parametrize("number", ["5", "1.5", "9223372036854775808", "9" * 400], ids=len)
def test_a_number_of_any_size_where_none_belongs_is_told_what_does(
    fields: str, expected: str, number: str
) -> None:
    """Only where a whole number is wanted is one told that it is too large."""
    found = judged_text(fields.replace("{}", number))
    assert [violation.rule for violation in found.violations] == ["DRA013"]
    assert expected in message(found)
    assert "64 bits" not in message(found)


@pytest.mark.parametrize("number", ["9223372036854775808", "9" * 400], ids=len)
def test_a_whole_number_of_more_than_64_bits_is_told_so(number: str) -> None:
    settings = f'"mpsConfig": {{"defaultActiveThreadPercentage": {number}}}'
    found = judged_text(f'"sharing": {{"strategy": "MPS", {settings}}}')
    assert [violation.rule for violation in found.violations] == ["DRA013"]
    assert "does not fit into 64 bits" in message(found)


def test_a_header_in_the_wrong_case_and_of_the_wrong_type_points_at_what_is_there() -> None:
    found = examine('{"kind": "GpuConfig", "APIVERSION": 5}', gates=GATES)
    assert {violation.field for violation in found.violations} == {"APIVERSION"}


def test_a_kind_with_an_unreadable_strategy_asks_for_no_gate() -> None:
    text = {"apiVersion": V1BETA1, "kind": "FabricTopologyConfig", "strategy": "auto"}
    found = examine(json.dumps(text), gates=FeatureGates())
    assert only(found) == ("DRA402", "strategy", VALUE)


def test_a_kind_of_another_version_is_one_mistake() -> None:
    """The fields are those of the version that has the kind."""
    found = judged("VfioDeviceConfig", version="gpu.nvidia.com/v1alpha1", iommu={})
    assert [v.rule for v in found.violations if v.severity == "error"] == ["DRA007"]
    assert V1BETA1 in found.violations[0].message


def test_a_version_that_never_was_is_one_mistake() -> None:
    for version in ("resource.nvidia.com/v1", "resource.nvidia.com/v1alpha1", "gpu.nvidia.com/v1"):
        found = judged("GpuConfig", version=version)
        assert only(found) == ("DRA006", "apiVersion", VALUE)
        assert V1BETA1 in message(found)


def test_no_warning_speaks_of_a_version_that_is_not_in_the_text() -> None:
    found = judged("GpuConfig", version="gpu.nvidia.com/v1beta2")
    assert "DRA015" not in {v.rule for v in found.violations}


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        ({"sharing": {"strategy": "mps"}}, "the nearest is MPS"),
        ({"sharing": {"strategy": "TimeSliced"}}, "the nearest is TimeSlicing"),
        (
            {"sharing": {"strategy": "TimeSlicing", "timeSlicingConfig": {"interval": "short"}}},
            "the nearest is Short",
        ),
        ({"fabricTopologyConfig": {"strategy": "auto"}}, "the nearest is Auto"),
        ({"fabricTopologyConfig": {"virtualizationModel": "vgpu"}}, "the nearest is VGPU"),
        ({"sharingg": {}}, "the nearest one is sharing"),
        ({"fabric_topology_config": {}}, "the nearest one is fabricTopologyConfig"),
        (
            {"sharing": mps(defaultPinnedMemoryLimit="4Gi")},
            "the nearest one is defaultPinnedDeviceMemoryLimit",
        ),
        ({"sharing": mps(multiuser=True)}, "write multiUser"),
    ],
    ids=str,
)
def test_a_near_miss_is_met_with_the_nearest_right_word(fields: dict[str, Any], hint: str) -> None:
    assert message(judged("GpuConfig", **fields)).endswith(hint)


@pytest.mark.parametrize(
    ("kind", "hint"),
    [
        ("gpuconfig", "the nearest is GpuConfig"),
        ("MigDeviceConf", "the nearest is MigDeviceConfig"),
        ("VFIODeviceConfig", "the nearest is VfioDeviceConfig"),
        ("FabricTopology", "the nearest is FabricTopologyConfig"),
    ],
)
def test_a_misspelt_kind_is_met_with_the_nearest_kind_of_the_driver(kind: str, hint: str) -> None:
    found = judged(kind)
    assert only(found) == ("DRA007", "kind", VALUE)
    assert message(found).endswith(hint)


def test_the_fields_behind_a_misspelt_kind_are_judged_too() -> None:
    found = judged("gpuconfig", sharing={"strategy": "mps"})
    assert places(found) == {("DRA007", "kind", VALUE), ("DRA101", "sharing.strategy", VALUE)}


def test_a_wrong_case_key_brings_the_right_spelling_as_a_suggestion() -> None:
    (violation,) = judged("GpuConfig", SHARING={}).violations
    assert (violation.rule, violation.suggestion) == ("DRA012", "sharing")


def test_a_rounded_limit_brings_the_whole_mebibytes_as_a_suggestion() -> None:
    (violation,) = judged(
        "GpuConfig", sharing=mps(defaultPinnedDeviceMemoryLimit="1500M")
    ).violations
    assert (violation.rule, violation.suggestion) == ("DRA112", "1430Mi")


def test_an_upper_case_uid_is_met_with_the_uid_in_lower_case() -> None:
    found = judged("ComputeDomainChannelConfig", driver=CD_DRIVER, domainID=UID.upper() + " ")
    assert message(found).endswith(f"here '{UID}'")


def test_an_old_version_brings_the_whole_new_text_as_a_suggestion() -> None:
    sharing = [{"strategy": "MPS", "mpsConfig": {"defaultPinnedDeviceMemoryLimit": "1024Mi"}}]
    found = judged("GpuConfiguration", version="gpu.resource.nvidia.com/v1alpha1", sharing=sharing)
    (violation,) = found.violations
    assert (violation.rule, violation.field) == ("DRA015", "apiVersion")
    assert json.loads(violation.suggestion) == {
        "apiVersion": V1BETA1,
        "kind": "GpuConfig",
        "sharing": {"strategy": "MPS", "mpsConfig": {"defaultPinnedDeviceMemoryLimit": "1Gi"}},
    }
    again = load(violation.suggestion, gates=GATES)
    assert (again.config, again.warnings) == (found.config, ())


def test_a_path_in_an_old_version_names_the_old_fields() -> None:
    sharing = [{"strategy": "MPS", "mpsConfig": {"defaultActiveThreadPercentage": 101}}]
    found = judged(
        "GpuConfiguration", version="gpu.resource.nvidia.com/v1alpha1", sharing=sharing, x=1
    )
    assert places(found) >= {
        ("DRA108", "sharing[0].mpsConfig.defaultActiveThreadPercentage", VALUE),
        ("DRA010", "x", KEY),
    }


def test_a_field_rule_in_an_old_version_names_the_old_fields_too() -> None:
    sharing = [{"strategy": "TimeSlicing", "mpsConfig": {}}]
    found = judged("GpuConfiguration", version="gpu.resource.nvidia.com/v1alpha1", sharing=sharing)
    assert ("DRA103", "sharing[0].mpsConfig", KEY) in places(found)


@pytest.mark.parametrize(
    ("kind", "fields", "place"),
    [
        ("GpuConfig", {"sharing": {"strategy": "MPS"}}, ("DRA102", "sharing.strategy", VALUE)),
        ("VfioDeviceConfig", {}, ("DRA301", "kind", VALUE)),
        ("FabricTopologyConfig", {}, ("DRA401", "kind", VALUE)),
        ("GpuConfig", {"fabricTopologyConfig": {}}, ("DRA401", "fabricTopologyConfig", KEY)),
    ],
    ids=lambda part: str(part)[:60],
)
def test_a_gate_that_is_off_is_an_error_and_an_unknown_one_a_note(
    kind: str, fields: dict[str, Any], place: tuple[str, str, Target]
) -> None:
    text = json.dumps({"apiVersion": V1BETA1, "kind": kind, **fields})
    off = examine(text, gates=FeatureGates())
    assert only(off) == place
    assert off.config is None
    unknown = examine(text, gates=None)
    ((rule, field, _),) = places(unknown)
    assert (rule, field) == place[:2]
    assert unknown.violations[0].severity == "note"
    assert unknown.config is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"a": 1} x', "line 1, column 10"),
        ('{\n  "a": 1,\n}', "line 3, column 1"),
        ('{"a": 1', "ends too early"),
        ("", "empty"),
        ('{"a": NaN}', "NaN"),
        ('{"a": "\\ud800"}', "surrogate"),
        ("[" * 100, "32 levels"),
    ],
)
def test_a_text_that_is_no_json_is_told_where_and_why(text: str, words: str) -> None:
    found = examine(text, gates=GATES)
    assert only(found) == ("DRA001", "", VALUE)
    assert words in message(found)


def test_bytes_that_are_no_utf8_are_told_by_their_place() -> None:
    found = examine(b'{"a": "\xff"}', gates=GATES)
    assert only(found) == ("DRA001", "", VALUE)
    assert message(found) == "byte 8 of the parameters is not UTF-8"


def test_a_long_value_is_shown_only_in_part() -> None:
    found = judged("GpuConfig", sharing={"strategy": "x" * 5000})
    assert len(message(found)) < 200


@pytest.mark.parametrize("value", ["it's", 'a "b"', "a\nb", "a\\b", "\u202eabc", "é"])
def test_a_value_is_shown_on_one_line_that_prints(value: str) -> None:
    text = message(judged("GpuConfig", sharing={"strategy": value}))
    assert "\n" not in text
    assert text.isprintable()
