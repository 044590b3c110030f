"""The schema for editors: whole manifests whose opaque parameters are typed by their driver.

Everything that is not known here stays open, so that any other document passes.
"""

from collections.abc import Iterable
from typing import Any, Final

from dra_config import scheme
from dra_config.schema.documents import (
    add_definitions,
    definition_name,
    definitions,
    documents,
    parameters_of,
)
from dra_config.schema.draft07 import DRAFT_07, as_draft07
from dra_config.schema.tidy import Schema, ordered
from dra_config.v1beta1 import API_VERSION
from dra_config.v1beta1.objects import OBJECTS

MANIFEST: Final = "manifest.json"
"""The path of the document."""

_CLAIM_VERSIONS: Final = tuple(
    f"resource.k8s.io/{version}" for version in ("v1", "v1beta2", "v1beta1")
)
_CLAIMS: Final = ("ResourceClaim", "ResourceClaimTemplate", "DeviceClass")
_OBJECTS: Final = tuple(model.__name__ for model in OBJECTS)


def manifest_schema() -> Schema:
    """Return the document, in draft-07, which every language server reads."""
    known = {**definitions(), **_objects(), **_parameters(), **_claims()}
    configs = [
        _case([api_version], kind, definition_name(api_version, kind))
        for api_version, kind in scheme.MODELS
    ]
    objects = [_case([API_VERSION], kind, definition_name(API_VERSION, kind)) for kind in _OBJECTS]
    claims = [_case(_CLAIM_VERSIONS, kind, kind) for kind in _CLAIMS]
    lists = [_case(_CLAIM_VERSIONS, f"{kind}List", f"{kind}List") for kind in _CLAIMS]
    for name in known.keys() & {*(definition_name(*header) for header in scheme.MODELS)}:
        if known[name].get("deprecated"):
            known[name] = _with_marked_version(known[name])
    return as_draft07(
        ordered(
            {
                "$schema": DRAFT_07,
                "$id": "urn:dra-config:schema:manifest",
                "title": "Manifests with the configuration of the NVIDIA DRA drivers",
                "description": "ResourceClaim, ResourceClaimTemplate and DeviceClass of "
                "resource.k8s.io, in which opaque.parameters is typed by opaque.driver; "
                "ComputeDomain and ComputeDomainClique; configs on their own. Any other document "
                "passes.",
                "allOf": [*claims, *objects, *configs, *lists, _case(["v1"], "List", "List")],
                "$defs": dict(sorted(known.items())),
            }
        )
    )


def _case(api_versions: Iterable[str], kind: str, definition: str) -> Schema:
    header = {"apiVersion": {"enum": list(api_versions)}, "kind": {"const": kind}}
    condition = {"type": "object", "required": ["apiVersion", "kind"], "properties": header}
    return {"if": condition, "then": {"$ref": f"#/$defs/{definition}"}}


def _with_marked_version(config: Schema) -> Schema:
    """Return *config*, of an old apiVersion, with a word on it at the version."""
    version = {
        **config["properties"]["apiVersion"],
        "description": f"An old version; write {API_VERSION}.",
    }
    return {**config, "properties": {**config["properties"], "apiVersion": version}}


def _objects() -> dict[str, Schema]:
    found: dict[str, Schema] = {}
    known = documents()
    for kind in _OBJECTS:
        whole = dict(known[f"{API_VERSION}/{kind}.json"])
        add_definitions(found, whole.pop("$defs", {}))
        body = {key: value for key, value in whole.items() if key not in ("$schema", "$id")}
        found[definition_name(API_VERSION, kind)] = body
    return found


def _parameters() -> dict[str, Schema]:
    return {
        f"Parameters.{driver.name}": {
            "description": f"What {driver.name} reads.",
            **parameters_of([header for header in scheme.MODELS if header[1] in driver.kinds]),
        }
        for driver in scheme.DRIVERS.values()
    }


def _claims() -> dict[str, Schema]:
    config = _below("config", {"description": "Settings for drivers.", "items": _ref("Config")})
    claim = _below("spec", _below("devices", config))
    found: dict[str, Schema] = {
        "ResourceClaim": claim,
        "ResourceClaimTemplate": _below("spec", claim),
        "DeviceClass": _below("spec", config),
        "Config": {
            "description": "Settings for one driver.",
            "properties": {
                "requests": {
                    "description": "The requests that the settings are for; all if absent. A "
                    "class has no such field."
                },
                "opaque": _ref("OpaqueConfig"),
            },
        },
        "OpaqueConfig": {
            "description": "Settings that the API server stores and only the driver reads.",
            "properties": {
                "driver": {
                    "description": "The driver that reads the parameters.",
                    "examples": list(scheme.DRIVERS),
                },
                "parameters": {"description": "What the driver reads, typed by the driver."},
            },
            "allOf": [_of_driver(name) for name in scheme.DRIVERS],
        },
        "List": _below("items", {"items": {"$ref": "#"}}),
    }
    lists = {f"{kind}List": _below("items", {"items": _ref(kind)}) for kind in _CLAIMS}
    return {**found, **lists}


def _of_driver(name: str) -> Schema:
    return {
        "if": {
            "type": "object",
            "required": ["driver"],
            "properties": {"driver": {"const": name}},
        },
        "then": {
            "required": ["parameters"],
            "properties": {"parameters": _ref(f"Parameters.{name}")},
        },
    }


def _below(name: str, schema: dict[str, Any]) -> Schema:
    return {"properties": {name: schema}}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/$defs/{name}"}
