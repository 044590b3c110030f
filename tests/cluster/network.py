"""The addresses of a node, and how its network is tied to the test process's.

A node has a network namespace of its own. One veth pair joins it to the host, so the test
process reaches the API server, and the API server reaches what the test process serves. Nothing
is routed any further.
"""

import ipaddress
import socket
import struct
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from tests.cluster.control_plane import SERVICE_ADDRESS
from tests.cluster.rig import Rig
from tests.cluster.waiting import RigError

POD_RANGE = "10.88.0.0/16"
PREFIXES = ("198.18", "198.19", "10.99")
"""The first two are set aside for tests of networks (RFC 2544), so hardly anybody routes them."""

ROUTES = Path("/proc/net/route")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The two ends of a node's only line to the world."""

    network: IPv4Network
    interface: str
    """The host's end; the node's is `eth0`."""

    @property
    def node(self) -> str:
        """The node's address, where its API server answers."""
        return str(self.network[1])

    @property
    def host(self) -> str:
        """The test process's address, as the node sees it."""
        return str(self.network[254])

    @property
    def gateway(self) -> str:
        """The node's default gateway, where nobody is: the kubelet only wants a default route."""
        return str(self.network[253])


def routed(table: str) -> list[IPv4Network]:
    """Return the networks that the kernel's route table names, without the default route."""
    found: list[IPv4Network] = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        # The kernel writes addresses as numbers in the byte order of the machine.
        address, mask = (
            socket.inet_ntoa(struct.pack("=I", int(fields[index], 16))) for index in (1, 7)
        )
        network = IPv4Network((address, mask), strict=False)
        if network.prefixlen:
            found.append(network)
    return found


def addresses(number: int, table: str | None = None) -> Addresses | None:
    """Return the addresses of rig *number*; None when the host routes all of them elsewhere.

    Args:
        number: From 1 to 64.
        table: The host's routes; read from the kernel where None is given.
    """
    taken = routed(ROUTES.read_text(encoding="ascii") if table is None else table)
    for prefix in PREFIXES:
        network = ipaddress.IPv4Network(f"{prefix}.{number}.0/24")
        if not any(network.overlaps(other) for other in taken):
            return Addresses(network=network, interface=f"dra{number}")
    return None


def usable(number: int) -> bool:
    """Say whether rig *number* can have its addresses and its interface."""
    line = addresses(number)
    return line is not None and not Path("/sys/class/net", line.interface).exists()


def on_host(*arguments: str) -> None:
    """Run `ip` on the host.

    Raises:
        RigError: It fails.
    """
    run = subprocess.run(
        ["ip", *arguments], capture_output=True, text=True, check=False, timeout=30
    )
    if run.returncode != 0:
        raise RigError(f"'ip {' '.join(arguments)}' failed: {run.stderr.strip()}")


def connect(rig: Rig, line: Addresses) -> None:
    """Give the rig's network its addresses and tie it to the host's.

    Raises:
        RigError: The kernel refuses.
    """
    rig.record.add(interface=line.interface)
    length = line.network.prefixlen
    on_host(
        *("link", "add", line.interface, "type", "veth"),
        *("peer", "name", "eth0", "netns", str(rig.namespaces.pid)),
    )
    on_host("address", "add", f"{line.host}/{length}", "dev", line.interface)
    on_host("link", "set", line.interface, "up")
    for order in (
        "link set lo up",
        # The API server listens on all addresses, so pods reach it here without kube-proxy.
        f"address add {SERVICE_ADDRESS}/32 dev lo",
        f"address add {line.node}/{length} dev eth0",
        "link set eth0 up",
        f"route add default via {line.gateway}",
    ):
        rig.run("ip", *order.split())
    # Pods are behind a bridge; this is the namespace's own setting.
    rig.run("tee", "/proc/sys/net/ipv4/ip_forward", text="1")
