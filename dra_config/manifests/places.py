"""Where in the source to point for a field path."""

from dra_config.manifests.nodes import ArrayNode, Member, Node, ObjectNode, ScalarNode, Span
from dra_config.violations import FieldPath, Target


def find(root: Node, path: FieldPath, target: Target = Target.VALUE, occurrence: int = 0) -> Span:
    """Return the place of the part *target* of the field at *path*.

    A path that leads nowhere gives the place of the nearest object around it that exists: the key
    it stands under in block style, otherwise its first key, braces or alias.

    Args:
        root: The document.
        path: Field names, map keys and list indices from *root* downwards.
        target: The key, the value, or the object around a missing field.
        occurrence: Which one of several equal keys is meant at the end of the path, from 0. For a
            value 0 means the last of them, which is the one that counts.
    """
    node = root
    member: Member | None = None
    steps = path[:-1] if target is Target.PARENT else path
    for depth, part in enumerate(steps):
        last = depth == len(steps) - 1
        wanted = occurrence if last and target is not Target.PARENT else 0
        found = _child(node, part, wanted, first=last and target is Target.KEY)
        if found is None:
            return _object_place(node, member)
        if isinstance(found, Member):
            node, member = found.value, found
        else:
            node, member = found, None
    match target:
        case Target.KEY:
            return _object_place(node, None) if member is None else member.key_span
        case Target.VALUE:
            return node.span
        case Target.PARENT:
            return _object_place(node, member)


def _child(node: Node, part: str | int, occurrence: int, *, first: bool) -> Member | Node | None:
    """Return the member or item of *node* that *part* names, or None."""
    match node:
        case ObjectNode():
            equal = [member for member in node.members if member.key == str(part)]
            if not equal:
                return None
            if occurrence == 0 and not first:
                return equal[-1]
            return equal[min(occurrence, len(equal) - 1)]
        case ArrayNode():
            if isinstance(part, int) and 0 <= part < len(node.items):
                return node.items[part]
            return None
        case ScalarNode():
            return None


def _object_place(node: Node, member: Member | None) -> Span:
    """Return a short place that stands for *node*, found under the key of *member*, if any."""
    match node:
        case ObjectNode(inline=False) | ArrayNode(inline=False) if member is not None:
            return member.key_span
        case ObjectNode(inline=False, members=members) if members:
            return members[0].key_span
        case ArrayNode(inline=False, items=items, span=span) if items:
            return Span(span.start_line, span.start_column, span.start_line, span.start_column + 1)
        case _:
            return node.span
