"""The page of the kinds and their fields, docs/reference/kinds.md."""

from collections.abc import Iterator

from dra_config.cli.reference.markdown import GENERATED, code, table
from dra_config.manifests.writing import as_yaml
from dra_config.schema import Field, Kind, kinds, walk

_INTRODUCTION = """
Every kind with its fields, as the JSON Schemas in `schemas/` have them. A field without *required*
may be left out or null, which is the same; what then holds stands under *Default* and in its
description. A value with a gate behind it is refused where that feature gate is off. Kinds of an
old apiVersion are read, converted and reported with a warning; below their own fields they have
those of today's kind. `dra-config explain KIND` tells the same in a terminal.
"""
_HEAD = ("Field", "Type", "Unit", "Default", "Description")


def render() -> str:
    """Return the text of the page."""
    pages = "\n".join("\n".join(_page(kind)) for kind in kinds())
    return f"{GENERATED}\n# Kinds\n{_INTRODUCTION}\n{pages}"


def _page(kind: Kind) -> Iterator[str]:
    yield f"## {kind.kind} of {kind.api_version}\n"
    old = " An old version." if kind.deprecated else ""
    yield f"{kind.description}{old} Schema: `schemas/{kind.schema_path}`.\n"
    fields = kind.fields if kind.deprecated else walk(kind.fields)
    yield table(_HEAD, [_row(field) for field in fields])
    for example in kind.examples:
        yield code(as_yaml(example), "yaml")


def _row(field: Field) -> list[str]:
    marks = (", required" if field.required else "") + (", old" if field.deprecated else "")
    values = ", ".join(
        f"`{value.value}`" + (f" ({value.feature_gate})" if value.feature_gate else "")
        for value in field.values
    )
    default = "" if field.default is None else f"`{shown(field.default)}`"
    kind = f"{values or field.type}{marks}"
    return [f"`{field.path}`", kind, field.unit, default, field.description]


def shown(value: object) -> str:
    """Return *value* as it is written in YAML, on one line."""
    return str(value).lower() if isinstance(value, bool) else str(value)
