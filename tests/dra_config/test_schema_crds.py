"""The CRD manifests: what the API server demands of them, and what they say about the objects."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from dra_config.schema import custom_resource_definitions
from dra_config.schema.crds import structural

MANIFESTS = custom_resource_definitions()
DOMAIN = MANIFESTS["resource.nvidia.com_computedomains.yaml"]
CLIQUE = MANIFESTS["resource.nvidia.com_computedomaincliques.yaml"]

FORBIDDEN = {
    *("$ref", "$defs", "$schema", "$id", "$comment", "$anchor", "definitions", "dependencies"),
    *("const", "deprecated", "examples", "discriminator", "id", "patternProperties", "title"),
    *("propertyNames", "if", "then", "else", "allOf", "anyOf", "oneOf", "not", "uniqueItems"),
    *("exclusiveMinimum", "exclusiveMaximum", "readOnly", "xml", "x-unit"),
}
"""What a structural schema cannot hold, or cannot hold together with types; we need none of it."""
TYPES = {"object", "array", "string", "integer", "number", "boolean"}


def root(manifest: Mapping[str, Any]) -> dict[str, Any]:
    schema: dict[str, Any] = manifest["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def nodes(schema: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield every schema inside *schema*, itself included, with its path."""
    yield at, schema
    for name, field in schema.get("properties", {}).items():
        yield from nodes(field, f"{at}.{name}")
    if "items" in schema:
        yield from nodes(schema["items"], f"{at}[]")
    if isinstance(schema.get("additionalProperties"), Mapping):
        yield from nodes(schema["additionalProperties"], f"{at}[*]")


NODES = [
    pytest.param(node, id=f"{manifest['spec']['names']['kind']}{path}")
    for manifest in MANIFESTS.values()
    for path, node in nodes(root(manifest))
]


@pytest.mark.parametrize("node", NODES)
def test_every_part_of_the_schema_is_structural(node: Mapping[str, Any]) -> None:
    assert node["type"] in TYPES
    assert not FORBIDDEN & node.keys()
    assert not ({"properties", "additionalProperties"} <= node.keys())
    assert node.get("additionalProperties") is not False
    assert ("items" in node) == (node["type"] == "array")
    assert node["type"] == "object" or "properties" not in node
    assert {*node.get("required", ())} <= node.get("properties", {}).keys()
    assert None not in node.get("enum", ())
    assert "default" not in node or "enum" not in node or node["default"] in node["enum"]
    re.compile(node.get("pattern", ""))


@pytest.mark.parametrize("node", NODES)
def test_a_list_of_objects_is_a_map_by_a_field_that_every_entry_has(
    node: Mapping[str, Any],
) -> None:
    if node["type"] != "array":
        assert not any(key.startswith("x-kubernetes-list") for key in node)
        return
    assert node["x-kubernetes-list-type"] == "map"
    assert {*node["x-kubernetes-list-map-keys"]} <= {*node["items"]["required"]}


@pytest.mark.parametrize("manifest", MANIFESTS.values(), ids=MANIFESTS.keys())
def test_a_manifest_names_its_kind_in_the_way_of_kubernetes(manifest: Mapping[str, Any]) -> None:
    spec = manifest["spec"]
    names = spec["names"]
    assert manifest["apiVersion"] == "apiextensions.k8s.io/v1"
    assert manifest["kind"] == "CustomResourceDefinition"
    assert manifest["metadata"]["name"] == f"{names['plural']}.{spec['group']}"
    assert manifest["metadata"]["labels"]["app.kubernetes.io/name"] == "dra-config"
    assert spec["group"] == "resource.nvidia.com"
    assert spec["scope"] == "Namespaced"
    assert names["singular"] == names["kind"].lower()
    assert names["plural"] == f"{names['singular']}s"
    (version,) = spec["versions"]
    assert (version["name"], version["served"], version["storage"]) == ("v1beta1", True, True)
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"
    schema = root(manifest)
    assert schema["properties"]["metadata"] == {"type": "object"}
    for name in ("apiVersion", "kind"):
        assert {*schema["properties"][name]} == {"type", "description"}


def test_a_domain_needs_a_spec_that_never_changes_and_has_a_status_of_its_own() -> None:
    schema = root(DOMAIN)
    assert schema["required"] == ["spec"]
    (rule,) = schema["properties"]["spec"]["x-kubernetes-validations"]
    assert rule["rule"] == "self == oldSelf"
    assert DOMAIN["spec"]["versions"][0]["subresources"] == {"status": {}}
    assert "subresources" not in CLIQUE["spec"]["versions"][0]
    assert "required" not in root(CLIQUE)


def test_a_domain_refuses_a_name_that_no_claim_template_can_have() -> None:
    spec = root(DOMAIN)["properties"]["spec"]["properties"]
    name = spec["channel"]["properties"]["resourceClaimTemplate"]["properties"]["name"]
    assert name["maxLength"] == 253
    pattern = re.compile(name["pattern"].removesuffix("$") + r"\Z")
    assert pattern.search("bench.channel-1")
    for wrong in ("Training", "-a", "a-", "a..b", "x\n  namespace: kube-system", "a\n", ""):
        assert not pattern.search(wrong), wrong


def test_numbers_have_their_bounds_and_no_field_takes_null() -> None:
    spec = root(DOMAIN)["properties"]["spec"]["properties"]
    expected = {"type": "integer", "format": "int64", "minimum": 0, "default": 0}
    assert expected.items() <= spec["numNodes"].items()
    node = root(DOMAIN)["properties"]["status"]["properties"]["nodes"]["items"]["properties"]
    assert "minimum" not in node["index"]
    daemon = root(CLIQUE)["properties"]["daemons"]["items"]["properties"]
    assert daemon["index"]["minimum"] == 0
    assert "maximum" not in daemon["index"], "the size of a clique is a setting"
    assert not any("nullable" in node for m in MANIFESTS.values() for _, node in nodes(root(m)))


def test_a_field_of_several_types_is_refused_rather_than_bent() -> None:
    with pytest.raises(ValueError, match="one type"):
        structural({"type": ["string", "number"]}, {})
    assert structural({"type": ["integer", "null"]}, {}) == {"type": "integer", "format": "int64"}
