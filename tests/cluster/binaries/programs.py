"""Every program of the test cluster: its Go module, its package, and how it is compiled."""

from pathlib import Path
from typing import Final

from tests.cluster.binaries import pins
from tools.golang.program import Program

MODULES: Final = Path(__file__).resolve().parent / "modules"

CONTROL_PLANE: Final = ("kube-apiserver", "etcd", "kubectl")
"""What an API server alone needs; they are built first."""

CNI_PLUGINS: Final = ("bridge", "loopback", "host-local")
CRDS: Final = "cert-manager-crds"
RUNC: Final = "runc"

_CONTAINERD: Final = "github.com/containerd/containerd/v2"
_CERT_MANAGER: Final = "github.com/cert-manager/cert-manager"
_CNI: Final = "github.com/containernetworking/plugins/plugins"


def programs(kubernetes: str) -> tuple[Program, ...]:
    """Return what is built for a Kubernetes minor, in the order in which it is built."""
    version = pins.KUBERNETES[kubernetes]
    kube = {name: _kubernetes_program(name, kubernetes, version) for name in _KUBERNETES_PROGRAMS}
    return (
        kube["kube-apiserver"],
        kube["kubectl"],
        Program("etcd", "etcd", "go.etcd.io/etcd/server/v3"),
        kube["kube-scheduler"],
        kube["kube-controller-manager"],
        _containerd_program("containerd", cgo=True),
        _containerd_program("ctr", cgo=True),
        _containerd_program("containerd-shim-runc-v2", cgo=False),
        Program("bridge", "cni", f"{_CNI}/main/bridge"),
        Program("loopback", "cni", f"{_CNI}/main/loopback"),
        Program("host-local", "cni", f"{_CNI}/ipam/host-local"),
        kube["kubelet"],
        Program(
            "helm",
            "helm",
            "helm.sh/helm/v4/cmd/helm",
            stamps=(f"helm.sh/helm/v4/internal/version.version={pins.HELM}",),
        ),
        Program(
            "cert-manager",
            "cert-manager",
            "dra-config.test/cert-manager",
            stamps=(f"{_CERT_MANAGER}/pkg/util.AppVersion={pins.CERT_MANAGER}",),
        ),
        Program(CRDS, "cert-manager", _CERT_MANAGER, folder="deploy/crds"),
    )


_KUBERNETES_PROGRAMS: Final = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubectl",
    "kubelet",
)


def _kubernetes_program(name: str, minor: str, version: str) -> Program:
    # Unstamped they call themselves v0.0.0-master, and every client that branches on the server's
    # version takes the wrong branch.
    major, _, minor_number = minor.partition(".")
    values = {
        "gitVersion": f"v{version}",
        "gitMajor": major,
        "gitMinor": minor_number,
        "gitCommit": "published-module",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
    }
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return Program(
        name,
        f"kubernetes-{minor}",
        f"k8s.io/kubernetes/cmd/{name}",
        stamps=tuple(f"{package}.{key}={values[key]}" for package in packages for key in values),
        cgo=name == "kubelet",  # cadvisor
    )


def _containerd_program(name: str, *, cgo: bool) -> Program:
    return Program(
        name,
        "containerd",
        f"{_CONTAINERD}/cmd/{name}",
        stamps=(f"{_CONTAINERD}/version.Version={pins.CONTAINERD}",),
        tags=("no_btrfs", "no_devmapper", "no_zfs"),
        cgo=cgo,
    )
