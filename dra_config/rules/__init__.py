"""Rules that need a whole object: each is an entry of the catalogue and one function here."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias

from dra_config.carriers import CONFIG_LISTS, GROUP
from dra_config.rules import structure
from dra_config.rules.classic import PARAMETER_GROUP, PARAMETER_KINDS, Neighbours
from dra_config.rules.trees import Tree, as_text, group_and_version
from dra_config.v1beta1 import API_VERSION
from dra_config.violations import Violation

__all__ = ["JUDGMENTS", "Judgment", "Neighbours", "Tree", "is_judged", "judge"]

ObjectRule: TypeAlias = Callable[[Tree, Neighbours], Iterator[Violation]]
"""What a rule finds in an object whose group and kind it is registered for."""


@dataclass(frozen=True, slots=True)
class Judgment:
    """A function that decides one rule, or all rules about one kind, and for which objects."""

    group: str
    """The API group of the objects, in every version."""
    kinds: frozenset[str]
    """Their kinds, in the exact spelling."""
    judge: ObjectRule
    """The function; it tolerates any mistake in the object."""


_CLAIMS: Final = frozenset({"ResourceClaim", "ResourceClaimTemplate"})
_CLASSIC_PARAMETERS: Final = frozenset({"ResourceClaimParameters", "ResourceClassParameters"})
_VENDOR_PARAMETERS: Final = PARAMETER_KINDS | {"DeviceClassParameters"}


_COMPUTE_DOMAIN_GROUP: Final = API_VERSION.partition("/")[0]
_COMPUTE_DOMAIN_KINDS: Final = frozenset({"ComputeDomain", "ComputeDomainClique"})


def _compute_domain_object(tree: Tree, _neighbours: Neighbours) -> Iterator[Violation]:
    # The models of these objects take long to build, and few files hold any.
    from dra_config.rules.compute_domain_objects import judge_object  # noqa: PLC0415

    return judge_object(tree)


JUDGMENTS: Final = (
    Judgment(GROUP, _CLAIMS, structure.classic_claim),
    Judgment(GROUP, frozenset({"ResourceClass"}), structure.classic_class),
    Judgment(GROUP, _CLASSIC_PARAMETERS, structure.classic_parameters),
    Judgment(PARAMETER_GROUP, _VENDOR_PARAMETERS, structure.classic_parameters),
    Judgment(GROUP, frozenset(CONFIG_LISTS), structure.api_version_deprecated),
    Judgment(GROUP, frozenset(CONFIG_LISTS), structure.api_version_not_served),
    Judgment(_COMPUTE_DOMAIN_GROUP, _COMPUTE_DOMAIN_KINDS, _compute_domain_object),
)
"""Every function that judges an object, in the order in which they speak."""


def _by_group_and_kind() -> Mapping[tuple[str, str], tuple[Judgment, ...]]:
    found: dict[tuple[str, str], tuple[Judgment, ...]] = {}
    for judgment in JUDGMENTS:
        for kind in judgment.kinds:
            key = (judgment.group, kind)
            found[key] = (*found.get(key, ()), judgment)
    return MappingProxyType(found)


_JUDGMENTS_OF: Final = _by_group_and_kind()
_NO_NEIGHBOURS: Final[Neighbours] = MappingProxyType({})


def is_judged(group: str, kind: str) -> bool:
    """Say whether there is any rule about objects of that group and kind."""
    return (group, kind) in _JUDGMENTS_OF


def judge(tree: Tree, *, neighbours: Neighbours = _NO_NEIGHBOURS) -> Iterator[Violation]:
    """Yield what is wrong with an object as a whole; its configs are judged elsewhere.

    Args:
        tree: The object as plain Python values, unchecked. Objects that no rule is about give
            nothing.
        neighbours: Classic parameters that stand in the same file, for a claim to refer to.
    """
    group, _ = group_and_version(tree)
    for judgment in _JUDGMENTS_OF.get((group, as_text(tree.get("kind"))), ()):
        yield from judgment.judge(tree, neighbours)
