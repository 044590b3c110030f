"""The configuration files of containerd, its network and the kubelet."""

import json
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.network import POD_RANGE

PAUSE_IMAGE = "rig.local/pause:1"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where things of a node lie, all below the rig's folder."""

    root: Path

    @property
    def containerd(self) -> Path:
        """What containerd keeps."""
        return self.root / "containerd"

    @property
    def socket(self) -> Path:
        """Where containerd answers."""
        return self.containerd / "containerd.sock"

    @property
    def cdi(self) -> Path:
        """Where containerd looks for CDI files."""
        return self.root / "cdi"

    @property
    def network(self) -> Path:
        """Where containerd looks for the network of pods."""
        return self.root / "cni"

    @property
    def kubelet(self) -> Path:
        """The kubelet's root, with `plugins_registry` and `plugins` below."""
        return self.root / "kubelet"

    def make(self) -> None:
        """Make those that the programs do not make themselves."""
        for folder in (self.containerd, self.cdi, self.network):
            folder.mkdir()
        for name in ("plugins_registry", "plugins"):
            (self.kubelet / name).mkdir(parents=True)


def containerd_toml(folders: Folders, *, runc: Path, cni: Path) -> str:
    """Return containerd's configuration."""
    return f"""version = 3
root = '{folders.containerd / "data"}'
state = '{folders.containerd / "state"}'
# Neither belongs to the rig: programs in /opt, and plugins that change containers.
disabled_plugins = ['io.containerd.internal.v1.opt', 'io.containerd.nri.v1.nri']

[grpc]
  address = '{folders.socket}'
[ttrpc]
  address = '{folders.socket}.ttrpc'

[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE_IMAGE}'
[plugins.'io.containerd.cri.v1.runtime']
  enable_cdi = true
  cdi_spec_dirs = ['{folders.cdi}']
  # Without CAP_SYS_RESOURCE nobody may protect the pause container from the OOM killer.
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['{cni}']
    conf_dir = '{folders.network}'
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = '{runc}'
"""


def pod_network(folders: Folders) -> str:
    """Return the CNI configuration: a bridge, without iptables."""
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": POD_RANGE}]],
        # Without a default route a pod does not reach the API server.
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(folders.root / "cni-leases"),
    }
    bridge = {"type": "bridge", "bridge": "rig0", "isGateway": True, "ipMasq": False}
    plugins = [bridge | {"ipam": addresses}, {"type": "loopback"}]
    return json.dumps({"cniVersion": "0.4.0", "name": "rig", "plugins": plugins}, indent=1)


def kubelet_configuration(
    folders: Folders, *, address: str, authority: Path, certificate: Path, key: Path, cgroup: str
) -> str:
    """Return the kubelet's configuration; JSON is YAML."""
    return json.dumps(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": address,
            "healthzBindAddress": "127.0.0.1",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(authority)},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(certificate),
            "tlsPrivateKeyFile": str(key),
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{cgroup}",
            "enforceNodeAllocatable": [],
            "failCgroupV1": False,
            "failSwapOn": False,
            "makeIPTablesUtilChains": False,
            "containerRuntimeEndpoint": f"unix://{folders.socket}",
            "podLogsDir": str(folders.root / "log" / "pods"),
            "volumePluginDir": str(folders.kubelet / "volume-plugins"),
            "resolvConf": "",
            # The machine's disk may be nearly full; a test's pods are not evicted for it.
            "imageGCHighThresholdPercent": 100,
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            # A prepare that failed is tried again after a quarter of a minute, not after one.
            "syncFrequency": "10s",
        },
        indent=1,
    )
