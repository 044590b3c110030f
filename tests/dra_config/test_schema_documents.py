"""The JSON Schemas: sound, readable, and of the same opinion as the models."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from dra_config import scheme
from dra_config.catalogue import RULES, Judge, Severity
from dra_config.gates import FeatureGate, FeatureGates
from dra_config.loading import examine
from dra_config.quantity import WHITE_SPACE
from dra_config.rules.compute_domain_objects import judge_object
from dra_config.schema import INEXPRESSIBLE, OPAQUE_PARAMETERS, documents
from dra_config.v1beta1 import API_VERSION
from dra_config.violations import Violation
from dra_config.wire.text import NotJson, read, repeated_keys

DOCUMENTS = documents()
COMBINED = Draft202012Validator(DOCUMENTS[OPAQUE_PARAMETERS])
VALIDATORS = {path: Draft202012Validator(document) for path, document in DOCUMENTS.items()}
OBJECT_KINDS = ("ComputeDomain", "ComputeDomainClique")
DOMAIN = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
GATES = FeatureGates(
    frozenset(
        {
            FeatureGate.TIME_SLICING_SETTINGS,
            FeatureGate.MPS_SUPPORT,
            FeatureGate.PASSTHROUGH_SUPPORT,
            FeatureGate.FABRIC_TOPOLOGY_SUPPORT,
        }
    )
)
PARTS = {
    "DRA011": r"stands more than once",
    "DRA013": r"^-?\d+(\.0+|(\.0+)?[eE]\+?\d+) is a number with a fraction or an exponent",
    "DRA110": r"[eE][+-]?\d{19}\d*\W+ is not a quantity",
    "DRA111": r"is less than one mebibyte",
    "DRA852": r"is beyond the last place",
}
"""What the sentence says in the part of a rule that a schema cannot decide."""


def errors(parameters: str) -> list[Violation]:
    """Return the errors of the models, addressed to the driver that carries the kind."""
    try:
        tree = read(parameters)
    except NotJson:
        tree = None
    kind = tree.get("kind") if isinstance(tree, dict) else None
    carries = [name for name, driver in scheme.DRIVERS.items() if f"{kind}" in driver.kinds]
    driver = (carries or [scheme.GPU_DRIVER])[0]
    violations = examine(parameters, driver=driver, gates=GATES).violations
    return [violation for violation in violations if violation.severity is Severity.ERROR]


def beyond_schemas(violation: Violation) -> bool:
    """Say whether the table lists what the violation says."""
    limits = {limit.rule: limit for limit in INEXPRESSIBLE}
    if violation.rule not in limits:
        return False
    return (
        not limits[violation.rule].what
        or re.search(PARTS[violation.rule], violation.message) is not None
    )


def check_agreement(validator: Draft202012Validator, tree: Any, found: list[Violation]) -> None:
    """Fail where schema and models disagree, unless only rules of the table are broken."""
    accepted = validator.is_valid(tree)
    if accepted:
        assert all(map(beyond_schemas, found)), [(v.rule, v.message) for v in found]
    else:
        assert found, [error.message for error in validator.iter_errors(tree)]


def sub_schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from sub_schemas(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from sub_schemas(value)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_every_document_is_a_sound_schema_with_a_name_of_its_own(path: str) -> None:
    document = DOCUMENTS[path]
    Draft202012Validator.check_schema(document)
    assert document["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert document["$id"].startswith("urn:dra-config:schema:")
    assert sum(other["$id"] == document["$id"] for other in DOCUMENTS.values()) == 1
    assert document["title"]
    assert document["description"]


def test_there_is_a_document_for_every_kind_and_one_for_all() -> None:
    expected = {f"{version}/{kind}.json" for version, kind in scheme.MODELS}
    expected |= {f"{API_VERSION}/{kind}.json" for kind in OBJECT_KINDS}
    assert {*DOCUMENTS} == expected | {OPAQUE_PARAMETERS}


@pytest.mark.parametrize("path", DOCUMENTS)
def test_apiversion_and_kind_come_first_and_every_field_says_what_it_is(path: str) -> None:
    document = DOCUMENTS[path]
    assert [*document["properties"]][:2] == ["apiVersion", "kind"]
    definitions = [*document.get("$defs", {}).values(), document]
    for definition in definitions:
        for name, field in definition["properties"].items():
            assert field["description"], name
            assert "\n" not in field["description"], name
            assert "title" not in field, name


def test_old_versions_are_marked_and_the_served_one_is_not() -> None:
    for path, document in DOCUMENTS.items():
        old = path != OPAQUE_PARAMETERS and not path.startswith(f"{API_VERSION}/")
        assert document.get("deprecated", False) is old, path
    for name, definition in DOCUMENTS[OPAQUE_PARAMETERS]["$defs"].items():
        old = "." in name and not name.startswith("resource.nvidia.com.v1beta1.")
        assert definition.get("deprecated", False) is old, name


def test_units_stand_beside_the_numbers() -> None:
    units = {
        schema["x-unit"]
        for document in DOCUMENTS.values()
        for schema in sub_schemas(document)
        if isinstance(schema.get("x-unit"), str)
    }
    assert units == {"percent", "bytes", "GPUs", "GB/s", "ms", "nodes"}


def test_no_document_refers_to_another_one_or_holds_what_only_a_crd_can() -> None:
    text = json.dumps([*DOCUMENTS.values()])
    assert "x-kubernetes" not in text
    references = {
        schema["$ref"]
        for document in DOCUMENTS.values()
        for schema in sub_schemas(document)
        if isinstance(schema.get("$ref"), str)
    }
    assert references
    assert all(reference.startswith("#/$defs/") for reference in references)


@pytest.mark.parametrize("path", DOCUMENTS)
def test_the_examples_of_a_document_are_accepted_by_schema_and_models(path: str) -> None:
    examples = DOCUMENTS[path].get("examples", [])
    assert examples or path == OPAQUE_PARAMETERS
    for example in examples:
        assert VALIDATORS[path].is_valid(example)
        if example["kind"] in OBJECT_KINDS:
            assert not [*judge_object(example)]
        else:
            assert not errors(json.dumps(example))
            assert COMBINED.is_valid(example)


def test_the_table_names_rules_that_refuse_and_says_the_part_of_each() -> None:
    ids = [limit.rule for limit in INEXPRESSIBLE]
    assert ids == sorted(set(ids))
    assert all(RULES[rule].severity is Severity.ERROR for rule in ids)
    assert {limit.rule for limit in INEXPRESSIBLE if limit.what} == {*PARTS}


JUDGED = [
    rule
    for rule in RULES.values()
    if rule.severity is Severity.ERROR and Judge.PARAMETERS in rule.judges and rule.bad
]


@pytest.mark.parametrize("rule", JUDGED, ids=lambda rule: rule.id)
def test_a_schema_sees_what_the_catalogue_calls_bad_unless_the_table_says_otherwise(
    rule: Any,
) -> None:
    listed = rule.id in {limit.rule for limit in INEXPRESSIBLE} - {"DRA013", "DRA110"}
    assert COMBINED.is_valid(parameters(rule.bad)) is listed
    if rule.good:
        assert COMBINED.is_valid(parameters(rule.good))


def parameters(text: str) -> Any:
    """Return the parameters that an example of the catalogue shows, alone or inside of a claim."""
    tree = yaml.safe_load(text)
    if isinstance(tree, dict) and tree.get("kind") == "ResourceClaim":
        return tree["spec"]["devices"]["config"][0]["opaque"]["parameters"]
    return tree


def test_schema_and_models_agree_on_the_recorded_configs(shared_corpus: Path) -> None:
    compared = 0
    lines = shared_corpus / "upstream-verdicts" / "opaque-configs.jsonl"
    for line in lines.read_text(encoding="utf-8").splitlines():
        raw = json.loads(line)["raw"]
        try:
            tree = read(raw)
        except NotJson:
            continue
        if not [*repeated_keys(tree)]:
            check_agreement(COMBINED, json.loads(raw), errors(raw))
            compared += 1
    assert compared > 1500


def test_white_space_around_quantities_is_the_same_to_schema_and_models() -> None:
    odd = [*WHITE_SPACE, "\t", "\n", "\r", "\x0b", "\x1c", "\ufeff", "\u200b", "\u180e"]
    for space, around in product(odd, ("{}8Gi", "8Gi{}")):
        mps = {"defaultPinnedDeviceMemoryLimit": around.format(space)}
        config = gpu(sharing={"strategy": "MPS", "mpsConfig": mps})
        check_agreement(COMBINED, config, errors(json.dumps(config)))


def test_blank_partition_ids_are_the_same_to_schema_and_models() -> None:
    for character in map(chr, (*range(0x100), *range(0x1680, 0x3001), 0xFEFF)):
        config = gpu(fabricTopologyConfig={"strategy": "Manual", "partitionIDs": [character]})
        assert COMBINED.is_valid(config) == (not errors(json.dumps(config))), repr(character)


def gpu(**fields: Any) -> dict[str, Any]:
    return {"apiVersion": API_VERSION, "kind": "GpuConfig", **fields}


@pytest.mark.parametrize(
    ("fields", "accepted"),
    [
        ({"sharing": {"strategy": None}}, False),
        ({"sharing": None, "fabricTopologyConfig": None}, True),
        ({"sharing": {"strategy": "MPS", "timeSlicingConfig": None}}, True),
        ({"sharing": {"strategy": "MPS", "timeSlicingConfig": {}}}, False),
        ({"fabricTopologyConfig": {"partitionIDs": []}}, True),
        ({"fabricTopologyConfig": {"strategy": None, "partitionIDs": ["a"]}}, False),
        ({"fabricTopologyConfig": {"strategy": "Manual", "partitionIDs": ["a", "a"]}}, False),
        ({"fabricTopologyConfig": {"strategy": "Manual", "partitionIds": ["a"]}}, True),
        (
            {
                "fabricTopologyConfig": {
                    "strategy": "Manual",
                    "partitionIDs": [],
                    "partitionIds": ["a"],
                }
            },
            False,
        ),
        ({"fabricTopologyConfig": {"strategy": "Disabled", "partitionIDs": []}}, True),
        ({"fabricTopologyConfig": {"strategy": "Disabled", "partitionSize": 2}}, False),
        ({"fabricTopologyConfig": {"virtualizationModel": "VGPU"}}, False),
        ({"fabricTopologyConfig": {"minBandwidth": 10**309}}, False),
        ({"sharing": {"strategy": "MPS"}, "fabricTopologyConfig": {}}, False),
        ({"sharing": {"strategy": "MPS"}, "fabricTopologyConfig": {"strategy": "Disabled"}}, True),
    ],
    ids=json.dumps,
)
def test_the_exclusions_of_a_config_are_in_its_schema(
    fields: dict[str, Any], *, accepted: bool
) -> None:
    config = gpu(**fields)
    assert COMBINED.is_valid(config) is accepted
    assert (not errors(json.dumps(config))) is accepted


@pytest.mark.parametrize("version", scheme.API_VERSIONS)
def test_a_kind_is_accepted_under_its_own_versions_only(version: str) -> None:
    for kind in {kind for _, kind in scheme.MODELS}:
        domain = {"domainID": DOMAIN} if kind.startswith("ComputeDomain") else {}
        config = {"apiVersion": version, "kind": kind, **domain}
        assert COMBINED.is_valid(config) == ((version, kind) in scheme.MODELS), kind


@pytest.mark.parametrize("value", ["", None, "All", "all", 1])
def test_an_empty_text_counts_as_absent_where_the_models_say_so(value: object) -> None:
    channel = {**gpu(domainID=DOMAIN, allocationMode=value), "kind": "ComputeDomainChannelConfig"}
    vfio = {**gpu(iommu={"backendPolicy": value}), "kind": "VfioDeviceConfig"}
    assert COMBINED.is_valid(channel) == (value in ("", None, "All"))
    assert COMBINED.is_valid(vfio) == (value in ("", None))
    for config in (channel, vfio):
        assert COMBINED.is_valid(config) == (not errors(json.dumps(config)))


@pytest.mark.parametrize("value", [1048576, 1048575.5, 1e400, 500, 0, -1, 1048574.5])
def test_a_limit_written_as_a_number_is_compared(value: float) -> None:
    mps = {"defaultPinnedDeviceMemoryLimit": value}
    config = gpu(sharing={"strategy": "MPS", "mpsConfig": mps})
    text = json.dumps(config).replace("Infinity", "1e400")
    assert COMBINED.is_valid(config) == (not errors(text))


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        (
            {"sharing": {"strategy": "MPS", "mpsConfig": {"defaultActiveThreadPercentage": 120}}},
            "$.sharing.mpsConfig.defaultActiveThreadPercentage",
        ),
        ({"sharing": {"strategy": "MPS", "timeSlicingConfig": {}}}, "$.sharing.timeSlicingConfig"),
        ({"sharing": 5}, "$.sharing"),
        (
            {"fabricTopologyConfig": {"partitionIDs": ["a"]}},
            "$.fabricTopologyConfig.partitionIDs",
        ),
        (
            {"kind": "VfioDeviceConfig", "iommu": {"enableAPIDevice": "true"}},
            "$.iommu.enableAPIDevice",
        ),
        ({"apiVersion": "nvidia.com/v1beta1", "kind": "MigDeviceConfig"}, "$.kind"),
    ],
)
def test_an_error_of_the_combined_schema_points_at_the_field(
    fields: dict[str, Any], path: str
) -> None:
    (error,) = COMBINED.iter_errors({**gpu(), **fields})
    assert error.json_path == path


@pytest.mark.parametrize("ending", ["", "\n", " "])
def test_a_line_break_behind_a_pattern_is_not_overlooked(ending: str) -> None:
    uuid = f"GPU-{DOMAIN}{ending}"
    limits = {"defaultPerDevicePinnedMemoryLimit": {uuid: "1Gi"}}
    for config in (
        gpu(sharing={"strategy": "MPS", "mpsConfig": limits}),
        {**gpu(domainID=f"{DOMAIN}{ending}"), "kind": "ComputeDomainDaemonConfig"},
    ):
        assert COMBINED.is_valid(config) == (not ending)
        assert (not errors(json.dumps(config))) == (not ending)


BOOLEANS = (True, False)


def one_of(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([None, *values])


def shape(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


QUANTITIES = one_of(
    "8Gi",
    " 512Mi",
    "1e3",
    "1.5Gi",
    "10GB",
    "512Ki",
    "",
    "-1",
    1048575.5,
    1048576,
    1,
    1e400,
    *BOOLEANS,
)
KEYS = st.sampled_from(["0", "12", "01", "-1", f"GPU-{DOMAIN}", f"MIG-{DOMAIN}", "gpu-0", "0\n"])
MPS = shape(
    defaultActiveThreadPercentage=one_of(0, 50, 100, 101, -1, 50.0, 2**64, "50", *BOOLEANS),
    defaultPinnedDeviceMemoryLimit=QUANTITIES,
    defaultPerDevicePinnedMemoryLimit=st.none() | st.dictionaries(KEYS, QUANTITIES, max_size=2),
    multiUser=one_of(*BOOLEANS, 1),
)
SHARING = shape(
    strategy=one_of("MPS", "TimeSlicing", "Mps", ""),
    mpsConfig=st.none() | MPS,
    timeSlicingConfig=st.none() | shape(interval=one_of("Default", "Long", "long", "", 1)),
)
PARTITIONS = st.none() | st.lists(one_of("a", "b", "", " ", 1), max_size=2)
FABRIC_FIELDS = {
    "strategy": one_of("Auto", "Manual", "Disabled", "auto", ""),
    "virtualizationModel": one_of("BareMetal", "VGPU", "vGPU"),
    "partitionSize": one_of(2, 4, 3, 2.0, *BOOLEANS, "2"),
    "partitionIDs": PARTITIONS,
    "partitionIds": PARTITIONS,
    "minBandwidth": one_of(0, 450, 0.5, -1, 1e400, "1"),
    "maxLatency": one_of(0, 0.2, -0.1),
    "preferNVLink": one_of(*BOOLEANS, "true"),
}
FIELDS = {
    "sharing": st.none() | SHARING | st.lists(st.none() | SHARING, max_size=2),
    "fabricTopologyConfig": st.none() | shape(**FABRIC_FIELDS),
    "iommu": st.none()
    | shape(
        backendPolicy=one_of("LegacyOnly", "PreferIommuFD", "", "legacy"),
        enableAPIDevice=one_of(*BOOLEANS, 0),
    ),
    "domainID": one_of(DOMAIN, DOMAIN.upper(), "", f"{DOMAIN}\n", 42),
    "allocationMode": one_of("Single", "All", "", "all"),
    **FABRIC_FIELDS,
}


@st.composite
def configs(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a config with mostly the fields of its kind, and now and then one too many."""
    api_version, kind = draw(st.sampled_from([*scheme.MODELS]))
    model = scheme.MODELS[api_version, kind]
    own = [info.alias or name for name, info in model.model_fields.items()]
    names = [name for name in own if name in FIELDS]
    extra = draw(st.sampled_from([None] * 8 + [*FIELDS]))
    chosen = {name: FIELDS[name] for name in [*names, *([extra] if extra else [])]}
    return {"apiVersion": api_version, "kind": kind, **draw(shape(**chosen))}


@settings(max_examples=800)
@given(configs())
def test_schema_and_models_agree_on_any_config(config: dict[str, Any]) -> None:
    text = json.dumps(config).replace("Infinity", "1e400")
    tree, found = json.loads(text), errors(text)
    check_agreement(COMBINED, tree, found)
    path = f"{config['apiVersion']}/{config['kind']}.json"
    assert VALIDATORS[path].is_valid(tree) is COMBINED.is_valid(tree)


OBJECTS = st.sampled_from(OBJECT_KINDS).flatmap(
    lambda kind: shape(
        metadata=st.none()
        | shape(
            name=one_of("training", 1), labels=st.none() | st.just({"a": "b"}), uid=one_of("u")
        ),
        spec=st.none()
        | shape(
            numNodes=one_of(0, 4, -1, 2**63, "4", 1.0),
            channel=st.none()
            | shape(
                allocationMode=one_of("Single", "All", "", "Many"),
                resourceClaimTemplate=st.none()
                | shape(name=one_of("a", "a.b", "A", "x\n", "", "a" * 254, 5)),
            ),
        ),
        status=st.none()
        | shape(
            status=one_of("Ready", "ready"),
            nodes=st.none()
            | st.lists(
                shape(
                    name=one_of("n"),
                    ipAddress=one_of("::1"),
                    cliqueID=one_of(""),
                    index=one_of(-1),
                ),
                max_size=2,
            ),
        ),
        daemons=st.none()
        | st.lists(
            shape(
                nodeName=one_of("n", 1),
                ipAddress=one_of("10.0.4.11", "host"),
                cliqueID=one_of("", "a"),
                index=one_of(0, 17, 18, -1, 2**64, 1.0),
                status=one_of("Ready", "NotReady", ""),
            ),
            max_size=2,
        ),
    ).map(
        lambda fields: {
            "apiVersion": API_VERSION,
            "kind": kind,
            **{
                name: value
                for name, value in fields.items()
                if name == "metadata" or (name == "daemons") is (kind == "ComputeDomainClique")
            },
        }
    )
)


@settings(max_examples=300)
@given(OBJECTS)
def test_schema_and_models_agree_on_any_object(tree: dict[str, Any]) -> None:
    found = [v for v in judge_object(tree) if v.severity is Severity.ERROR]
    check_agreement(VALIDATORS[f"{API_VERSION}/{tree['kind']}.json"], tree, found)
