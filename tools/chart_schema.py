"""Renders the chart's values.schema.json: a tree made from the list of values."""

import json
from typing import Any

from tools.chart_gates import feature_gates
from tools.chart_shapes import Json, Section, closed
from tools.chart_values import ENTRIES, values


def render() -> str:
    """Return the text of values.schema.json, in draft-07, which helm 3 and 4 both read."""
    return json.dumps(document(), indent=2) + "\n"


def document() -> Json:
    """Return the schema of all values together."""
    properties: dict[str, Any] = {
        # Helm hands it to a chart that another one depends on.
        "global": {"type": "object"},
    }
    whole = closed(properties) | {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart dra-config",
    }
    texts = {entry.path: entry.text for entry in ENTRIES if isinstance(entry, Section)}
    for value in values():
        *parents, name = value.path.split(".")
        place = whole
        for depth, parent in enumerate(parents, start=1):
            place = place["properties"].setdefault(parent, closed({}))
            path = ".".join(parents[:depth])
            if path in texts:
                place["description"] = texts[path]
        shape = feature_gates() if value.path == "featureGates" else value.schema
        place["properties"][name] = {"description": value.text} | shape
    return whole
