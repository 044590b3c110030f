"""What brings a document to the current apiVersions, and why that cannot be done."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from dra_config import legacy, scheme
from dra_config.carriers import CONFIG_LISTS, GROUP, SERVED_VERSIONS
from dra_config.catalogue.decode import DRA015
from dra_config.catalogue.documents import DRA941
from dra_config.catalogue.fabric import DRA415
from dra_config.catalogue.structure import DRA901, DRA902, DRA903, DRA927
from dra_config.cli.judge import Criteria, violations_in
from dra_config.cli.objects import FoundObject, configs_of, header, unfold
from dra_config.cli.rewriting import trees
from dra_config.cli.rewriting.changes import Change, RenameKey, SetText, TakeOutOfList
from dra_config.cli.rewriting.documents import Plan, Refusal, made
from dra_config.cli.rewriting.nesting import Nest
from dra_config.manifests import ArrayNode, Node, ObjectNode, duplicate_keys, find
from dra_config.v1beta1 import API_VERSION
from dra_config.violations import FieldPath, Target, Violation

DEPRECATIONS: Final = frozenset({DRA015.id, DRA415.id, DRA902.id})
"""The rules that converting a document settles."""

_CURRENT: Final = f"{GROUP}/{SERVED_VERSIONS[0]}"
_OLD: Final = frozenset(f"{GROUP}/{version}" for version in SERVED_VERSIONS[1:])
_FLAT: Final = f"{GROUP}/v1beta1"
"""The version whose requests have their details beside the name."""
_TOO_OLD: Final = frozenset({DRA901.id, DRA903.id})
"""The rules that objects break whose version has no successor of the same shape."""
_WAYS: Final = frozenset({"exactly", "firstAvailable"})
_STEPS: Final = range(1, 9)
_FABRIC: Final = "fabricTopologyConfig"


def plan_conversion(root: Node) -> Plan:
    """Return the changes that bring the document *root* to the current apiVersions.

    A document is converted as a whole or not at all: its verdict afterwards is the one before,
    less `DEPRECATIONS`.
    """
    changes: list[Change] = []
    refusals: list[Refusal] = []
    before: list[Violation] = []
    for found in unfold(root):
        violations = [v.under(found.path) for v in violations_in(found, Criteria())]
        before += violations
        refused = [*_refusals(found, violations, root)]
        refusals += refused
        if not refused:
            changes += (change.under(found.path) for change in _changes(found))
            changes += (change for change in _of_lists(found, root) if change not in changes)
    if not changes or refusals:
        return Plan(refusals=tuple(refusals))
    for path, occurrence in duplicate_keys(root):
        reason = f"'{path[-1]}' stands more than once in one mapping; keep one of them"
        span = find(root, path, Target.KEY, occurrence)
        return Plan(refusals=(Refusal(span, f"{reason} ({DRA927.id})"),))
    try:
        after = made(root, changes)
    except LookupError:
        reason = "a field stands here in its old and in its new form; keep one of them"
        return Plan(refusals=(Refusal(root.span, reason),))
    if refusal := _judged_otherwise(root, before, after):
        return Plan(refusals=(refusal,))
    return Plan(tuple(changes))


def _judged_otherwise(root: Node, before: Sequence[Violation], after: Node) -> Refusal | None:
    """Return why *after* is no conversion of *root*, in which *before* is wrong, or None."""
    template = next((v for v in before if v.rule == DRA941.id), None)
    if template is not None:
        return _refusal(template, root)
    left = Counter(
        (violation.rule, violation.severity)
        for found in unfold(after)
        for violation in violations_in(found, Criteria())
    )
    for violation in before:
        if violation.rule in DEPRECATIONS:
            continue
        left[violation.rule, violation.severity] -= 1
        if left[violation.rule, violation.severity] < 0:
            # What is wrong in the old version alone would be lost, or another error come of it.
            return _refusal(violation, root)
    for (rule, _), count in left.items():
        if count > 0:
            reason = f"in the current version this would break {rule}; correct it first"
            return Refusal(root.span, reason)
    return None


def _refusal(violation: Violation, root: Node) -> Refusal:
    span = find(root, violation.path, violation.target, violation.occurrence)
    return Refusal(span, f"{violation.message} ({violation.rule})")


def _refusals(
    found: FoundObject, violations: Sequence[Violation], root: Node
) -> Iterator[Refusal]:
    """Yield why *found*, in which *violations* are wrong, cannot be converted although it is old.

    Paths begin at *root*.
    """
    for violation in violations:
        if violation.rule in _TOO_OLD:
            yield _refusal(violation, root)
            return
    if found.group == GROUP and found.kind in CONFIG_LISTS and found.api_version == _FLAT:
        for path, request in _requests(found):
            keys = {member.key for member in request.members}
            if keys & _WAYS and keys - _WAYS - {"name"}:
                way = " and ".join(sorted(keys & _WAYS))
                reason = f"the request has {way} and details beside it; keep one of the two"
                yield Refusal(find(root, (*found.path, *path)), reason)
    for where, config in _configs(found):
        yield from _refused_config((*found.path, *where), config, root)


def _refused_config(path: FieldPath, config: ObjectNode, root: Node) -> Iterator[Refusal]:
    version, kind = header(config, "apiVersion"), header(config, "kind")
    if version == API_VERSION or version not in scheme.API_VERSIONS:
        return
    if (version, kind) not in scheme.MODELS:
        reason = f"{kind or 'a config without kind'} is not a kind of {version}"
        yield Refusal(find(root, (*path, "kind"), Target.VALUE), reason)
    for name in ("apiVersion", "kind"):
        if trees.member(config, name) is None:
            yield Refusal(
                find(root, path), f"the key {name} is in the wrong case; 'dra-config fix' helps"
            )
    sharing = trees.value(config, "sharing")
    if isinstance(sharing, ArrayNode) and (
        len(sharing.items) != 1 or not isinstance(sharing.items[0], ObjectNode)
    ):
        reason = f"sharing lists {len(sharing.items)} entries, and one strategy can be written"
        yield Refusal(find(root, (*path, "sharing"), Target.KEY), f"{reason} (DRA016)")


def _changes(found: FoundObject) -> Iterator[Change]:
    """Yield what changes in one object, with paths from its own root."""
    is_ours = found.group == GROUP and found.kind in CONFIG_LISTS
    if is_ours and found.api_version in _OLD:
        if trees.member(found.node, "apiVersion") is not None:
            yield SetText(("apiVersion",), _CURRENT)
        if found.api_version == _FLAT:
            step = _step(found)
            for path, request in _requests(found):
                if {member.key for member in request.members} - _WAYS - {"name"}:
                    yield Nest(path, "exactly", "name", step)
    for path, config in _configs(found):
        yield from _config_changes(path, config)


def _config_changes(path: FieldPath, config: ObjectNode) -> Iterator[Change]:
    version, kind = header(config, "apiVersion"), header(config, "kind")
    if (version, kind) not in scheme.MODELS:
        return
    if version != API_VERSION:
        yield SetText((*path, "apiVersion"), API_VERSION)
        if kind in legacy.RENAMED_KINDS:
            yield SetText((*path, "kind"), legacy.RENAMED_KINDS[kind])
        if isinstance(trees.value(config, "sharing"), ArrayNode):
            yield TakeOutOfList((*path, "sharing"))
    fabric = path if kind == "FabricTopologyConfig" else (*path, _FABRIC)
    block = trees.at(config, fabric[len(path) :])
    if not trees.is_null(trees.value(block, "partitionIds")):
        yield RenameKey(fabric, "partitionIds", "partitionIDs")


def _configs(found: FoundObject) -> Iterator[tuple[FieldPath, ObjectNode]]:
    """Yield the configs of ours in *found*, or *found* itself where it is one."""
    if found.is_judged:
        for config in configs_of(found):
            ours = config.driver in scheme.DRIVERS and config.index is not None
            if ours and isinstance(config.parameters, ObjectNode):
                yield config.path, config.parameters
    elif found.is_bare_config and isinstance(found.node, ObjectNode):
        yield (), found.node


def _requests(found: FoundObject) -> Iterator[tuple[FieldPath, ObjectNode]]:
    """Yield the requests of a claim or template, with their paths."""
    if found.kind == "DeviceClass":
        return
    path = (*CONFIG_LISTS[found.kind][:-1], "requests")
    requests = trees.at(found.node, path)
    if isinstance(requests, ArrayNode):
        for index, request in enumerate(requests.items):
            if isinstance(request, ObjectNode):
                yield (*path, index), request


def _step(found: FoundObject) -> int:
    """Return by how many characters the author of *found* indents what lies deeper."""
    spec = trees.member(found.node, "spec")
    inner = None if spec is None else spec.value
    if spec is not None and isinstance(inner, ObjectNode) and inner.members:
        outer, first = spec.key_span, inner.members[0].key_span
        step = first.start_column - outer.start_column
        if first.start_line > outer.start_line and step in _STEPS:
            return step
    return 2


def _of_lists(found: FoundObject, root: Node) -> Iterator[Change]:
    """Yield what changes in the lists around *found*, whose apiVersion its items may go by."""
    if found.group != GROUP or found.kind not in CONFIG_LISTS:
        return
    for depth in range(0, len(found.path), 2):
        path = found.path[:depth]
        envelope = trees.at(root, path)
        if envelope is not None and header(envelope, "apiVersion") in _OLD:
            yield SetText((*path, "apiVersion"), _CURRENT)
