"""Which objects stand in a document, which of them are ours, and where their configs are."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from dra_config import rules, scheme
from dra_config.carriers import CONFIG_LISTS, GROUP
from dra_config.cli.findings import ObjectReference
from dra_config.cli.foreign import looks_like_config
from dra_config.manifests import ArrayNode, Member, Node, ObjectNode, ScalarNode
from dra_config.rules import classic
from dra_config.violations import FieldPath

_CONFIG_GROUPS: Final = frozenset(version.rpartition("/")[0] for version in scheme.API_VERSIONS)


@dataclass(frozen=True, slots=True)
class FoundObject:
    """One object of a document."""

    path: FieldPath
    """Where it stands from the root of the document; empty unless it is an item of a list."""
    node: Node
    """The object itself."""
    api_version: str
    """Its apiVersion, or what the list around it says; may be empty."""
    kind: str
    """Its kind, or what the list around it says; may be empty."""

    @classmethod
    def of(cls, root: Node) -> "FoundObject":
        """Return the whole document as one object."""
        return cls((), root, header(root, "apiVersion"), header(root, "kind"))

    @property
    def inline(self) -> bool:
        """Whether it is written in braces, as JSON is."""
        return isinstance(self.node, ObjectNode) and self.node.inline

    @property
    def group(self) -> str:
        """The half of apiVersion before the slash; empty where there is none."""
        return self.api_version.rpartition("/")[0]

    @property
    def is_judged(self) -> bool:
        """Whether it is a Kubernetes object that a rule is about, or that carries configs."""
        return rules.is_judged(self.group, self.kind)

    @property
    def is_bare_config(self) -> bool:
        """Whether it looks like opaque parameters that stand on their own."""
        return not self.is_judged and looks_like_config(self.group, self.kind)

    @property
    def reference(self) -> ObjectReference:
        """What the object calls itself."""
        metadata = _value(self.node, "metadata")
        return ObjectReference(
            api_version=self.api_version or None,
            kind=self.kind or None,
            namespace=text_of(_value(metadata, "namespace")) or None,
            name=text_of(_value(metadata, "name")) or None,
        )


@dataclass(frozen=True, slots=True)
class FoundConfig:
    """Opaque parameters inside an object."""

    path: FieldPath
    """Where the parameters stand, or would stand, from the root of the object."""
    index: int | None
    """The place in the object's list of configs, from 0; None outside such a list."""
    driver: str
    """The driver they are addressed to, as written."""
    parameters: Node | None
    """The parameters; None if the field is absent or null."""


def unfold(root: Node) -> Iterator[FoundObject]:
    """Yield the objects of a document: the document itself, or the items of a list, unfolded.

    Items that do not say what they are, as in the API server's own lists, are what the list says.
    """
    yield from _unfold((), root, "", "")


def list_envelopes(root: Node) -> Iterator[tuple[FieldPath, ObjectNode]]:
    """Yield the lists that `unfold` looks into, with their paths."""
    if isinstance(root, ObjectNode) and isinstance(_items(root), ArrayNode):
        yield (), root


def _unfold(path: FieldPath, node: Node, api_version: str, kind: str) -> Iterator[FoundObject]:
    if not isinstance(node, ObjectNode):
        return
    api_version = header(node, "apiVersion") or api_version
    kind = header(node, "kind") or kind
    items = _items(node)
    if items is None:
        yield FoundObject(path, node, api_version, kind)
        return
    item_kind = kind.removesuffix("List")
    item_version = api_version if item_kind else ""
    for index, item in enumerate(items.items):
        yield from _unfold((*path, "items", index), item, item_version, item_kind)


def _items(node: ObjectNode) -> ArrayNode | None:
    items = _value(node, "items")
    is_list = header(node, "kind").endswith("List") and isinstance(items, ArrayNode)
    return items if is_list and isinstance(items, ArrayNode) else None


def header(node: Node, name: str) -> str:
    """Return the text of ``apiVersion`` or ``kind``, also if the key is in the wrong case."""
    exact = _value(node, name)
    if exact is None and isinstance(node, ObjectNode):
        wrong = (m.value for m in node.members if m.key.lower() == name.lower())
        exact = next(wrong, None)
    return text_of(exact)


def configs_of(found: FoundObject) -> Iterator[FoundConfig]:
    """Yield the opaque parameters in a claim, template or class, those of other drivers, too."""
    if found.group != GROUP or found.kind not in CONFIG_LISTS:
        return
    where = CONFIG_LISTS[found.kind]
    entries = _at(found.node, where)
    if isinstance(entries, ArrayNode):
        for index, entry in enumerate(entries.items):
            opaque = _value(entry, "opaque")
            driver = text_of(_value(opaque, "driver"))
            if driver:
                path = (*where, index, "opaque", "parameters")
                yield FoundConfig(path, index, driver, _present(opaque, "parameters"))
    yield from _classic_config(found)


def _classic_config(found: FoundObject) -> Iterator[FoundConfig]:
    """Yield the config that a classic claim holds inline, which no Kubernetes ever knew."""
    if found.kind == "DeviceClass":
        return
    path = (*classic.spec_path(found.kind), "parameters")
    parameters = _at(found.node, path)
    if isinstance(parameters, ObjectNode):
        inner = FoundObject(path, parameters, header(parameters, "apiVersion"), "")
        kind = header(parameters, "kind")
        if kind in scheme.KINDS and inner.group in _CONFIG_GROUPS:
            yield FoundConfig(path, None, driver_of(kind), parameters)


def driver_of(kind: str) -> str:
    """Return the driver that carries configs of *kind*, spelt in any case."""
    for driver in scheme.DRIVERS.values():
        if kind.lower() in {known.lower() for known in driver.kinds}:
            return driver.name
    return scheme.GPU_DRIVER


def text_of(node: Node | None) -> str:
    """Return the value of a text, otherwise an empty one."""
    return node.value if isinstance(node, ScalarNode) and isinstance(node.value, str) else ""


def _value(node: Node | None, key: str) -> Node | None:
    """Return what stands under *key*, the last of several, or None."""
    if not isinstance(node, ObjectNode):
        return None
    members: tuple[Member, ...] = node.members
    return next((member.value for member in reversed(members) if member.key == key), None)


def _present(node: Node | None, key: str) -> Node | None:
    """Return what stands under *key* unless it is null."""
    value = _value(node, key)
    return None if isinstance(value, ScalarNode) and value.value is None else value


def _at(node: Node | None, path: FieldPath) -> Node | None:
    for key in path:
        node = _value(node, str(key))
    return node
