"""The command ``server``: a language server for editors, on standard input and output."""

import importlib.util
from argparse import Namespace

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.judge import Criteria
from dra_config.cli.surroundings import ExitCode, Surroundings
from dra_config.gates import InvalidGates, resolve


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Serve one editor until it says goodbye, and return the exit code.

    Raises:
        WrongUsage: A gate is unknown, or the extra ``server`` is not installed.
    """
    gates = None
    if options.feature_gates is not None:
        variable = surroundings.settings.fabric_topology_support
        try:
            gates = resolve(options.feature_gates, variable).gates
        except InvalidGates as error:
            raise WrongUsage(f"{error}") from error
    if importlib.util.find_spec("pygls") is None:
        raise WrongUsage("the server needs more packages: pip install 'dra-config[server]'")
    from dra_config.cli.serving.language_server import make_server  # noqa: PLC0415 - the extra

    make_server(Criteria(gates=gates)).start_io()
    return ExitCode.FINE
