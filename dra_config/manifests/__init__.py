"""YAML and JSON text as kubectl reads it: documents with the line and column of every value."""

from dra_config.manifests.limits import MAX_DEPTH, MAX_EXPANDED_CHARACTERS, MAX_FILE_BYTES
from dra_config.manifests.nodes import (
    ArrayNode,
    Document,
    Member,
    Node,
    ObjectNode,
    ScalarNode,
    Span,
    Unreadable,
)
from dra_config.manifests.places import find
from dra_config.manifests.reading import Format, format_of, read
from dra_config.manifests.values import duplicate_keys, to_json, to_python

__all__ = [
    "MAX_DEPTH",
    "MAX_EXPANDED_CHARACTERS",
    "MAX_FILE_BYTES",
    "ArrayNode",
    "Document",
    "Format",
    "Member",
    "Node",
    "ObjectNode",
    "ScalarNode",
    "Span",
    "Unreadable",
    "duplicate_keys",
    "find",
    "format_of",
    "read",
    "to_json",
    "to_python",
]
