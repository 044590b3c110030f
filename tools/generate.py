"""Writes every generated file, or tells which have drifted: ``python -m tools.generate``."""

import argparse
import difflib
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import yaml

from dra_config import schema
from dra_config.cli.reference import gates, kinds, rules
from tools import chart_pages, completions, reference_schemas, stubs

ROOT: Final = Path(__file__).resolve().parents[1]
CRD_FOLDERS: Final = ("schemas/crds", "charts/dra-config/crds")
OWNED_FOLDERS: Final = ("schemas", "charts/dra-config/crds", completions.FOLDER)
"""Folders in which every file is generated; any other file there is drift."""

DOCUMENTS: Final[Mapping[str, Callable[[], str]]] = {
    "docs/reference/feature-gates.md": gates.render,
    "docs/reference/kinds.md": kinds.render,
    "docs/reference/rules.md": rules.render,
    "docs/reference/schemas.md": reference_schemas.render,
    **chart_pages.renderers(),
    **completions.renderers(),
}
"""Single generated files by their paths: add a line here for one more."""

_WIDTH: Final = 98
_SHOWN_LINES: Final = 20


def generated() -> dict[str, str]:
    """Return the text of every generated file by its path in the repository."""
    texts = {
        f"schemas/{path}": json.dumps(document, indent=2) + "\n"
        for path, document in {
            **schema.documents(),
            schema.MANIFEST: schema.manifest_schema(),
        }.items()
    }
    for name, manifest in schema.custom_resource_definitions().items():
        text = _manifest(manifest)
        texts |= {f"{folder}/{name}": text for folder in CRD_FOLDERS}
    texts |= {path: render() for path, render in DOCUMENTS.items()}
    texts |= stubs.texts(ROOT)
    return dict(sorted(texts.items()))


def drift(root: Path, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a short report for every file under *root* that is not as it is generated."""
    for path, text in texts.items():
        file = root / path
        if not file.is_file():
            yield f"{path}: missing"
            continue
        found = file.read_bytes()
        if found != text.encode():
            yield f"{path}: differs\n{_difference(found.decode(errors='replace'), text)}"
    yield from (f"{path}: nothing generates it" for path in _extra(root, texts))


def write(root: Path, texts: Mapping[str, str]) -> Iterator[str]:
    """Bring the files under *root* up to date, each in one step, and yield what was changed.

    Files that nothing generates any more are removed from the folders that hold nothing else.
    """
    for path, text in texts.items():
        file = root / path
        if file.is_file() and file.read_bytes() == text.encode():
            continue
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_name(f".{file.name}.part")
        part.write_bytes(text.encode())
        part.replace(file)
        yield f"{path}: written"
    for path in [*_extra(root, texts)]:
        (root / path).unlink()
        yield f"{path}: removed"


def main(arguments: Iterable[str] | None = None, *, root: Path = ROOT) -> int:
    """Write the files, or with ``--check`` compare them; return the exit status.

    Args:
        arguments: The command line; that of the process if left out.
        root: The folder of the repository.
    """
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; exit 1 if a file has drifted"
    )
    options = parser.parse_args(None if arguments is None else [*arguments])
    texts = generated()
    if not options.check:
        changes = [*write(root, texts)]
        print("\n".join(changes) or f"{len(texts)} generated files are up to date")
        return 0
    reports = [*drift(root, texts)]
    if reports:
        print("\n".join(reports))
        print(f"\n{len(reports)} generated files have drifted; run `make generate`")
        return 1
    print(f"{len(texts)} generated files are up to date")
    return 0


def _manifest(manifest: object) -> str:
    head = (
        "# Generated from dra_config/v1beta1/objects.py by `make generate`; not edited by hand.\n"
    )
    return head + yaml.safe_dump(manifest, sort_keys=False, width=_WIDTH, allow_unicode=True)


def _extra(root: Path, texts: Mapping[str, str]) -> Iterator[str]:
    for folder in OWNED_FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.is_file() and path not in texts:
                yield path


def _difference(found: str, text: str) -> str:
    lines = difflib.unified_diff(
        found.splitlines(), text.splitlines(), "as it is", "as generated", n=1, lineterm=""
    )
    shown = [f"  {line}" for line in lines]
    rest = len(shown) - _SHOWN_LINES
    tail = [f"  ... and {rest} more lines"] if rest > 0 else []
    return "\n".join([*shown[:_SHOWN_LINES], *tail])


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main())
