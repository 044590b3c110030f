"""A tree that does not fit its model -> our own sentences, and the rest of the tree that does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, TypeVar, get_args

from pydantic import JsonValue, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from dra_config.catalogue.decode import DRA010, DRA012, DRA013, DRA014
from dra_config.spelling import nearest
from dra_config.violations import FieldPath, Target, Violation
from dra_config.wire import shape
from dra_config.wire.markers import EmptyIsAbsent, Judged
from dra_config.wire.model import WireModel
from dra_config.wire.quoting import JsonFloat, shown

Shape = TypeVar("Shape", bound=WireModel)

_INT64 = range(-(2**63), 2**63)
_EXPECTED = MappingProxyType(
    {
        "int_type": "a whole number without quotes, fraction or exponent, such as 50",
        "int_from_float": "a whole number without quotes, fraction or exponent, such as 50",
        "bool_type": "true or false, without quotes",
        "string_type": "a text",
        "float_type": "a number without quotes",
        "model_type": "an object",
        "dict_type": "an object",
        "list_type": "a list",
        "quantity_type": "a quantity such as '8Gi'",
    }
)
_TYPE_NAMES: Mapping[type, str] = MappingProxyType(
    {
        type(None): "nothing",
        bool: "a boolean",
        int: "a number",
        float: "a number",
        str: "a text",
        list: "a list",
        dict: "an object",
    }
)
_CONTENT_ERRORS = frozenset(
    {"greater_than_equal", "less_than_equal", "finite_number", "not_convertible", "none_required"}
)


@dataclass(frozen=True, slots=True)
class Explained(Generic[Shape]):
    """What fits a model, and what does not."""

    model: Shape
    """The config without the values that could not be read and the keys that are unknown."""
    violations: tuple[Violation, ...]
    broken: tuple[FieldPath, ...]
    """Where a value could not be read, as the model names the field."""


def fit(model: type[Shape], tree: dict[str, JsonValue]) -> Explained[Shape]:
    """Read *tree* as *model*, and go on without what does not fit until the rest does.

    The header fields must fit already. Paths follow the tree as it was written.
    """
    rest = _without_empty(model, {key: _copied(value) for key, value in tree.items()})
    violations: list[Violation] = []
    broken: list[FieldPath] = []
    while True:
        try:
            fitting = model.model_validate(rest)
        except ValidationError as error:
            details = error.errors(include_url=False)
            paths = [aligned(detail["loc"], rest) for detail in details]
            for detail, path in zip(details, paths, strict=True):
                violations.append(_explain(detail, model, path, _value(path, rest)))
                if detail["type"] != "extra_forbidden":
                    broken.append(detail["loc"])
            if not _remove(paths, rest):
                # A field is required that nobody can leave out: the model is wrong, not the text.
                raise
        else:
            return Explained(fitting, tuple(violations), tuple(broken))


def _copied(tree: JsonValue) -> JsonValue:
    """Return a copy whose objects and lists can be changed; numbers keep their text."""
    if isinstance(tree, dict):
        return {key: _copied(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_copied(value) for value in tree]
    return tree


def _without_empty(model: type[WireModel], tree: dict[str, JsonValue]) -> dict[str, JsonValue]:
    for name, info in shape.fields(model).items():
        value = tree.get(name)
        if value == "" and shape.marker(info, EmptyIsAbsent) is not None:
            del tree[name]
        inner = shape.inner_model(info)
        if inner is not None and isinstance(value, dict):
            _without_empty(inner, value)
    return tree


def aligned(loc: Sequence[str | int], tree: JsonValue) -> FieldPath:
    """Return *loc*, which names fields of a model, as the tree has it.

    Where an older version lets a list of one stand for its entry, the index 0 is put in.
    """
    path: list[str | int] = []
    node = tree
    for part in loc:
        if isinstance(node, list) and not isinstance(part, int):
            path.append(0)
            node = node[0] if node else None
        path.append(part)
        node = _child(node, part)
    return tuple(path)


def _child(node: JsonValue, part: str | int) -> JsonValue:
    if isinstance(node, dict) and isinstance(part, str):
        return node.get(part)
    if isinstance(node, list) and isinstance(part, int) and part < len(node):
        return node[part]
    return None


def _value(path: FieldPath, tree: JsonValue) -> JsonValue:
    for part in path:
        tree = _child(tree, part)
    return tree


def _remove(paths: Sequence[FieldPath], tree: JsonValue) -> bool:
    """Take what stands at *paths* out of *tree*, and return whether anything was there."""
    removed = False
    for path in sorted(set(paths), key=_index_order, reverse=True):
        parent = _value(path[:-1], tree)
        if isinstance(parent, dict) and path[-1] in parent:
            del parent[str(path[-1])]
            removed = True
        elif isinstance(parent, list) and isinstance(path[-1], int):
            del parent[path[-1]]
            removed = True
    return removed


def _index_order(path: FieldPath) -> tuple[int, int]:
    return (len(path), path[-1] if isinstance(path[-1], int) else -1)


def _explain(
    detail: ErrorDetails, model: type[WireModel], path: FieldPath, value: JsonValue
) -> Violation:
    around, info = shape.field_at(model, path)
    where = shape.with_map_keys(model, path)
    kind = detail["type"]
    if kind == "extra_forbidden":
        return _unknown(around, str(path[-1]), where)
    if kind == "missing":
        message = f"{path[-1]} is missing"
        return Violation.of(DRA014, message, where, target=Target.PARENT)
    judged = shape.marker(info, Judged)
    if judged is not None and _is_content(kind, value, info):
        return Violation.of(judged.rule, _not_accepted(value, judged, _choices(info)), where)
    return Violation.of(DRA013, _wrong_type(kind, where, value, info), where)


def _choices(info: FieldInfo | None) -> tuple[Any, ...]:
    if info is None:
        return ()
    return next(
        (
            get_args(part)
            for part in shape.parts(info.annotation)
            if str(getattr(part, "__origin__", "")) == "typing.Literal"
        ),
        (),
    )


def _is_content(kind: str, value: JsonValue, info: FieldInfo | None) -> bool:
    """Return whether the value has the right type, and what it says is wrong."""
    if kind == "literal_error":
        return isinstance(value, str)
    return kind in _CONTENT_ERRORS and not (_takes_integers(info) and _too_long(value))


def _takes_integers(info: FieldInfo | None) -> bool:
    return info is not None and any(part is int for part in shape.parts(info.annotation))


def _not_accepted(value: JsonValue, judged: Judged, choices: tuple[Any, ...]) -> str:
    if not choices:
        return f"{shown(value)} is not {judged.accepted}"
    listed = ", ".join(map(str, choices))
    close = nearest(value.strip(), map(str, choices)) if isinstance(value, str) else ""
    hint = f"; the nearest is {close}" if close else ""
    return f"{shown(value)} is not {judged.accepted}; write one of {listed}{hint}"


def _wrong_type(kind: str, where: FieldPath, value: JsonValue, info: FieldInfo | None) -> str:
    name = next(part for part in reversed(where) if isinstance(part, str))
    if _takes_integers(info) and _too_long(value):
        return f"{shown(value)} does not fit into 64 bits; {name} takes a smaller number"
    choices = _choices(info)
    expected = f"one of {', '.join(map(str, choices))}" if choices else _EXPECTED[kind]
    return f"{shown(value)} is {_type_of(value)}; {name} takes {expected}"


def _too_long(value: JsonValue) -> bool:
    """Return whether *value* is an integer that does not fit into 64 bits."""
    if isinstance(value, JsonFloat):
        return value.text.lstrip("-").isdecimal()
    return isinstance(value, int) and value not in _INT64


def _type_of(value: JsonValue) -> str:
    if isinstance(value, JsonFloat):
        return "a number with a fraction or an exponent"
    return _TYPE_NAMES[type(value)]


def _unknown(around: type[WireModel], key: str, where: FieldPath) -> Violation:
    if key in around.elsewhere:
        elsewhere = around.elsewhere[key]
        return Violation.of(elsewhere.rule, elsewhere.message, where, target=Target.KEY)
    names = {name.lower(): name for name in shape.fields(around)}
    if key.lower() in names:
        right = names[key.lower()]
        message = f"{shown(key)} is in the wrong case; write {right}"
        return Violation.of(DRA012, message, where, target=Target.KEY, suggestion=right)
    close = nearest(key, names.values())
    hint = f"the nearest one is {close}" if close else f"there are {', '.join(names.values())}"
    return Violation.of(
        DRA010, f"{shown(key)} is not a field here; {hint}", where, target=Target.KEY
    )
