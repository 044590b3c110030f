"""Nodes with one part changed, which keep the places of all the others."""

from collections.abc import Callable
from dataclasses import replace

from dra_config.manifests import ArrayNode, Member, Node, ObjectNode, ScalarNode
from dra_config.violations import FieldPath


def member(node: Node | None, key: str) -> Member | None:
    """Return the member of an object with that *key*, the last of several, or None."""
    if not isinstance(node, ObjectNode):
        return None
    return next((found for found in reversed(node.members) if found.key == key), None)


def value(node: Node | None, key: str) -> Node | None:
    """Return what stands under *key*, or None."""
    found = member(node, key)
    return None if found is None else found.value


def at(node: Node | None, path: FieldPath) -> Node | None:
    """Return what stands at *path* below *node*, or None."""
    for part in path:
        match node:
            case ArrayNode(items=items) if isinstance(part, int) and part < len(items):
                node = items[part]
            case _:
                node = value(node, str(part))
    return node


def is_null(node: Node | None) -> bool:
    """Tell whether *node* is null or absent, which mean the same."""
    return node is None or (isinstance(node, ScalarNode) and node.value is None)


def exchanged(members: tuple[Member, ...], old: Member, new: Member) -> tuple[Member, ...]:
    """Return *members* with *new* in the place of *old*."""
    return tuple(new if known is old else known for known in members)


def changed(node: Node, path: FieldPath, change: Callable[[Node], Node]) -> Node:
    """Return *node* with *change* made to what stands at *path*.

    Raises:
        LookupError: Nothing stands there.
    """
    if not path:
        return change(node)
    first, rest = path[0], path[1:]
    match node:
        case ArrayNode(items=items) if isinstance(first, int):
            inner = changed(items[first], rest, change)
            return replace(node, items=(*items[:first], inner, *items[first + 1 :]))
        case ObjectNode(members=members):
            found = member(node, str(first))
            if found is not None:
                new = replace(found, value=changed(found.value, rest, change))
                return replace(node, members=exchanged(members, found, new))
        case _:
            pass
    raise LookupError(path)
