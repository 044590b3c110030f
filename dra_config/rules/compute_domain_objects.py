"""What is wrong with a ComputeDomain or a ComputeDomainClique, as an object of its own."""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final

from pydantic import JsonValue

from dra_config.catalogue.compute_domain import (
    DRA830,
    DRA832,
    DRA833,
    DRA836,
    DRA850,
    DRA851,
    DRA852,
    DRA853,
    DRA854,
)
from dra_config.catalogue.decode import DRA006, DRA014
from dra_config.manifests.scalars import resolve_plain
from dra_config.v1beta1.compute_domain import UUID_PATTERN
from dra_config.v1beta1.objects import (
    CLIQUE_LABEL,
    DOMAIN_LABEL,
    MAX_NAME_CHARACTERS,
    NAME_PATTERN,
    OBJECTS,
    ComputeDomain,
    ComputeDomainClique,
    ComputeDomainDaemon,
    ComputeDomainNode,
    ObjectMetadata,
)
from dra_config.v1beta1.version import API_VERSION
from dra_config.violations import FieldPath, MapKey, Target, Violation
from dra_config.wire import Findings, shown
from dra_config.wire.explanation import fit

GROUP: Final = API_VERSION.partition("/")[0]
KINDS: Final = frozenset(model.__name__ for model in OBJECTS)
"""The kinds that are judged here."""

CLIQUE_SIZE: Final = 18
"""How many daemons a clique takes while the installation says nothing else."""

_NAME: Final = re.compile(NAME_PATTERN[1:-1])
_UUID: Final = UUID_PATTERN[1:-1]
_CLIQUE_NAME: Final = re.compile(rf"({_UUID})\.({_UUID}\.[0-9]+)")
_NAME_AT: Final[FieldPath] = ("metadata", "name")
_LABELS_AT: Final[FieldPath] = ("metadata", "labels")
_TEMPLATE_AT: Final[FieldPath] = ("spec", "channel", "resourceClaimTemplate", "name")
_REQUIRED_OF_NODE: Final[Mapping[str, str]] = MappingProxyType(
    {"name": "name", "ipAddress": "ip_address", "cliqueID": "clique_id"}
)
_REQUIRED_OF_DAEMON: Final[Mapping[str, str]] = MappingProxyType(
    {"nodeName": "node_name", "ipAddress": "ip_address", "cliqueID": "clique_id"}
)


def judge_object(tree: Mapping[str, Any]) -> Iterator[Violation]:
    """Yield what is wrong with an object, with paths from its root.

    Other kinds, and kinds of these names in another group, give nothing. The number of places in a
    clique depends on the installation; it is taken to be 18.

    Args:
        tree: The object as plain Python values, unchecked.
    """
    api_version = tree.get("apiVersion")
    if not isinstance(api_version, str) or api_version.partition("/")[0] != GROUP:
        return
    right: dict[str, JsonValue] = {**tree, "apiVersion": API_VERSION}
    match tree.get("kind"):
        case "ComputeDomain" as kind:
            domain = fit(ComputeDomain, right)
            found = Findings(domain.violations, domain.broken)
            _judge_domain(domain.model, found)
        case "ComputeDomainClique" as kind:
            clique = fit(ComputeDomainClique, right)
            found = Findings(clique.violations, clique.broken)
            _judge_clique(clique.model, found)
        case _:
            return
    if api_version != API_VERSION:
        message = f"{shown(api_version)} has no {kind}; write {API_VERSION}"
        yield Violation.of(DRA006, message, ("apiVersion",), suggestion=API_VERSION)
    yield from found.violations


def _judge_domain(domain: ComputeDomain, found: Findings) -> None:
    spec = domain.spec
    channel = None if spec is None else spec.channel
    template = None if channel is None else channel.resource_claim_template
    name = None if template is None else template.name
    if name is None:
        given = (spec, channel, template, name)
        depth = given.index(None) + 1
        missing = _TEMPLATE_AT[:depth]
        message = (
            f"{'.'.join(map(str, missing))} is missing; write {'.'.join(map(str, _TEMPLATE_AT))}"
        )
        found.add(DRA830, missing, message, target=Target.PARENT)
    else:
        _judge_template_name(name, found)
    if spec is not None and spec.num_nodes:
        message = (
            f"numNodes {spec.num_nodes} holds no pod back, and the field is on its way out; "
            "write 0"
        )
        found.add(DRA836, ("spec", "numNodes"), message, suggestion="0")
    nodes = () if domain.status is None else domain.status.nodes or ()
    for index, node in enumerate(nodes):
        _require(node, _REQUIRED_OF_NODE, ("status", "nodes", index), found)


def _judge_template_name(name: str, found: Findings) -> None:
    if len(name) > MAX_NAME_CHARACTERS or _NAME.fullmatch(name) is None:
        message = (
            f"{shown(name)} cannot be the name of a claim template; write lower-case letters, "
            "digits, '-' and '.', a letter or digit at either end and around each '.', at most "
            f"{MAX_NAME_CHARACTERS} characters"
        )
        close = name.strip().lower()
        meant = close if _NAME.fullmatch(close) and len(close) <= MAX_NAME_CHARACTERS else ""
        found.add(DRA832, _TEMPLATE_AT, message, suggestion=meant)
    elif not isinstance(resolve_plain(name), str):
        message = (
            f"{shown(name)} without its quotes is no text in YAML, and a controller that pastes "
            f"it into a template reads something else; write a name such as 'channel-{name}'"
        )
        found.add(DRA833, _TEMPLATE_AT, message)


def _require(
    entry: ComputeDomainNode | ComputeDomainDaemon,
    attribute_by_field: Mapping[str, str],
    at: FieldPath,
    found: Findings,
) -> None:
    for name, attribute in attribute_by_field.items():
        if getattr(entry, attribute) is None:
            found.add(DRA014, (*at, name), f"{name} is missing", target=Target.PARENT)


def _judge_clique(clique: ComputeDomainClique, found: Findings) -> None:
    own = _judge_identity(clique.metadata or ObjectMetadata(), found)
    at_by_index: dict[int, FieldPath] = {}
    for number, daemon in enumerate(clique.daemons or ()):
        at: FieldPath = ("daemons", number)
        _require(daemon, _REQUIRED_OF_DAEMON, at, found)
        if own and daemon.clique_id is not None and daemon.clique_id != own:
            message = (
                f"{shown(daemon.clique_id)} is another clique than the object's own; write "
                f"'{own}', or list the node in the clique it belongs to"
            )
            found.add(DRA851, (*at, "cliqueID"), message)
        _judge_index(daemon, at, at_by_index, found)
        if daemon.ip_address is not None and not _is_address(daemon.ip_address):
            message = (
                f"{shown(daemon.ip_address)} is no IP address; write one such as '10.0.4.11' or "
                "'fd00::4:b'"
            )
            found.add(DRA854, (*at, "ipAddress"), message)


def _judge_identity(metadata: ObjectMetadata, found: Findings) -> str:
    """Judge name and labels, and return the id of the clique, or nothing if nobody can tell it."""
    labels = metadata.labels or {}
    domain, clique = labels.get(DOMAIN_LABEL), labels.get(CLIQUE_LABEL)
    named = None if metadata.name is None else _CLIQUE_NAME.fullmatch(metadata.name)
    if named is None:
        meant = f"{domain}.{clique}"
        known = _CLIQUE_NAME.fullmatch(meant) is not None
        hint = f", here '{meant}'" if known else ""
        what = "metadata.name is missing"
        if metadata.name is not None:
            what = f"{shown(metadata.name)} does not name a clique"
        message = (
            f"{what}; write the UID of the ComputeDomain and the id of the clique, joined by a "
            f"dot{hint}"
        )
        target = Target.PARENT if metadata.name is None else Target.VALUE
        suggestion = meant if known else ""
        found.add(DRA850, _NAME_AT, message, target=target, suggestion=suggestion)
        return clique or ""
    for label, given, expected in (
        (DOMAIN_LABEL, domain, named[1]),
        (CLIQUE_LABEL, clique, named[2]),
    ):
        if given == expected:
            continue
        where = (*_LABELS_AT, MapKey(label))
        if given is None:
            message = f"label {label} is missing; the object's name says '{expected}'"
            found.add(DRA850, where, message, target=Target.PARENT, suggestion=expected)
        else:
            message = (
                f"label {label} says {shown(given)}, and the object's name says '{expected}'; "
                "make them agree"
            )
            found.add(DRA850, where, message, leaning_on=[_NAME_AT], suggestion=expected)
    return named[2]


def _judge_index(
    daemon: ComputeDomainDaemon,
    at: FieldPath,
    at_by_index: dict[int, FieldPath],
    found: Findings,
) -> None:
    where = (*at, "index")
    if not found.readable(where):
        return
    index = daemon.index or 0
    if index >= CLIQUE_SIZE:
        message = (
            f"{index} is beyond the last place; write 0 to {CLIQUE_SIZE - 1}, since a clique has "
            f"{CLIQUE_SIZE} places unless the installation sets another number"
        )
        found.add(DRA852, where, message)
    if index in at_by_index:
        given = f"{index}" if daemon.index is not None else "0, since none is given,"
        first = at_by_index[index][1]
        message = f"index {given} is also that of daemons[{first}]; give each daemon its own"
        target = Target.PARENT if daemon.index is None else Target.VALUE
        found.add(DRA853, where, message, target=target)
    else:
        at_by_index[index] = at


def _is_address(text: str) -> bool:
    try:
        # Kubernetes knows no zones, which Python takes behind a percent sign.
        return not getattr(ipaddress.ip_address(text), "scope_id", None)
    except ValueError:
        return False
