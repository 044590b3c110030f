"""What the flags of the cluster's components must say on each Kubernetes minor.

Every minor serves v1, v1beta2 and v1beta1 of resource.k8s.io and knows the DRA features that
drivers of GPUs use, so that the same tests run on all of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags that differ between Kubernetes minors."""

    apiserver_flags: tuple[str, ...]
    """For kube-apiserver alone."""
    other_flags: tuple[str, ...]
    """For kube-scheduler, kube-controller-manager and kubelet."""


def _flags(*, gates: tuple[str, ...] = (), served: tuple[str, ...] = ()) -> Flags:
    versions = ("v1beta1", "v1beta2", *served)
    served_flag = "--runtime-config=" + ",".join(
        f"resource.k8s.io/{version}=true" for version in versions
    )
    gates_flags = ("--feature-gates=" + ",".join(f"{gate}=true" for gate in gates),)
    others = gates_flags if gates else ()
    return Flags(apiserver_flags=(served_flag, *others), other_flags=others)


# All of these are on by default from 1.36 on. Every component knows every gate of its minor.
_ALPHA_GATES: Final = (
    "DRAConsumableCapacity",
    "DRADeviceBindingConditions",
    "DRADeviceTaints",
    "DRAExtendedResource",
    "DRAPartitionableDevices",
    "ResourceHealthStatus",
)

FLAGS: Final[Mapping[str, Flags]] = MappingProxyType(
    {
        # With DRADeviceTaints the scheduler lists DeviceTaintRules: where v1alpha3 is not served
        # it waits for them for ever, and no pod is ever scheduled.
        "1.34": _flags(gates=_ALPHA_GATES, served=("v1alpha3",)),
        "1.35": _flags(gates=(*_ALPHA_GATES, "DRADeviceTaintRules"), served=("v1alpha3",)),
        "1.36": _flags(),
        "1.37": _flags(),
    }
)
"""The flags for each Kubernetes minor of the pins."""
