"""What a value of the chart is, and the shapes it can have as JSON Schema (draft-07)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Json: TypeAlias = dict[str, Any]

DNS_LABEL: Final = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
DNS_NAME: Final = rf"{DNS_LABEL}(\.{DNS_LABEL})*"
_QUANTITY: Final = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$"
EXTENDED_RESOURCE: Final = rf"^({DNS_NAME}/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$"
DURATION: Final = "^([0-9]+(h|m|s))+$"
CA_BUNDLE: Final = r"^(-----BEGIN CERTIFICATE-----[\s\S]*|[A-Za-z0-9+/=\s]*)$"
_OWN_LABELS: Final = ("name", "instance", "version", "managed-by", "component")
LARGEST_PORT: Final = 65535
FIRST_UNPRIVILEGED_PORT: Final = 1024


@dataclass(frozen=True, slots=True)
class Value:
    """One value that an operator may set."""

    path: str
    """Dotted, from the root of values.yaml."""
    default: Any
    schema: Json
    text: str
    """What it does, in sentences; values.yaml, the schema and the tables show it."""


@dataclass(frozen=True, slots=True)
class Section:
    """A group of values."""

    path: str
    text: str


def boolean() -> Json:
    """Return what takes true and false."""
    return {"type": "boolean"}


def text(pattern: str = "", **more: Any) -> Json:
    """Return what takes a text, one that *pattern* matches if it is given."""
    return {"type": "string"} | ({"pattern": pattern} if pattern else {}) | more


def one_of(*words: str) -> Json:
    """Return what takes one of *words*."""
    return {"type": "string", "enum": [*words]}


def whole(least: int, most: int | None = None) -> Json:
    """Return what takes a whole number from *least* to *most*."""
    return {"type": "integer", "minimum": least} | ({} if most is None else {"maximum": most})


def array(items: Json, **more: Any) -> Json:
    """Return what takes a list of *items*."""
    return {"type": "array", "items": items} | more


def closed(properties: Mapping[str, Json], **more: Any) -> Json:
    """Return what takes an object with none but these *properties*."""
    shape = {"type": "object", "additionalProperties": False, "properties": dict(properties)}
    return shape | more


def texts_by_name() -> Json:
    """Return what takes texts by names of any kind."""
    return {"type": "object", "additionalProperties": {"type": "string"}}


def more_labels() -> Json:
    """Return what takes labels, but none of those that the chart sets itself."""
    ours = (
        *(f"app.kubernetes.io/{name}" for name in _OWN_LABELS),
        "helm.sh/chart",
    )
    return texts_by_name() | {"properties": dict.fromkeys(ours, False)}


def quantities() -> Json:
    """Return what takes an amount for each resource of a container."""
    quantity = {"type": ["string", "number"], "pattern": _QUANTITY}
    return closed(dict.fromkeys(("cpu", "memory", "ephemeral-storage"), quantity))


def label_selector() -> Json:
    """Return what takes a LabelSelector."""
    requirement = closed(
        {
            "key": text(minLength=1),
            "operator": one_of("In", "NotIn", "Exists", "DoesNotExist"),
            "values": array(text()),
        },
        required=["key", "operator"],
    )
    return closed({"matchLabels": texts_by_name(), "matchExpressions": array(requirement)})


def kubernetes_objects() -> Json:
    """Return what a list of objects is that the API server knows better than any schema here."""
    return array({"type": "object"})


OPTIONAL_NAME: Final = text(f"^({DNS_NAME})?$", maxLength=253)
PORT: Final = whole(FIRST_UNPRIVILEGED_PORT, LARGEST_PORT)
COUNT_OR_SHARE: Final[Json] = {"anyOf": [whole(0), text("^(100|[0-9]{1,2})%$")]}
"""A number of pods, or a share of them."""
