"""The one list of versions that the test cluster is built from.

The go.mod of each folder under modules/ names the same versions and the hash of everything
they need. A new pin is a change here, in the go.mod, and `go mod tidy` in that folder.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

KUBERNETES: Final[Mapping[str, str]] = MappingProxyType(
    {"1.34": "1.34.10", "1.35": "1.35.8", "1.36": "1.36.3", "1.37": "1.37.2"}
)
"""The patch that stands for each Kubernetes minor the tests can run on."""

DEFAULT_KUBERNETES: Final = "1.36"

ETCD: Final = "v3.6.16"
CONTAINERD: Final = "v2.3.4"
CNI_PLUGINS: Final = "v1.9.1"
HELM: Final = "v4.3.1"
CERT_MANAGER: Final = "v1.21.2"
