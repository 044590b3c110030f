"""The page of the feature gates, docs/reference/feature-gates.md."""

from collections.abc import Iterable

from dra_config.cli.reference.markdown import GENERATED, table
from dra_config.gates import SPECS, FeatureGate

_INTRODUCTION = """
Feature gates are set for a whole installation, as `A=true,B=false` in `--feature-gates`.
`AllAlpha` and `AllBeta` stand for every gate of their stage; an entry for a single gate beats them
wherever it stands. Gates that exclude each other cannot both be on, and a gate needs those it
requires.

`FABRIC_TOPOLOGY_SUPPORT=true` in the environment also switches FabricTopologySupport on, unless
the list of gates names the gate.
"""


def render() -> str:
    """Return the text of the page."""
    rows = [
        [
            f"`{gate}`",
            str(spec.stage),
            "on" if spec.default else "off",
            spec.switches,
            _listed(spec.requires),
            _listed(spec.excludes),
        ]
        for gate, spec in SPECS.items()
    ]
    head = ["Gate", "Stage", "Default", "Switches", "Requires", "Excludes"]
    return f"{GENERATED}\n# Feature gates\n{_INTRODUCTION}\n{table(head, rows)}"


def _listed(gates: Iterable[FeatureGate]) -> str:
    return ", ".join(f"`{gate}`" for gate in sorted(gates))
