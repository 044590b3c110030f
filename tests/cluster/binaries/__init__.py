"""The programs of the test cluster, compiled from published Go modules and kept in a cache."""

from tests.cluster.binaries.errors import MissingPackages
from tests.cluster.binaries.programs import CONTROL_PLANE
from tests.cluster.binaries.provision import NAMES, Binaries, clean, locate, provide
from tests.cluster.binaries.settings import InvalidSettings, Settings
from tests.cluster.binaries.versions import FLAGS, Flags
from tools.golang.errors import BuildFailed, Unavailable

__all__ = [
    "CONTROL_PLANE",
    "FLAGS",
    "NAMES",
    "Binaries",
    "BuildFailed",
    "Flags",
    "InvalidSettings",
    "MissingPackages",
    "Settings",
    "Unavailable",
    "clean",
    "locate",
    "provide",
]
