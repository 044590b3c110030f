"""One YAML document turned from events into nodes, with aliases and merge keys resolved."""

import re
from dataclasses import replace
from typing import Final

from dra_config.manifests.failures import (
    BOMB,
    DOES_NOT_PARSE,
    TEMPLATE,
    TEMPLATE_MESSAGE,
    DocumentError,
)
from dra_config.manifests.go_numbers import is_int64, json_text, key_text
from dra_config.manifests.limits import MAX_DEPTH
from dra_config.manifests.lines import LineTable
from dra_config.manifests.nodes import ArrayNode, Member, Node, ObjectNode, ScalarNode, Span
from dra_config.manifests.scalars import Resolved, ScalarError, resolve_plain, resolve_tagged
from dra_config.manifests.templates import holds_action
from dra_config.manifests.yaml_aliases import Aliases
from dra_config.manifests.yaml_events import (
    ALIAS,
    MAPPING_END,
    MAPPING_START,
    SCALAR,
    SEQUENCE_END,
    Event,
    Mark,
    NextEvent,
)
from dra_config.manifests.yaml_merge import is_merge_key, members_of, merge

_FOREIGN_BREAK: Final = re.compile("[\x85\u2028\u2029]")
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_NO_KIND_TAG: Final = re.compile(r"(?:&\S+\s+)?!(?:\s|$)")


class Composer:
    """Builds the tree of one document, counting what kubectl's decoder counts."""

    def __init__(self, text: str, first_line: int, next_event: NextEvent) -> None:
        """Read events of *text*, which begins at line *first_line* of its file."""
        self.literal_lines: set[int] = set()
        self._text = text
        self._first_line = first_line
        self._next_event = next_event
        self._lines: LineTable | None = None
        self._counts_foreign_breaks = _FOREIGN_BREAK.search(text) is not None
        self._aliases = Aliases()
        self._deepest = 0

    def compose(self, event: Event, depth: int) -> Node:
        """Return the value that begins with *event*, inside *depth* others.

        Raises:
            DocumentError: The value cannot be read, or is a template or a bomb.
            yaml.YAMLError: The parser gave up.
        """
        kind = type(event)
        if kind is ALIAS:
            return self._alias(event, depth)
        anchor = self._aliases.open(event.anchor)
        self._aliases.decoded_count += 1
        if kind is SCALAR:
            resolved = self._resolve(event)
            scalar = self._scalar(event, resolved)
            if anchor is not None:
                anchor.resolved = resolved
                self._aliases.close(anchor, scalar)
            return scalar
        if depth >= MAX_DEPTH:
            raise self._too_deep(self._span(event))
        outer, self._deepest = self._deepest, depth
        node: Node
        if kind is MAPPING_START:
            node = self._mapping(event, depth)
        else:
            node = self._sequence(event, depth)
        if anchor is not None:
            self._aliases.close(anchor, node)
            anchor.height = self._deepest - depth + 1
        self._deepest = max(self._deepest, outer)
        return node

    def between(self, start: Mark, end: Mark) -> Span:
        """Return the stretch of the file from one mark of the parser to the other."""
        if self._counts_foreign_breaks:
            return self._line_table().span(start.index, end.index)
        line = self._first_line
        return Span(line + start.line, start.column + 1, line + end.line, end.column + 1)

    def _span(self, event: Event) -> Span:
        return self.between(event.start_mark, event.end_mark)

    def _line_table(self) -> LineTable:
        if self._lines is None:
            self._lines = LineTable(self._text, self._first_line)
        return self._lines

    def _too_deep(self, span: Span) -> DocumentError:
        message = f"Objects and lists lie more than {MAX_DEPTH} deep inside one another here."
        return DocumentError(BOMB, message, span)

    def _alias(self, event: Event, depth: int) -> Node:
        span = self._span(event)
        anchor, node = self._aliases.use(event.anchor or "", span)
        if isinstance(node, ScalarNode):
            return replace(node, span=span)
        reach = depth + anchor.height - 1
        if reach >= MAX_DEPTH:
            raise self._too_deep(span)
        self._deepest = max(self._deepest, reach)
        return replace(node, span=span, inline=True)

    def _resolve(self, event: Event) -> Resolved:
        """Return what a scalar means to go-yaml."""
        text = event.value
        self._aliases.character_count += len(text)
        if event.tag is not None:
            return self._resolve_tagged(event, event.tag)
        if event.style:
            if event.style in "|>":
                self._note_literal(event)
            elif not text.isascii() and _SURROGATE.search(text):
                message = "An escape in this string names half of a surrogate pair, no character."
                raise DocumentError(DOES_NOT_PARSE, message, self._span(event))
            return text
        resolved = resolve_plain(text)
        if isinstance(resolved, str):
            if "{" in text and holds_action(text):
                raise DocumentError(TEMPLATE, TEMPLATE_MESSAGE, self._span(event))
            return resolved
        return text if self._has_bare_tag(event) else resolved

    def _resolve_tagged(self, event: Event, tag: str) -> Resolved:
        if tag == "!":
            return event.value
        try:
            return resolve_tagged(tag, event.value)
        except ScalarError as error:
            raise DocumentError(DOES_NOT_PARSE, str(error), self._span(event)) from error

    def _has_bare_tag(self, event: Event) -> bool:
        """Tell whether the tag of a plain scalar is a mere ``!``, which libyaml drops."""
        start = event.start_mark.index
        return (
            self._text[start : start + 1] in ("!", "&")
            and _NO_KIND_TAG.match(self._text, start) is not None
        )

    def _note_literal(self, event: Event) -> None:
        """Remember the lines of a block scalar, whose text is nobody's business."""
        start, end = event.start_mark.line + 1, event.end_mark.line
        self.literal_lines.update(range(self._first_line + start, self._first_line + end))

    def _scalar(self, event: Event, resolved: Resolved) -> ScalarNode:
        """Return a scalar as JSON has it."""
        text = event.value
        value = resolved
        if type(value) is float:
            if value - value != 0:
                message = f"JSON has no number for '{text}'; kubectl refuses the document."
                raise DocumentError(DOES_NOT_PARSE, message, self._span(event))
            text = json_text(value)
            value = float(text) if "." in text or "e" in text else int(text)
        elif type(value) is int:
            text = str(value)
        elif isinstance(value, str):
            text = value
        if event.style and event.style in "|>":
            return ScalarNode(value, text, self._block_span(event))
        return ScalarNode(value, text, self._span(event))

    def _block_span(self, event: Event) -> Span:
        """Return the span of a block scalar without the blank lines below it."""
        end = event.end_mark.index
        while self._text[end - 1] in " \t\r\n":
            end -= 1
        return self._line_table().span(event.start_mark.index, end)

    def _sequence(self, event: Event, depth: int) -> ArrayNode:
        items: list[Node] = []
        following = self._next_event()
        while type(following) is not SEQUENCE_END:
            items.append(self.compose(following, depth + 1))
            following = self._next_event()
        inline = bool(event.flow_style)
        span = self.between(event.start_mark, following.end_mark)
        if items and not inline:
            span = Span(*span[:2], *items[-1].span[2:])
        return ArrayNode(tuple(items), span, inline)

    def _mapping(self, event: Event, depth: int) -> ObjectNode:
        members: list[Member] = []
        merges: list[tuple[int, list[Member]]] = []
        end: Span | None = None
        following = self._next_event()
        while (kind := type(following)) is not MAPPING_END:
            if kind is SCALAR and is_merge_key(following):
                node, merged = self._merge(depth)
                merges.append((len(members), merged))
            else:
                key_span = self._span(following)
                key = self._key(following, key_span, event)
                node = self.compose(self._next_event(), depth + 1)
                members.append(Member(key, key_span, node))
            end = node.span
            following = self._next_event()
        inline = bool(event.flow_style)
        span = self.between(event.start_mark, following.end_mark)
        if end is not None and not inline:
            span = Span(*span[:2], *end[2:])
        return ObjectNode(merge(members, merges) if merges else tuple(members), span, inline)

    def _merge(self, depth: int) -> tuple[Node, list[Member]]:
        """Return the value of a merge key, which comes next, and the members it brings."""
        event = self._next_event()
        node = self.compose(event, depth)
        if isinstance(node, ArrayNode) and type(event) is not ALIAS:
            self._aliases.decoded_count -= 1  # the decoder looks at the items only
            return node, members_of(node.items)
        return node, members_of((node,))

    def _key(self, event: Event, span: Span, mapping: Event) -> str:
        """Return a key of *mapping* as kubectl writes it in JSON."""
        kind = type(event)
        if kind is SCALAR:
            anchor = self._aliases.open(event.anchor)
            self._aliases.decoded_count += 1
            resolved = self._resolve(event)
            if anchor is not None:
                anchor.resolved = resolved
                self._aliases.close(anchor, self._scalar(event, resolved))
            return self._key_text(resolved, span)
        if kind is ALIAS:
            referred, node = self._aliases.use(event.anchor or "", span)
            if isinstance(node, ScalarNode):
                return self._key_text(referred.resolved, span)
        elif event.flow_style and event.start_mark.index == mapping.start_mark.index + 1:
            # {{ .Values.name }} is an object in braces whose only key is another one.
            outer = self.between(mapping.start_mark, event.end_mark)
            raise DocumentError(TEMPLATE, TEMPLATE_MESSAGE, outer)
        raise self._no_key("an object or a list", span)

    def _key_text(self, resolved: Resolved, span: Span) -> str:
        match resolved:
            case str():
                return resolved
            case None:
                raise self._no_key("null", span)
            case bool():
                return "true" if resolved else "false"
            case int():
                if not is_int64(resolved):
                    raise self._no_key("a number beyond 64 bits", span)
                return str(resolved)
            case float():
                return key_text(resolved)

    def _no_key(self, what: str, span: Span) -> DocumentError:
        message = f"A key cannot be {what}; kubectl refuses the document."
        return DocumentError(DOES_NOT_PARSE, message, span)
