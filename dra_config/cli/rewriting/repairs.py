"""What can be repaired without guessing, and what is accepted as a repair."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, get_args

from dra_config.catalogue import Severity
from dra_config.catalogue.compute_domain import DRA802
from dra_config.catalogue.decode import DRA012
from dra_config.catalogue.fabric import DRA415
from dra_config.catalogue.sharing import DRA101, DRA110
from dra_config.cli.objects import FoundObject
from dra_config.cli.rewriting import trees
from dra_config.cli.rewriting.changes import Change, PutFirst, RenameKey, SetText
from dra_config.cli.rewriting.quantity_units import right_quantity
from dra_config.manifests import Node, ObjectNode, ScalarNode
from dra_config.v1beta1 import choices
from dra_config.violations import FieldPath, Target, Violation
from dra_config.wire import Judged

_LISTS: Final = (
    choices.SharingStrategy,
    choices.Interval,
    choices.FabricStrategy,
    choices.VirtualizationModel,
    choices.BackendPolicy,
    choices.AllocationMode,
)
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    next(mark.rule.id for mark in get_args(words) if isinstance(mark, Judged)): get_args(
        get_args(words)[0]
    )
    for words in _LISTS
}
"""The words that a field takes, by the rule that other words break."""

_IMPLIED: Final = {"mpsConfig": "MPS", "timeSlicingConfig": "TimeSlicing"}
_WITHOUT_TIME_SLICES: Final = "MigDeviceConfig"

REPAIRED_RULES: Final = frozenset({DRA012.id, DRA110.id, DRA415.id, DRA802.id, *_WORDS})
"""The rules of which at least some violations can be repaired.

A driver name in upper case is not among them: nobody reads its config, and a repair would make
somebody read it.
"""

Judging = Callable[[FoundObject], Sequence[Violation]]
"""Returns what is wrong in an object, with paths from its own root."""


@dataclass(frozen=True, slots=True)
class Repairs:
    """What is repaired in one object."""

    changes: tuple[Change, ...]
    """In the order in which they are made, with paths from the root of the object."""
    repaired: Mapping[tuple[str, FieldPath], tuple[Change, ...]]
    """The violations of the object that go away, by rule and path, and what settles each."""


def repair(violation: Violation, root: Node) -> Change | None:
    """Return the change to the object *root* that settles *violation*, or None.

    There is one only where a single correction is possible.
    """
    path = violation.path
    if not path:
        return None
    parent = trees.at(root, path[:-1])
    name = str(path[-1])
    if violation.rule in (DRA012.id, DRA415.id):
        free = isinstance(parent, ObjectNode) and _is_free(parent, name, violation.suggestion)
        return RenameKey(path[:-1], name, violation.suggestion) if free else None
    if violation.rule == DRA101.id and violation.target is Target.PARENT:
        return _implied_strategy(violation, root)
    node = trees.at(root, path)
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        return None
    right = _right_text(violation, node.value)
    return None if right is None else SetText(path, right)


def repairs_of(
    found: FoundObject, judge: Judging, rules: Collection[str] = REPAIRED_RULES
) -> Repairs:
    """Return the repairs of one object.

    A repair counts together with those that it makes possible, such as that of a value below a key
    whose case was wrong. The repair of an error is accepted if there are fewer errors afterwards,
    that of a warning if there are no more; and none of a rule that was not broken before.

    Args:
        found: The object.
        judge: Says what is wrong in it.
        rules: The rules to repair, of `REPAIRED_RULES`.
    """
    changes: list[Change] = []
    repaired: dict[tuple[str, FieldPath], tuple[Change, ...]] = {}
    tried: set[Change] = set()
    violations = judge(found)
    original = {(violation.rule, violation.path) for violation in violations}
    while True:
        options = dict(_options(violations, found.node, rules))
        untried = next((change for change in options if change not in tried), None)
        if untried is None:
            settled = {key: repaired[key] for key in repaired if key in original}
            return Repairs(tuple(changes), settled)
        tried.add(untried)
        trial, made = _with_consequences(found, untried, options.keys(), judge, rules)
        left = judge(trial)
        if _is_better(violations, left, options[untried]):
            now = {(violation.rule, violation.path) for violation in left}
            gone = {(v.rule, v.path) for v in violations if v.rule in rules} - now
            repaired.update(dict.fromkeys(gone, tuple(made)))
            changes += made
            found, violations = trial, left


def _with_consequences(
    found: FoundObject,
    change: Change,
    others: Collection[Change],
    judge: Judging,
    rules: Collection[str],
) -> tuple[FoundObject, list[Change]]:
    """Return *found* with *change* and the repairs made that were impossible without it."""
    made = [change]
    found = replace(found, node=change.applied(found.node))
    while True:
        possible = (option for option, _ in _options(judge(found), found.node, rules))
        following = next((o for o in possible if o not in others and o not in made), None)
        if following is None:
            return found, made
        made.append(following)
        found = replace(found, node=following.applied(found.node))


def _options(
    violations: Sequence[Violation], root: Node, rules: Collection[str]
) -> Iterator[tuple[Change, Violation]]:
    for violation in violations:
        change = repair(violation, root) if violation.rule in rules else None
        if change is not None:
            yield change, violation


def _is_better(
    before: Sequence[Violation], after: Sequence[Violation], settled: Violation
) -> bool:
    errors, left = _rules_of_errors(before), _rules_of_errors(after)
    if not set(left) <= set(errors):
        return False
    if settled.severity is Severity.ERROR:
        return len(left) < len(errors)
    return len(left) <= len(errors)


def _rules_of_errors(violations: Sequence[Violation]) -> list[str]:
    return [v.rule for v in violations if v.severity is Severity.ERROR]


def _is_free(parent: ObjectNode, old: str, new: str) -> bool:
    """Tell whether the only key *old* of *parent* can be called *new*."""
    keys = [member.key for member in parent.members]
    return bool(new) and keys.count(old) == 1 and new not in keys


def _implied_strategy(violation: Violation, root: Node) -> Change | None:
    """Return the change that writes the strategy to which the given settings belong."""
    where = violation.path[:-1]
    sharing = trees.at(root, where)
    if not isinstance(sharing, ObjectNode):
        return None
    # A key in the wrong case counts, too: it says what its author means.
    given = [member.key for member in sharing.members if not trees.is_null(member.value)]
    lower = {key.lower() for key in given}
    if "strategy" in lower or trees.member(sharing, "strategy") is not None:
        return None
    given = [key for key in _IMPLIED if key.lower() in lower]
    if len(given) != 1 or trees.member(sharing, given[0]) is None:
        return None
    config = trees.at(root, where[: where.index("sharing")])
    kind = trees.value(config, "kind")
    is_mig = isinstance(kind, ScalarNode) and kind.value == _WITHOUT_TIME_SLICES
    if is_mig and given == ["timeSlicingConfig"]:
        return None
    return PutFirst(where, "strategy", _IMPLIED[given[0]])


def _right_text(violation: Violation, text: str) -> str | None:
    """Return what *text*, the value of a field, surely means, or None."""
    match violation.rule:
        case DRA110.id:
            return right_quantity(text)
        case DRA802.id:
            lower = text.strip().lower()
            return lower if lower != text else None
        case rule:
            meant = [word for word in _WORDS.get(rule, ()) if word.lower() == text.strip().lower()]
            return meant[0] if len(meant) == 1 else None
