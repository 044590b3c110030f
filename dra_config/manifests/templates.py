"""Text that Helm or Jinja has yet to turn into a manifest, told from YAML that is broken."""

import re
from collections.abc import Container
from typing import Final

from dra_config.manifests.nodes import ArrayNode, Node, ObjectNode, ScalarNode, Span
from dra_config.violations import FieldPath

_TOKEN: Final = re.compile(
    r"""(?P<action>\{\{|\{%)|"[^"\\]*(?:\\.[^"\\]*)*"|'[^']*(?:''[^']*)*'|(?:^|(?<=\s))\#.*"""
)
_BREAK: Final = re.compile(r"\r\n?|\n")
_CLOSING: Final = {"{{": "}}", "{%": "%}"}


def holds_action(text: str) -> bool:
    """Tell whether a plain scalar has an action in it, such as ``{{ .Values.name }}``."""
    for opening, closing in _CLOSING.items():
        start = text.find(opening)
        if start >= 0 and text.find(closing, start + 2) >= 0:
            return True
    return False


def action_in(node: Node | None, path: FieldPath = ()) -> FieldPath | None:
    """Return the path of the first text in *node* that a template engine has yet to replace.

    Args:
        node: A value of a document that could be read.
        path: The path of *node*.
    """
    match node:
        case ScalarNode(value=str() as text):
            return path if holds_action(text) else None
        case ObjectNode(members=members):
            for member in members:
                found = action_in(member.value, (*path, member.key))
                if holds_action(member.key):
                    return (*path, member.key)
                if found is not None:
                    return found
        case ArrayNode(items=items):
            for index, item in enumerate(items):
                found = action_in(item, (*path, index))
                if found is not None:
                    return found
        case _:
            pass
    return None


def find_action(text: str, first_line: int, literal_lines: Container[int]) -> Span | None:
    """Return where the first action stands in *text*, a document that does not parse, or None.

    An action in a quoted string does not count, unless it holds quotes of its own, which is what
    breaks the string. Neither does one in a comment or in a block scalar.

    Args:
        text: The document.
        first_line: The number of its first line in the file, from 1.
        literal_lines: The numbers of lines that belong to block scalars.
    """
    for number, line in enumerate(_BREAK.split(text), first_line):
        if number in literal_lines or ("{{" not in line and "{%" not in line):
            continue
        start = _action_start(line)
        if start is not None:
            return Span(number, start + 1, number, start + 3)
    return None


def _action_start(line: str) -> int | None:
    """Return the offset of the first action in *line* that no quotes protect, or None."""
    for token in _TOKEN.finditer(line):
        if token["action"]:
            return token.start()
        opened = token[0].find("{{")
        if opened >= 0 and token[0][0] in "\"'" and "}}" not in token[0][opened:]:
            return token.start() + opened
    return None
