"""YAML and JSON text as kubectl reads it: documents with the line and column of every value."""

from typing import TYPE_CHECKING

from dra_config.lazily import lazily

if TYPE_CHECKING:
    from dra_config.manifests.formats import Format, format_of
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
    from dra_config.manifests.reading import read
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

# Whoever only asks for the format of a file needs no parser.
__getattr__ = lazily(
    __name__,
    {
        "MAX_DEPTH": ".limits",
        "MAX_EXPANDED_CHARACTERS": ".limits",
        "MAX_FILE_BYTES": ".limits",
        "ArrayNode": ".nodes",
        "Document": ".nodes",
        "Format": ".formats",
        "Member": ".nodes",
        "Node": ".nodes",
        "ObjectNode": ".nodes",
        "ScalarNode": ".nodes",
        "Span": ".nodes",
        "Unreadable": ".nodes",
        "duplicate_keys": ".values",
        "find": ".places",
        "format_of": ".formats",
        "read": ".reading",
        "to_json": ".values",
        "to_python": ".values",
    },
)
