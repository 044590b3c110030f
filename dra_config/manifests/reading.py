"""The door: the bytes of a file become documents, and never an exception."""

import re
from collections.abc import Callable, Iterator
from typing import Final

from dra_config.manifests.failures import DOES_NOT_PARSE, FILE_TOO_LARGE, DocumentError
from dra_config.manifests.formats import Format
from dra_config.manifests.json_reader import JsonReader, read_json, read_json_lines
from dra_config.manifests.limits import MAX_FILE_BYTES
from dra_config.manifests.lines import LineTable, count_lines
from dra_config.manifests.nodes import Document, Node, ScalarNode, Span, Unreadable
from dra_config.manifests.yaml_reader import read_yaml

_BYTE_ORDER_MARK: Final = "\ufeff"
_JSON_OBJECT: Final = re.compile(r'\s*\{\s*["}]')
_REST_OF_LINE: Final = re.compile(r"\s*?(?:\n|(?=\S)|\Z)")


def read(text: str | bytes, *, format: Format | None = None) -> list[Document | Unreadable]:  # noqa: A002 - the word users know
    """Return every document of a file, in its order; a broken one does not hide the others.

    Documents that hold nothing, or null, are left out, as kubectl passes over them.

    Args:
        text: The file; bytes are UTF-8, with or without a byte order mark.
        format: The syntax. Without it, and for YAML, a file that begins with a brace is read as
            JSON for as long as it is JSON, and as YAML from there on, which is what kubectl does.
    """
    try:
        decoded = _decode(text).removeprefix(_BYTE_ORDER_MARK)
    except DocumentError as error:
        return [error.unreadable(0)]
    results = _SYNTAX[format](decoded)
    documents: list[Document | Unreadable] = []
    for result in results:
        if isinstance(result, DocumentError):
            documents.append(result.unreadable(len(documents)))
        elif not (isinstance(result, ScalarNode) and result.value is None):
            documents.append(Document(len(documents), result))
    return documents


def _decode(text: str | bytes) -> str:
    """Return the characters of a file.

    Raises:
        DocumentError: The file is too large, or no UTF-8.
    """
    encoded = text
    if isinstance(encoded, str):
        try:
            encoded = encoded.encode()
        except UnicodeEncodeError as error:
            span = LineTable(str(text)).span(error.start, error.start + 1)
            message = "Half of a surrogate pair stands here, which is no character."
            raise DocumentError(DOES_NOT_PARSE, message, span) from error
    if len(encoded) > MAX_FILE_BYTES:
        mebibytes = MAX_FILE_BYTES // 1024**2
        message = f"The file has {len(encoded)} bytes; at most {mebibytes} MiB are read."
        raise DocumentError(FILE_TOO_LARGE, message, Span(1, 1, 1, 1))
    if isinstance(text, str):
        return text
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        before = encoded[: error.start].decode().removeprefix(_BYTE_ORDER_MARK)
        line, column = LineTable(before).position(len(before))
        message = (
            f"The file is not UTF-8 text: byte 0x{encoded[error.start]:02X} cannot stand here."
        )
        raise DocumentError(
            DOES_NOT_PARSE, message, Span(line, column, line, column + 1)
        ) from error


def _read_as_kubectl(text: str) -> Iterator[Node | DocumentError]:
    """Yield documents in the way of kubectl, which tries JSON first where a brace comes first."""
    if not text.lstrip().startswith("{"):
        yield from read_yaml(text)
        return
    reader = JsonReader(text)
    nodes: list[Node] = []
    failure: DocumentError | None = None
    offset = 0
    while failure is None and not reader.exhausted:
        try:
            nodes.append(reader.read())
        except DocumentError as error:
            failure = error
        else:
            offset = reader.offset
    yield from nodes
    if failure is None:
        return
    if len(nodes) > 1:
        yield failure
        return
    rest = list(read_yaml(text[offset:], 1 + count_lines(text, 0, offset)))
    if not nodes and _JSON_OBJECT.match(text) and all(isinstance(r, DocumentError) for r in rest):
        rest = [failure]
    yield from rest


_SYNTAX: Final[dict[Format | None, Callable[[str], Iterator[Node | DocumentError]]]] = {
    "json": read_json,
    "jsonl": read_json_lines,
    "yaml": _read_as_kubectl,
    None: _read_as_kubectl,
}
