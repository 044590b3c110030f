"""Plain values -> YAML, for the examples that people are shown."""

from collections.abc import Mapping
from typing import Any

import yaml


def as_yaml(tree: Mapping[str, Any]) -> str:
    """Return the object *tree* as YAML in its own order.

    Below the top, an object or a list that holds only scalars stands on one line.
    """
    return "".join(_entry({key: value}) for key, value in tree.items())


def _entry(entry: Mapping[str, Any]) -> str:
    (value,) = entry.values()
    style = None if isinstance(value, dict | list) else False
    text: str = yaml.safe_dump(entry, sort_keys=False, default_flow_style=style)
    return text
