"""A document as JSON text, as plain Python values, and the keys written twice in it."""

import re
from collections.abc import Iterator
from json.encoder import encode_basestring
from typing import Any, Final

from dra_config.manifests.nodes import ArrayNode, Node, ObjectNode, ScalarNode
from dra_config.violations import FieldPath

_ESCAPED_BY_GO: Final = re.compile("[<>&\u2028\u2029\ud800-\udfff]")


def to_json(node: Node) -> bytes:
    """Return *node* as the JSON that kubectl would send, except that equal keys are retained.

    No white space; the characters that Go's encoder escapes are escaped, so that the length is the
    one the API server measures. Half of a surrogate pair stays an escape, too.
    """
    parts: list[str] = []
    _write(node, parts)
    return "".join(parts).encode()


def to_python(node: Node) -> Any:
    """Return *node* as dict, list, str, int, float, bool or None; the last of equal keys wins."""
    match node:
        case ScalarNode(value=value):
            return value
        case ArrayNode(items=items):
            return [to_python(item) for item in items]
        case ObjectNode(members=members):
            return {member.key: to_python(member.value) for member in members}


def duplicate_keys(node: Node) -> Iterator[tuple[FieldPath, int]]:
    """Yield the path of every key that its object already has, and which repetition it is, from 1.

    In the order of the source, but an object's own keys come before those further inside.
    """
    pending: list[tuple[FieldPath, Node]] = [((), node)]
    while pending:
        path, current = pending.pop()
        inner: list[tuple[FieldPath, Node]] = []
        match current:
            case ScalarNode():
                pass
            case ArrayNode(items=items):
                inner = [((*path, index), item) for index, item in enumerate(items)]
            case ObjectNode(members=members):
                inner = [((*path, member.key), member.value) for member in members]
                counts: dict[str, int] = {}
                for member in members:
                    counts[member.key] = occurrence = counts.get(member.key, -1) + 1
                    if occurrence:
                        yield (*path, member.key), occurrence
        pending.extend(reversed(inner))


def _write(node: Node, parts: list[str]) -> None:
    match node:
        case ScalarNode(value=str() as value):
            parts.append(_quoted(value))
        case ScalarNode(value=None):
            parts.append("null")
        case ScalarNode(value=bool() as value):
            parts.append("true" if value else "false")
        case ScalarNode(text=text):
            parts.append(text)
        case ArrayNode(items=items):
            separator = "["
            for item in items:
                parts.append(separator)
                _write(item, parts)
                separator = ","
            parts.append("]" if items else "[]")
        case ObjectNode(members=members):
            separator = "{"
            for member in members:
                parts.append(f"{separator}{_quoted(member.key)}:")
                _write(member.value, parts)
                separator = ","
            parts.append("}" if members else "{}")


def _quoted(text: str) -> str:
    return _ESCAPED_BY_GO.sub(lambda match: f"\\u{ord(match[0]):04x}", encode_basestring(text))
