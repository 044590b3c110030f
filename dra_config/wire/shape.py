"""Finding one's way through wire models by JSON path: which field, and what is known of it."""

import functools
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic.fields import FieldInfo

from dra_config.violations import FieldPath, MapKey
from dra_config.wire.model import WireModel

Marker = TypeVar("Marker")


@functools.cache
def fields(model: type[WireModel]) -> Mapping[str, FieldInfo]:
    """Return the fields of *model* by their JSON name."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def parts(annotation: Any) -> Iterator[Any]:
    """Yield *annotation* and everything inside of it."""
    yield annotation
    for part in get_args(annotation):
        yield from parts(part)


def inner_model(info: FieldInfo) -> type[WireModel] | None:
    """Return the model whose objects the field holds, if it holds objects."""
    for part in parts(info.annotation):
        if isinstance(part, type) and issubclass(part, WireModel):
            return part
    return None


def is_map(info: FieldInfo) -> bool:
    """Return whether the keys below the field are the user's own."""
    return any(part is dict for part in parts(info.annotation)) or any(
        getattr(part, "__origin__", None) is dict for part in parts(info.annotation)
    )


def marker(info: FieldInfo | None, kind: type[Marker]) -> Marker | None:
    """Return the mark of that kind on the field or on its type, the outermost first."""
    if info is None:
        return None
    inside = (part for part in parts(info.annotation))
    return next((mark for mark in (*info.metadata, *inside) if isinstance(mark, kind)), None)


def field_at(model: type[WireModel], path: FieldPath) -> tuple[type[WireModel], FieldInfo | None]:
    """Return the model around the last name of *path*, and the field if the model has it.

    Indices and the keys of maps belong to the field above them.
    """
    info: FieldInfo | None = None
    for part in path:
        if isinstance(part, int) or (info is not None and is_map(info)):
            continue
        if info is not None:
            model = inner_model(info) or model
        info = fields(model).get(part)
    return model, info


def with_map_keys(model: type[WireModel], path: FieldPath) -> FieldPath:
    """Return *path* with the keys of maps marked as such."""
    marked: list[str | int] = []
    for part in path:
        _, above = field_at(model, tuple(marked)) if marked else (model, None)
        is_key = isinstance(part, str) and above is not None and is_map(above)
        marked.append(MapKey(part) if is_key else part)
    return tuple(marked)
