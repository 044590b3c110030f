"""How a text is written in the place of another one: in its quotes, behind its anchor."""

import json
import re
from typing import Final

from dra_config.cli.rewriting.source_text import CannotRewrite, Edit, SourceText
from dra_config.manifests import Span
from dra_config.manifests.scalars import resolve_plain

_PROPERTIES: Final = re.compile(r"(?:[&!]\S*\s+)*")
"""Anchor and tag, which stand before a value."""
_PLAIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?")
"""Texts that need no quotes anywhere, neither in a block nor in braces."""


def respelt(source: SourceText, span: Span, text: str) -> Edit:
    """Return the edit that makes *text* of the key or value at *span*, with the quotes it has.

    Raises:
        CannotRewrite: The value is a block of lines.
    """
    start, end = source.range(span)
    written = source.text[start:end]
    properties = _PROPERTIES.match(written)
    skipped = 0 if properties is None else properties.end()
    written = written[skipped:]
    match written[:1]:
        case '"':
            replacement = json.dumps(text, ensure_ascii=False)
        case "'":
            replacement = "'" + text.replace("'", "''") + "'"
        case "|" | ">":
            raise CannotRewrite("the value is written as a block of lines")
        case _:
            replacement = plain(text)
    return Edit(start + skipped, end, replacement)


def plain(text: str) -> str:
    """Return *text* without quotes where YAML reads that as the same text, otherwise in quotes."""
    if _PLAIN.fullmatch(text) and resolve_plain(text) == text:
        return text
    return json.dumps(text, ensure_ascii=False)


def like(source: SourceText, key_span: Span, key: str) -> str:
    """Return *key* in quotes if the key at *key_span* stands in double quotes, as in JSON."""
    quoted = source.slice(key_span).startswith('"')
    return json.dumps(key) if quoted else plain(key)
