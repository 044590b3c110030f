"""A YAML file read document by document, so that a broken one does not hide its neighbours."""

import re
from collections.abc import Iterator
from typing import Final

import yaml

from dra_config.manifests.failures import (
    BOMB,
    DOES_NOT_PARSE,
    TEMPLATE,
    TEMPLATE_MESSAGE,
    DocumentError,
)
from dra_config.manifests.lines import LineTable
from dra_config.manifests.nodes import Node, ScalarNode, Span
from dra_config.manifests.sentences import explain
from dra_config.manifests.templates import find_action
from dra_config.manifests.yaml_composer import Composer
from dra_config.manifests.yaml_events import FASTEST_EVENTS, STREAM_END, EventSource
from dra_config.manifests.yaml_stream import Chunk, split

_UNPRINTABLE: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"
)


def read_yaml(
    text: str, first_line: int = 1, events: EventSource = FASTEST_EVENTS
) -> Iterator[Node | DocumentError]:
    """Yield the root of each document of *text*, or why it has none; null documents are skipped.

    Args:
        text: The file, or the rest of it.
        first_line: The number of the first line in the file, from 1.
        events: The parser.
    """
    for chunk in split(text, first_line):
        if chunk.separator_rest and not chunk.separator_rest.startswith("#"):
            yield _bad_separator(chunk)
        elif chunk.text and not chunk.text.isspace():
            yield from _read_chunk(chunk, events)


def _bad_separator(chunk: Chunk) -> DocumentError:
    """Return the finding on a separator that kubectl does not take for one."""
    line = chunk.separator_line
    span = Span(line, 1, line, 4)
    if find_action(chunk.separator_rest, line, ()) is not None:
        return DocumentError(TEMPLATE, TEMPLATE_MESSAGE, span)
    message = "Nothing but a comment can follow '---'; begin the document on a line of its own."
    return DocumentError(DOES_NOT_PARSE, message, span)


def _read_chunk(chunk: Chunk, events: EventSource) -> Iterator[Node | DocumentError]:
    """Yield the document of *chunk*, and a failure for text that kubectl would not look at."""
    unprintable = _UNPRINTABLE.search(chunk.text)
    if unprintable is not None:
        span = LineTable(chunk.text, chunk.first_line).span(*unprintable.span())
        message = f"The control character U+{ord(unprintable[0]):04X} is not allowed in YAML."
        yield DocumentError(DOES_NOT_PARSE, message, span)
        return
    next_event = events(chunk.text)
    composer = Composer(chunk.text, chunk.first_line, next_event)
    try:
        next_event()  # the start of the stream
        if type(next_event()) is STREAM_END:
            return
        root = composer.compose(next_event(), 0)
        next_event()  # the end of the document
    except DocumentError as error:
        yield error
        return
    except yaml.YAMLError as error:
        yield _syntax_error(error, chunk, composer)
        return
    if not (isinstance(root, ScalarNode) and root.value is None):
        yield root
    try:
        after = next_event()
    except yaml.YAMLError as error:
        yield _syntax_error(error, chunk, composer)
        return
    if type(after) is not STREAM_END:
        message = "kubectl ignores what follows '...'; begin another document with '---'."
        yield DocumentError(
            DOES_NOT_PARSE, message, composer.between(after.start_mark, after.end_mark)
        )


def _syntax_error(error: yaml.YAMLError, chunk: Chunk, composer: Composer) -> DocumentError:
    """Return what the parser says, or that it stumbled over a template."""
    action = find_action(chunk.text, chunk.first_line, composer.literal_lines)
    if action is not None:
        return DocumentError(TEMPLATE, TEMPLATE_MESSAGE, action)
    place = Span(chunk.first_line, 1, chunk.first_line, 1)
    if not isinstance(error, yaml.MarkedYAMLError):
        message = "This is not YAML: it holds characters that YAML does not allow."
        return DocumentError(DOES_NOT_PARSE, message, place)
    problem = str(error.problem or error.context)
    mark = error.problem_mark or error.context_mark
    if mark is not None:
        place = composer.between(mark, mark)
        last = len(chunk.text.rstrip()) - 1
        if mark.index > last:
            # Not the separator below, where the parser missed something, but the text before it.
            place = LineTable(chunk.text, chunk.first_line).span(last, last + 1)
    rule = BOMB if "nesting depth" in problem else DOES_NOT_PARSE
    return DocumentError(rule, explain(problem), place)
