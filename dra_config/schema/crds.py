"""The CRD manifests of ComputeDomain and ComputeDomainClique, made from the same models.

A structural schema, the form that the API server takes, is plainer than JSON Schema: no
references, one type for each field, no word on fields that it does not list (the API server drops
those). Fields are not nullable on purpose: the API server then removes a null as if the field were
absent, which is what null means here.
"""

from collections.abc import Mapping
from typing import Any, Final

from dra_config.schema.documents import model_schema
from dra_config.schema.tidy import Schema, ordered
from dra_config.v1beta1 import API_VERSION
from dra_config.v1beta1.objects import DOMAIN_LABEL, ComputeDomain, ComputeDomainClique
from dra_config.wire import WireModel

_GROUP, _VERSION = API_VERSION.split("/")
_INT64: Final = range(-(2**63), 2**63)
_KEPT: Final = frozenset(
    {
        *("type", "description", "enum", "default", "required"),
        *("pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems"),
        *("x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-validations"),
    }
)
"""What a structural schema may say beside its parts."""
_FREE_OBJECT: Final = {"type": "object"}
_AGE: Final = {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}


def custom_resource_definitions() -> dict[str, Schema]:
    """Return the manifest of each CRD by the name of its file."""
    template = ".spec.channel.resourceClaimTemplate.name"
    domain = _definition(
        ComputeDomain,
        subresources={"status": {}},
        columns=[
            _column("Status", ".status.status", "Whether the domain can be used"),
            _column("Template", template, "The claim template for workloads"),
            _column("Mode", ".spec.channel.allocationMode", "Channels that a workload gets"),
            _AGE,
        ],
    )
    label = DOMAIN_LABEL.replace(".", r"\.")
    clique = _definition(
        ComputeDomainClique,
        subresources=None,
        columns=[
            _column("Domain", f".metadata.labels.{label}", "The UID of the ComputeDomain"),
            _AGE,
        ],
    )
    return {
        f"{crd['spec']['group']}_{crd['spec']['names']['plural']}.yaml": crd
        for crd in (domain, clique)
    }


def structural(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return *schema* as a structural schema.

    Args:
        schema: A tidied schema.
        definitions: What its references point to.

    Raises:
        ValueError: If a field takes several types, which a structural schema cannot say.
    """
    schema = _resolved(schema, definitions)
    kept = {key: value for key, value in schema.items() if key in _KEPT}
    kept["type"] = _single_type(schema)
    if "const" in schema:
        kept["enum"] = [schema["const"]]
    elif "enum" in schema:
        kept["enum"] = [value for value in schema["enum"] if value is not None]
    if kept["type"] == "integer":
        kept["format"] = "int64"
        for bound in ("minimum", "maximum"):
            if kept.get(bound) in (_INT64.start, _INT64.stop - 1):
                del kept[bound]
    if "items" in schema:
        kept["items"] = structural(schema["items"], definitions)
    if isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = structural(schema["additionalProperties"], definitions)
    if "properties" in schema:
        kept["properties"] = {
            name: structural(field, definitions) for name, field in schema["properties"].items()
        }
    return ordered(kept)


def _resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """Return *schema* with what it refers to in the place of the reference."""
    match schema:
        case {"anyOf": [{"$ref": reference}, {"type": "null"}]} | {"$ref": reference}:
            rest = {key: value for key, value in schema.items() if key not in ("anyOf", "$ref")}
            return {**definitions[reference.removeprefix("#/$defs/")], **rest}
        case _:
            return schema


def _single_type(schema: Schema) -> str:
    types = schema.get("type")
    if types is None and "enum" in schema:
        types = sorted({"null" if value is None else "string" for value in schema["enum"]})
    listed = (
        [types] if isinstance(types, str) else [name for name in types or () if name != "null"]
    )
    if len(listed) != 1:
        raise ValueError(f"a structural schema has one type, and this one has {types}")
    return str(listed[0])


def _column(name: str, path: str, description: str) -> Schema:
    return {"name": name, "type": "string", "description": description, "jsonPath": path}


def _definition(
    model: type[WireModel], *, subresources: Schema | None, columns: list[Schema]
) -> Schema:
    kind = model.__name__
    plural = f"{kind.lower()}s"
    whole = model_schema(model)
    schema = structural(whole, whole["$defs"])
    for name in ("apiVersion", "kind"):
        schema["properties"][name] = {
            "description": whole["properties"][name]["description"],
            "type": "string",
        }
    # The API server fills in and judges metadata itself and allows no other description of it.
    schema["properties"]["metadata"] = _FREE_OBJECT
    schema["required"] = [
        name for name in schema["required"] if name not in ("apiVersion", "kind")
    ]
    if not schema["required"]:
        del schema["required"]
    version: dict[str, Any] = {
        "name": _VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": columns,
        "schema": {"openAPIV3Schema": schema},
    }
    if subresources is not None:
        version["subresources"] = subresources
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.{_GROUP}",
            "labels": {
                "app.kubernetes.io/name": "dra-config",
                "app.kubernetes.io/part-of": "dra-config",
                "app.kubernetes.io/component": "crds",
            },
        },
        "spec": {
            "group": _GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
            },
            "versions": [version],
        },
    }
