"""The manifests in ``examples/``, and the answer that each of them is written to get."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from dra_config.catalogue import RULES, Severity
from dra_config.claims import CONFIG_LISTS, GROUP
from dra_config.manifests import Document, format_of, read, to_json, to_python

GATES_LINE: Final = re.compile(r"^Feature gates: (?:`([^`]+)`|none)\.$", re.MULTILINE)
"""Where the README of an example says what must be on."""
EXPECT_LINE: Final = re.compile(r'\bexpect"?: "?(DRA\d{3}(?:, DRA\d{3})*)')
"""Where a manifest says which rules it breaks: in a comment, or in an annotation of JSON."""


@dataclass(frozen=True, slots=True)
class ExampleObject:
    """One claim, template or class of a manifest."""

    tree: dict[str, Any]
    """The object; of a key that stands twice the last one."""
    json: bytes
    """The object as kubectl would send it, with keys that stand twice."""

    @property
    def kind(self) -> str:
        """ResourceClaim, ResourceClaimTemplate or DeviceClass."""
        return str(self.tree["kind"])

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self.tree["metadata"]["name"])

    @property
    def version(self) -> str:
        """The version of resource.k8s.io that it is written for."""
        return str(self.tree["apiVersion"]).rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Example:
    """One manifest file."""

    path: Path
    """The file, from the root of the repository."""
    rules: tuple[str, ...]
    """The ids of the rules that it breaks on purpose; empty for a good example."""
    objects: tuple[ExampleObject, ...]
    """What in it an admission webhook is asked about."""

    @property
    def allowed(self) -> bool:
        """Whether the webhook should let its objects in."""
        return not any(RULES[rule].severity is Severity.ERROR for rule in self.rules)


def read_gates(folder: Path) -> str:
    """Return the feature gates that the example in *folder* needs, as ``A=true,B=true``.

    Raises:
        ValueError: If its README does not say.
    """
    found = GATES_LINE.search((folder / "README.md").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{folder.name}/README.md has no line 'Feature gates: `...`.'")
    return found[1] or ""


def all_gates(root: Path) -> str:
    """Return the feature gates with which every example can be judged at once."""
    lists = (read_gates(folder) for folder in folders(root))
    return ",".join(dict.fromkeys(gate for gates in lists for gate in gates.split(",") if gate))


def folders(root: Path) -> list[Path]:
    """Return the folder of each example, those with mistakes last."""
    found = (path.parent for path in (root / "examples").glob("*/README.md"))
    return sorted(found, key=lambda folder: (folder.name == "mistakes", folder.name))


def read_examples(root: Path) -> Iterator[Example]:
    """Yield every manifest of the repository at *root*, those with mistakes last."""
    for folder in folders(root):
        for file in sorted(folder.iterdir()):
            if format_of(file.name) is not None:
                yield read_example(root, file)


def read_example(root: Path, file: Path) -> Example:
    """Return the manifest in *file*.

    Raises:
        ValueError: If a document of it cannot be read.
    """
    text = file.read_text(encoding="utf-8")
    expected = EXPECT_LINE.search(text)
    rules = tuple(expected[1].split(", ")) if expected is not None else ()
    return Example(file.relative_to(root), rules, tuple(_objects(file, text)))


def _objects(file: Path, text: str) -> Iterator[ExampleObject]:
    for document in read(text, format=format_of(file.name)):
        if not isinstance(document, Document):
            raise ValueError(f"{file}: {document.message}")  # noqa: TRY004 - the text is wrong
        tree = to_python(document.root)
        if tree["kind"] in CONFIG_LISTS and tree["apiVersion"].startswith(f"{GROUP}/"):
            yield ExampleObject(tree, to_json(document.root))
