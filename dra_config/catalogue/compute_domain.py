"""Rules DRA801 to DRA854: ComputeDomains, the configs that join them, and their cliques."""

from typing import Final

from dra_config.catalogue.rule import Cause, Rule
from dra_config.catalogue.shorthand import (
    CLI,
    DOMAIN_UID,
    GATES,
    config,
    error,
    warning,
)

_CLIQUE: Final = "7d1c2b3a-0000-4000-8000-5f5e5d5c5b5a.1"
_OTHER_CLIQUE: Final = "7d1c2b3a-0000-4000-8000-5f5e5d5c5b5a.2"


def _channel(*lines: str) -> str:
    """Return the YAML of the config of a channel."""
    return config("ComputeDomainChannelConfig", *lines)


def _daemon(*lines: str) -> str:
    """Return the YAML of the config of a daemon device."""
    return config("ComputeDomainDaemonConfig", *lines)


def _domain(*spec: str) -> str:
    """Return the YAML of a ComputeDomain."""
    return config("ComputeDomain", "metadata: {name: training, namespace: team-a}", *spec)


def _template(name: str) -> str:
    """Return the YAML of a ComputeDomain whose template is called *name*."""
    return _domain("spec:", f"  channel: {{resourceClaimTemplate: {{name: {name}}}}}")


def _clique(*daemons: str, name: str = f"{DOMAIN_UID}.{_CLIQUE}") -> str:
    """Return the YAML of a ComputeDomainClique with *daemons*."""
    return config(
        "ComputeDomainClique",
        "metadata:",
        f"  name: {name}",
        "  namespace: nvidia-dra",
        "  labels:",
        f"    resource.nvidia.com/computeDomain: {DOMAIN_UID}",
        f"    resource.nvidia.com/computeDomain.cliqueID: {_CLIQUE}",
        *(("daemons:", *(f"- {{{daemon}}}" for daemon in daemons)) if daemons else ()),
    )


def _member(number: int, index: int, *, address: str = "", clique: str = _CLIQUE) -> str:
    """Return the fields of one member of a clique."""
    address = address or f"10.0.4.{number}"
    return f"nodeName: node-{number}, ipAddress: {address}, cliqueID: {clique}, index: {index}"


DRA801: Final = error(
    id="DRA801",
    name="domain-id-missing",
    cause=Cause.REQUIRED,
    why="The config does not say which ComputeDomain it belongs to; the node tries for 45 "
    "seconds at a time, again and again, and never gets further.",
    fix="Write the metadata.uid of the ComputeDomain in domainID, or use the claim template that "
    "the ComputeDomain makes.",
    bad=_channel(),
    good=_channel(f"domainID: {DOMAIN_UID}"),
)
DRA802: Final = error(
    id="DRA802",
    name="domain-id-not-a-uuid",
    cause=Cause.INVALID,
    why="The id is compared with UIDs, which are lower-case UUIDs, and becomes part of a path on "
    "the node; a name is never found, and dots and slashes would lead out of the driver's "
    "directory.",
    fix="Write the metadata.uid of the ComputeDomain, not its name.",
    bad=_channel("domainID: training"),
    good=_channel(f"domainID: {DOMAIN_UID}"),
)
DRA806: Final = error(
    id="DRA806",
    name="channel-allocation-mode-unknown",
    cause=Cause.NOT_SUPPORTED,
    why="Every word but All is taken for Single on the node, so a misspelt All quietly yields "
    "one channel in place of 2048.",
    fix="Write allocationMode: Single or All, or leave it out for Single.",
    bad=_channel(f"domainID: {DOMAIN_UID}", "allocationMode: all"),
    good=_channel(f"domainID: {DOMAIN_UID}", "allocationMode: All"),
)
DRA808: Final = warning(
    id="DRA808",
    name="channel-mode-all-ignored",
    needs=GATES,
    cause=Cause.INVALID,
    why="Where the host runs IMEX itself the driver hands out one channel whatever the mode says.",
    fix="Leave allocationMode out.",
    bad=_channel(f"domainID: {DOMAIN_UID}", "allocationMode: All"),
    good=_channel(f"domainID: {DOMAIN_UID}"),
)
DRA822: Final = error(
    id="DRA822",
    name="daemon-config-under-host-managed",
    needs=GATES,
    cause=Cause.FORBIDDEN,
    why="Where the host runs IMEX itself there are no daemon devices, so a claim for one fails "
    "for good.",
    fix="Remove the claim, or let the driver run the IMEX daemons.",
    bad=_daemon(f"domainID: {DOMAIN_UID}"),
    good="",
)
DRA830: Final = error(
    id="DRA830",
    name="domain-spec-incomplete",
    judges=CLI,
    cause=Cause.REQUIRED,
    why="The controller needs the name of the claim template to make; a ComputeDomain without it "
    "can stop the controller for every domain in the cluster.",
    fix="Write spec.channel.resourceClaimTemplate.name.",
    bad=_domain(),
    good=_template("training-channel"),
)
DRA832: Final = error(
    id="DRA832",
    name="template-name-invalid",
    judges=CLI,
    cause=Cause.INVALID,
    why="No object in the cluster can have this name, so the claim template is never made and "
    "the pods that refer to it never start.",
    fix="Write lower-case letters, digits, hyphens and dots, at most 253 characters, with a "
    "letter or digit at either end.",
    bad=_template("Training"),
    good=_template("training"),
)
DRA833: Final = warning(
    id="DRA833",
    name="template-name-reads-as-scalar",
    judges=CLI,
    cause=Cause.INVALID,
    why="A controller that pastes the name into YAML reads it back as a number, a boolean or "
    "null, and tries for ever to make the template.",
    fix="Choose a name that holds a letter and is no word of YAML, such as channel-123.",
    bad=_template('"123"'),
    good=_template("channel-123"),
)
DRA836: Final = warning(
    id="DRA836",
    name="num-nodes-deprecated",
    judges=CLI,
    cause=Cause.INVALID,
    why="A number above 0 holds no pod back and only decides when the status says Ready; the "
    "field leaves with the next version of the API.",
    fix="Write numNodes: 0.",
    bad=_domain(
        "spec:", "  numNodes: 4", "  channel: {resourceClaimTemplate: {name: training-channel}}"
    ),
    good=_domain(
        "spec:", "  numNodes: 0", "  channel: {resourceClaimTemplate: {name: training-channel}}"
    ),
)
DRA843: Final = error(
    id="DRA843",
    name="domain-field-out-of-range",
    judges=CLI,
    cause=Cause.INVALID,
    why="The API server stores only node counts of 0 and more and the modes Single and All, and "
    "refuses the ComputeDomain.",
    fix="Write a whole number from 0 in numNodes, and Single or All in allocationMode.",
    bad=_domain(
        "spec:",
        "  channel: {allocationMode: Many, resourceClaimTemplate: {name: training-channel}}",
    ),
    good=_domain(
        "spec:",
        "  channel: {allocationMode: All, resourceClaimTemplate: {name: training-channel}}",
    ),
)
DRA850: Final = error(
    id="DRA850",
    name="clique-name-mismatch",
    judges=CLI,
    cause=Cause.INVALID,
    why="Daemons and plugins look a clique up by the name they work out for it; under another "
    "name, or with labels that say something else, its members never find each other.",
    fix="Name the object after the UID of the domain and the id of the clique, joined by a dot, "
    "and repeat both in the labels.",
    bad=_clique(name="training-clique"),
    good=_clique(),
)
DRA851: Final = error(
    id="DRA851",
    name="clique-members-disagree",
    judges=CLI,
    cause=Cause.INVALID,
    why="A node of another clique has no NVLink to this one, and listing it here tells the "
    "daemons to wait for a peer they cannot reach.",
    fix="List only nodes whose cliqueID is that of the object.",
    bad=_clique(_member(1, 0, clique=_OTHER_CLIQUE)),
    good=_clique(_member(1, 0)),
)
DRA852: Final = error(
    id="DRA852",
    name="clique-index-out-of-range",
    needs=GATES,
    judges=CLI,
    cause=Cause.INVALID,
    why="Every daemon keeps a fixed number of places, 18 unless set otherwise, and all of them "
    "stop when they meet an index beyond the last.",
    fix="Give each member a free index from 0 to one less than the size of the clique.",
    bad=_clique(_member(1, 18)),
    good=_clique(_member(1, 17)),
)
DRA853: Final = error(
    id="DRA853",
    name="clique-index-duplicate",
    judges=CLI,
    cause=Cause.DUPLICATE,
    why="The index becomes the host name of a daemon, so of two members with one index only one "
    "can be reached.",
    fix="Give each member an index of its own.",
    bad=_clique(_member(1, 3), _member(2, 3)),
    good=_clique(_member(1, 3), _member(2, 4)),
)
DRA854: Final = error(
    id="DRA854",
    name="clique-address-invalid",
    judges=CLI,
    cause=Cause.INVALID,
    why="Every daemon copies the address into its hosts file, where anything but an IP address "
    "leaves the member unreachable.",
    fix="Write the IP address of the daemon's pod.",
    bad=_clique(_member(1, 0, address="node-1.cluster.local")),
    good=_clique(_member(1, 0)),
)

RULES: Final[tuple[Rule, ...]] = (
    *(DRA801, DRA802, DRA806, DRA808, DRA822, DRA830, DRA832, DRA833, DRA836, DRA843),
    *(DRA850, DRA851, DRA852, DRA853, DRA854),
)
