"""The JSON Schema documents: one for every kind, and one for all opaque parameters together."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from dra_config import scheme
from dra_config.schema.examples import EXAMPLES
from dra_config.schema.nullable import with_nullable_definitions
from dra_config.schema.tidy import Schema, ordered, tidied
from dra_config.v1beta1 import API_VERSION
from dra_config.v1beta1.objects import OBJECTS
from dra_config.wire import WireModel

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
OPAQUE_PARAMETERS: Final = "opaque-parameters.json"
"""The path of the document that covers every kind of parameters."""

_EXTENSIONS = "x-kubernetes-"


def documents() -> dict[str, Schema]:
    """Return every document by its path, such as ``<group>/<version>/<Kind>.json``.

    The documents stand alone: none refers to another one. Those of older apiVersions are marked as
    deprecated.
    """
    models: dict[tuple[str, str], type[WireModel]] = {**scheme.MODELS}
    models |= {(API_VERSION, model.__name__): model for model in OBJECTS}
    by_path = {
        f"{api_version}/{kind}.json": _document(api_version, kind, model)
        for (api_version, kind), model in models.items()
    }
    return {**by_path, OPAQUE_PARAMETERS: _opaque_parameters()}


def model_schema(model: type[WireModel]) -> Schema:
    """Return the schema of *model* with its ``$defs``, tidied, Kubernetes' extensions included."""
    tidy = tidied(model.model_json_schema(by_alias=True, mode="validation"))
    schema = with_nullable_definitions(tidy)
    definitions: dict[str, Schema] = schema.get("$defs", {})
    for definition in definitions.values():
        definition.pop("title", None)
    return schema


def _document(api_version: str, kind: str, model: type[WireModel]) -> Schema:
    document = _plain(model_schema(model))
    name = f"{api_version.replace('/', ':')}:{kind}"
    head: Schema = {"$schema": DIALECT, "$id": f"urn:dra-config:schema:{name}"}
    return ordered({**document, **head, **_head(api_version, kind)})


def _head(api_version: str, kind: str) -> Schema:
    marks = {} if api_version == API_VERSION else {"deprecated": True}
    return {
        "title": f"{kind} of {api_version}",
        "examples": [
            {"apiVersion": api_version, "kind": kind, **example}
            for example in EXAMPLES[api_version, kind]
        ],
        **marks,
    }


def _plain(schema: Schema) -> Schema:
    """Return *schema* without the extensions that only a CRD can hold."""
    return {key: _inner(value) for key, value in schema.items() if not key.startswith(_EXTENSIONS)}


def _inner(value: Any) -> Any:
    if isinstance(value, dict):
        return _plain(cast("Schema", value))
    if isinstance(value, list):
        return [_inner(entry) for entry in cast("Sequence[Any]", value)]
    return value


def _opaque_parameters() -> Schema:
    return ordered(
        {
            "$schema": DIALECT,
            "$id": "urn:dra-config:schema:opaque-parameters",
            "title": "Opaque parameters of the NVIDIA DRA drivers",
            "description": "What stands under opaque.parameters in a ResourceClaim, a "
            "ResourceClaimTemplate or a DeviceClass, whatever its kind.",
            **parameters_of([*scheme.MODELS]),
            "$defs": definitions(),
        }
    )


def definitions() -> dict[str, Schema]:
    """Return all that the schemas of `parameters_of` refer to, by name, in order."""
    found: dict[str, Schema] = {}
    for (api_version, kind), model in scheme.MODELS.items():
        whole = _plain(model_schema(model))
        add_definitions(found, whole.pop("$defs", {}))
        name = definition_name(api_version, kind)
        add_definitions(found, {name: ordered({**whole, **_head(api_version, kind)})})
    return dict(sorted(found.items()))


def definition_name(api_version: str, kind: str) -> str:
    """Return what the whole of a kind is called among the definitions."""
    return f"{api_version.replace('/', '.')}.{kind}"


def parameters_of(headers: Sequence[tuple[str, str]]) -> Schema:
    """Return the schema of parameters that have one of *headers*, without its definitions.

    Args:
        headers: apiVersion and kind of each config that is accepted, keys of `scheme.MODELS`.
    """
    versions = list(dict.fromkeys(api_version for api_version, _ in headers))
    kinds = list(dict.fromkeys(kind for _, kind in headers))
    kinds_by_version = {
        version: [kind for of, kind in headers if of == version] for version in versions
    }
    by_version = [
        case_of({"apiVersion": version}, {"properties": {"kind": {"enum": listed}}})
        for version, listed in kinds_by_version.items()
    ]
    by_kind = [
        case_of(
            {"apiVersion": api_version, "kind": kind},
            {"$ref": f"#/$defs/{definition_name(api_version, kind)}"},
        )
        for api_version, kind in headers
    ]
    return ordered(
        {
            "type": "object",
            "required": ["apiVersion", "kind"],
            "properties": {
                "apiVersion": {
                    "description": f"The version of the config; write {API_VERSION}, the others "
                    "are old ones.",
                    "enum": versions,
                },
                "kind": {"description": "The kind of the config.", "enum": kinds},
            },
            "allOf": [*by_version, *by_kind],
        }
    )


def case_of(header: Mapping[str, str], then: Schema) -> Schema:
    """Return a rule for the configs with that *header* alone, which keeps errors to one kind."""
    fields = {name: {"const": value} for name, value in header.items()}
    return {"if": {"required": list(header), "properties": fields}, "then": then}


def add_definitions(known: dict[str, Schema], more: Mapping[str, Schema]) -> None:
    """Take *more* into *known*.

    Raises:
        ValueError: If one name would stand for two schemas.
    """
    for name, schema in more.items():
        if known.setdefault(name, schema) != schema:
            raise ValueError(f"two definitions are called {name}")
