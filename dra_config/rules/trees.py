"""Looking into an object whose shape nobody has checked yet."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias, cast

Tree: TypeAlias = Mapping[str, Any]
"""A Kubernetes object as plain Python values, with any mistake its author has made."""


def as_object(value: object) -> dict[str, Any]:
    """Return a copy of *value* if it is an object, otherwise an empty one."""
    return dict(cast("Tree", value)) if isinstance(value, Mapping) else {}


def as_list(value: object) -> list[Any]:
    """Return a copy of *value* if it is a list, otherwise an empty one."""
    return list(cast("Iterable[Any]", value)) if isinstance(value, list) else []


def as_text(value: object) -> str:
    """Return *value* if it is a text, otherwise an empty one."""
    return value if isinstance(value, str) else ""


def inside(tree: object, *keys: str) -> Any:
    """Return what stands in *tree* under *keys*, one inside the other, or None."""
    found: Any = tree
    for key in keys:
        found = as_object(found).get(key)
    return found


def group_and_version(tree: Tree) -> tuple[str, str]:
    """Return the two halves of apiVersion; the group is empty where there is no slash."""
    group, _, version = as_text(tree.get("apiVersion")).rpartition("/")
    return group, version
