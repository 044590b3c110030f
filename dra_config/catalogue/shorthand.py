"""Shorthand for writing rules: what most have in common, and the YAML around an example."""

from functools import partial
from typing import Final

from dra_config.catalogue.rule import Judge, Need, Rule, Severity

OBJECT: Final = frozenset({Need.OBJECT})
GATES: Final = frozenset({Need.OBJECT, Need.GATES})
ALLOCATION: Final = frozenset({Need.OBJECT, Need.ALLOCATION})
FILE: Final = frozenset({Need.FILE})

CLI: Final = frozenset({Judge.CLI})
PLUGIN: Final = frozenset({Judge.PLUGIN})
CLI_AND_WEBHOOK: Final = frozenset({Judge.CLI, Judge.WEBHOOK})

error = partial(Rule, severity=Severity.ERROR, needs=OBJECT, judges=frozenset({Judge.PARAMETERS}))
"""A rule about parameters whose violation refuses the object."""

warning = partial(
    Rule, severity=Severity.WARNING, needs=OBJECT, judges=frozenset({Judge.PARAMETERS})
)
"""A rule about parameters whose violation leaves the object accepted."""

note = partial(Rule, severity=Severity.NOTE, needs=OBJECT, judges=CLI)
"""A rule of the command line that finds nothing wrong and tells the reader something."""

DOMAIN_UID: Final = "0c9f3d52-6a1b-4e7d-b8c4-5e2f90a1d376"
"""The UID of the ComputeDomain that the examples speak of."""


def config(kind: str, *lines: str) -> str:
    """Return the YAML of a config of *kind* in the current version, *lines* below its kind."""
    return block("apiVersion: resource.nvidia.com/v1beta1", f"kind: {kind}", *lines)


def gpu(*lines: str) -> str:
    """Return the YAML of a GpuConfig."""
    return config("GpuConfig", *lines)


def claim(
    *parameters: str, driver: str = "gpu.nvidia.com", api_version: str = "resource.k8s.io/v1"
) -> str:
    """Return the YAML of a claim with one config, whose *parameters* are given line by line."""
    exact = "deviceClassName: gpu.nvidia.com"
    request = (
        f"name: gpu, {exact}" if "beta1" in api_version else f"name: gpu, exactly: {{{exact}}}"
    )
    return block(
        f"apiVersion: {api_version}",
        "kind: ResourceClaim",
        "metadata: {name: training}",
        "spec:",
        "  devices:",
        "    requests:",
        f"    - {{{request}}}",
        "    config:",
        "    - opaque:",
        f"        driver: {driver}",
        "        parameters:",
        *(f"          {line}" for line in parameters),
    )


def block(*lines: str) -> str:
    """Return *lines* as one text."""
    return "".join(f"{line}\n" for line in lines)
