"""An example of every field, at its place in the config and with what it needs beside it."""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any, cast

from dra_config import scheme
from dra_config.catalogue import Severity
from dra_config.loading import examine
from dra_config.schema import Field, Kind

_HEADER = frozenset({"apiVersion", "kind"})


def example_of(kind: Kind, trail: tuple[Field, ...]) -> dict[str, Any] | None:
    """Return a part of a config in which the last field of *trail* is set.

    It is a sound config as soon as apiVersion and kind stand above it. Of an object that is no
    config it may be a part only, and None where nobody writes the field.

    Args:
        kind: Where the path begins.
        trail: The fields from the root of the kind to the one that is meant.
    """
    if not trail:
        return dict(kind.examples[0])
    value = _value(kind, trail)
    if value is None:
        return None
    alone = _nested(trail, value)
    return next((tree for tree in _completed(kind, trail, value) if _is_sound(kind, tree)), alone)


def _value(kind: Kind, trail: tuple[Field, ...]) -> Any:
    field = trail[-1]
    if field.examples:
        return field.examples[0]
    for example in kind.examples:
        for found in _at(example, trail):
            return found
    if field.values:
        return field.values[0].value
    for below in field.fields:
        inner = None if below.deprecated else _value(kind, (*trail, below))
        if inner is not None:
            return {below.name: inner}
    return None


def _at(tree: Any, trail: tuple[Field, ...]) -> list[Any]:
    """Return what stands at *trail* in *tree*; a list of objects is entered at its first."""
    node: Any = tree
    for field in trail:
        if isinstance(node, list):
            node = cast("Sequence[Any]", node)[0]
        if not isinstance(node, dict) or field.name not in node:
            return []
        node = cast("dict[str, Any]", node)[field.name]
    return [node]


def _nested(trail: tuple[Field, ...], value: Any) -> dict[str, Any]:
    nested: dict[str, Any] = {trail[-1].name: value}
    for field in reversed(trail[:-1]):
        nested = {field.name: [nested] if field.is_list else nested}
    return nested


def _completed(kind: Kind, trail: tuple[Field, ...], value: Any) -> Iterator[dict[str, Any]]:
    """Yield the example alone, and then with each choice of the fields that decide beside it."""
    yield _nested(trail, value)
    beside = [
        (depth, sibling)
        for depth, level in enumerate((kind.fields, *(field.fields for field in trail[:-1])))
        for sibling in level
        if sibling.name not in _HEADER and sibling is not trail[depth] and _decides(sibling)
    ]
    for chosen in itertools.product(*(_choices(sibling) for _, sibling in beside)):
        tree = _nested(trail, value)
        for (depth, sibling), choice in zip(beside, chosen, strict=True):
            (node,) = _at(tree, trail[:depth])
            inside = {**node}
            node.clear()
            node.update({sibling.name: choice, **inside})
        yield tree


def _decides(field: Field) -> bool:
    """Return whether what may stand beside *field* hangs on it."""
    return field.required or any(value.feature_gate for value in field.values)


def _choices(field: Field) -> list[Any]:
    return [value.value for value in field.values] or list(field.examples)


def _is_sound(kind: Kind, tree: dict[str, Any]) -> bool:
    if (kind.api_version, kind.kind) not in scheme.MODELS:
        return True
    carries = (driver.name for driver in scheme.DRIVERS.values() if kind.kind in driver.kinds)
    config = {"apiVersion": kind.api_version, "kind": kind.kind, **tree}
    violations = examine(config, driver=next(carries), gates=None).violations
    return all(violation.severity is not Severity.ERROR for violation in violations)
