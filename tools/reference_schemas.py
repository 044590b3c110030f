"""Renders docs/reference/schemas.md: which schemas there are, and what they cannot decide."""

from dra_config import schema
from dra_config.catalogue import RULES
from dra_config.cli.reference.markdown import GENERATED, table

_INTRODUCTION = """
The wheel carries the same files in `dra_config/schemas/`. Each JSON Schema (draft 2020-12) stands
alone. A field that may be left out may also be null, which means the same. `x-unit` names the unit
of a number, and what belongs to an old apiVersion is marked `deprecated`.

`manifest.json` is for editors: whole manifests, in which `opaque.parameters` is typed by
`opaque.driver` and everything else is left open. It is written in draft-07, which every editor
reads; [editor.md](../how-to/editor.md) shows how to set it up.
"""
_LIMITS = """
A schema and the library give the same verdict on every config, except where nothing but rules of
this table is broken. The tests hold the table to the models: any other disagreement fails them.
Warnings are never a schema's business, since it can only accept or refuse.
"""
_CRDS = """
The CRD manifests come from the same models. The API server refuses what they exclude and drops
fields that they do not list, unless the request asks for strict field validation. They lie in
`schemas/crds/` and, for installation, in `charts/dra-config/crds/`.
"""


def render() -> str:
    """Return the text of the page."""
    files = [[f"`schemas/{path}`", about["title"]] for path, about in schema.documents().items()]
    about = schema.manifest_schema()
    files.append([f"`schemas/{schema.MANIFEST}`", about["title"]])
    manifests = [
        [f"`schemas/crds/{name}`", manifest["spec"]["names"]["kind"]]
        for name, manifest in schema.custom_resource_definitions().items()
    ]
    rules = [
        [limit.rule, RULES[limit.rule].name, limit.what or "all of it", limit.why]
        for limit in schema.INEXPRESSIBLE
    ]
    return (
        f"{GENERATED}\n# Schemas\n{_INTRODUCTION}\n{table(['File', 'What it describes'], files)}"
        f"\n## CRDs\n{_CRDS}\n{table(['File', 'Kind'], manifests)}"
        f"\n## What a schema cannot decide\n{_LIMITS}\n"
        f"{table(['Rule', 'Name', 'What is left to the library', 'Why'], rules)}"
    )
