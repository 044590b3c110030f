"""JSON text read with the place of every value, equal keys retained, numbers left as written."""

import json
import re
from collections.abc import Iterator
from typing import Final

from dra_config.manifests.failures import (
    BOMB,
    DOES_NOT_PARSE,
    TEMPLATE,
    TEMPLATE_MESSAGE,
    DocumentError,
)
from dra_config.manifests.limits import MAX_DEPTH
from dra_config.manifests.lines import LineTable, count_lines
from dra_config.manifests.nodes import ArrayNode, Member, Node, ObjectNode, ScalarNode
from dra_config.manifests.templates import find_action

_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NUMBER: Final = re.compile(r"(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORD: Final = re.compile(r"[A-Za-z_0-9.+-]+")
_LINE: Final = re.compile(r"[^\r\n]+")
_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_LONGEST_INTEGER: Final = 4_000
"""Python refuses to turn more than 4,300 digits into an integer."""


class JsonReader:
    """Reads the values of one text, one after the other."""

    def __init__(self, text: str, first_line: int = 1) -> None:
        """Start before the first value of *text*, whose first line has number *first_line*."""
        self._text = text
        self._first_line = first_line
        self._lines = LineTable(text, first_line)
        self._strings = json.JSONDecoder()
        self._offset = 0
        self._skip_space()

    @property
    def offset(self) -> int:
        """Where the next value begins, in characters from 0."""
        return self._offset

    @property
    def exhausted(self) -> bool:
        """True once nothing but white space was left."""
        return self._offset >= len(self._text)

    def read(self) -> Node:
        """Return the next value.

        Raises:
            DocumentError: The text goes on with something else, or nests too deep.
        """
        node = self._value(0)
        self._skip_space()
        return node

    def unexpected(self, expected: str) -> DocumentError:
        """Return a failure at the next character, where there should have been *expected*."""
        if self.exhausted:
            return self._failure(f"The text ends where {expected} was expected.", 0)
        found = json.dumps(self._text[self._offset], ensure_ascii=False)[1:-1]
        found = "a quote" if found in ('\\"', "'") else f"'{found}'"
        return self._failure(f"This is not JSON: found {found} where {expected} was expected.", 1)

    def _failure(self, message: str, length: int) -> DocumentError:
        action = find_action(self._text, self._first_line, ())
        if action is not None:
            return DocumentError(TEMPLATE, TEMPLATE_MESSAGE, action)
        span = self._lines.span(self._offset, self._offset + length)
        return DocumentError(DOES_NOT_PARSE, message, span)

    def _skip_space(self) -> None:
        match = _SPACE.match(self._text, self._offset)
        self._offset = match.end() if match is not None else self._offset

    def _next_is(self, character: str) -> bool:
        """Step over *character* and the space behind it, if it comes next."""
        if not self._text.startswith(character, self._offset):
            return False
        self._offset += 1
        self._skip_space()
        return True

    def _value(self, depth: int) -> Node:
        start = self._offset
        match self._text[start : start + 1]:
            case '"':
                text = self._string()
                return ScalarNode(text, text, self._lines.span(start, self._offset))
            case "{" | "[" if depth >= MAX_DEPTH:
                message = f"Objects and lists lie more than {MAX_DEPTH} deep inside one another."
                raise DocumentError(BOMB, message, self._lines.span(start, start + 1))
            case "{":
                return self._object(depth)
            case "[":
                return self._array(depth)
            case _:
                return self._plain()

    def _object(self, depth: int) -> ObjectNode:
        start = self._offset
        self._next_is("{")
        members: list[Member] = []
        while not self._text.startswith("}", self._offset):
            if members and not self._next_is(","):
                raise self.unexpected("',' or '}'")
            key_start = self._offset
            if not self._text.startswith('"', key_start):
                raise self.unexpected("a key in double quotes")
            key = self._string()
            key_span = self._lines.span(key_start, self._offset)
            self._skip_space()
            if not self._next_is(":"):
                raise self.unexpected("':'")
            members.append(Member(key, key_span, self._value(depth + 1)))
            self._skip_space()
        self._offset += 1
        return ObjectNode(tuple(members), self._lines.span(start, self._offset), inline=True)

    def _array(self, depth: int) -> ArrayNode:
        start = self._offset
        self._next_is("[")
        items: list[Node] = []
        while not self._text.startswith("]", self._offset):
            if items and not self._next_is(","):
                raise self.unexpected("',' or ']'")
            items.append(self._value(depth + 1))
            self._skip_space()
        self._offset += 1
        return ArrayNode(tuple(items), self._lines.span(start, self._offset), inline=True)

    def _string(self) -> str:
        try:
            value, end = self._strings.raw_decode(self._text, self._offset)
        except json.JSONDecodeError as error:
            start = self._offset
            self._offset = min(error.pos, len(self._text))
            if self._offset == start:
                raise self._failure("This string has no closing quote.", 1) from error
            message = "A string holds a line break, another control character or a wrong escape."
            raise self._failure(message, 1) from error
        self._offset = end
        return str(value)

    def _plain(self) -> ScalarNode:
        """Return a number, true, false or null."""
        start = self._offset
        word = _WORD.match(self._text, start)
        if word is None:
            raise self.unexpected("a value")
        text = word[0]
        value: float | bool | None
        if text in _CONSTANTS:
            value = _CONSTANTS[text]
        else:
            number = _NUMBER.fullmatch(text)
            if number is None:
                message = f"'{text[:40]}' is no JSON value; a string stands in double quotes."
                raise self._failure(message, len(text))
            whole = number[2] is None and number[3] is None and len(text) <= _LONGEST_INTEGER
            value = int(text) if whole else float(text)
        self._offset = word.end()
        return ScalarNode(value, text, self._lines.span(start, self._offset))


def read_json(text: str) -> Iterator[Node | DocumentError]:
    """Yield the values of *text* one after the other, up to the first that is none."""
    reader = JsonReader(text)
    while not reader.exhausted:
        try:
            yield reader.read()
        except DocumentError as error:
            yield error
            return


def read_json_lines(text: str) -> Iterator[Node | DocumentError]:
    """Yield the value of each line of *text*, or why it has none; blank lines are skipped."""
    counted, number = 0, 1
    for line in _LINE.finditer(text):
        number += count_lines(text, counted, line.start())
        counted = line.start()
        reader = JsonReader(line[0], number)
        if reader.exhausted:
            continue
        try:
            node = reader.read()
            if not reader.exhausted:
                raise reader.unexpected("the end of the line")
        except DocumentError as error:
            yield error
        else:
            yield node
