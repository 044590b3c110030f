"""The command ``gates``: every feature gate."""

import json
from argparse import Namespace
from collections.abc import Iterator

from dra_config.cli.explaining.as_json import gate_json
from dra_config.cli.reference import gates
from dra_config.cli.surroundings import ExitCode, Surroundings
from dra_config.gates import SPECS, GateSpec


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Print the list in the form that *options* ask for and return the exit code."""
    match options.output:
        case "json":
            listed = [gate_json(gate, spec) for gate, spec in SPECS.items()]
            text = f"{json.dumps({'gates': listed}, indent=2)}\n"
        case "markdown":
            text = gates.render()
        case _:
            width = max(map(len, SPECS))
            text = "".join(
                f"{gate:{width}}  {spec.stage:5}  {'on' if spec.default else 'off':3}  "
                f"{'; '.join(_words(spec))}\n"
                for gate, spec in SPECS.items()
            )
    print(text, end="", file=surroundings.stdout)
    return ExitCode.FINE


def _words(spec: GateSpec) -> Iterator[str]:
    yield spec.switches
    if spec.requires:
        yield f"requires {', '.join(sorted(spec.requires))}"
    if spec.excludes:
        yield f"excludes {', '.join(sorted(spec.excludes))}"
