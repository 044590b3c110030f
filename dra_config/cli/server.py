"""The command ``server``: a language server for editors, on standard input and output."""

import importlib.util
import os
from argparse import Namespace

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.surroundings import ExitCode, Surroundings
from dra_config.gates import InvalidGates, resolve


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Serve one editor until it says goodbye, and return the exit code.

    Raises:
        WrongUsage: A gate is unknown, the extra ``server`` is not installed, or standard input is
            closed.
    """
    if options.feature_gates is not None:
        variable = surroundings.settings.fabric_topology_support
        try:
            resolve(options.feature_gates, variable)
        except InvalidGates as error:
            raise WrongUsage(f"{error}") from error
    if importlib.util.find_spec("pygls") is None:
        raise WrongUsage("the server needs more packages: pip install 'dra-config[server]'")
    from pathlib import Path  # noqa: PLC0415 - what follows needs it anyway

    from dra_config.cli.serving.language_server import make_server  # noqa: PLC0415 - the extra
    from dra_config.cli.serving.project import Project  # noqa: PLC0415 - as above
    from dra_config.cli.serving.rule_files import RuleFiles  # noqa: PLC0415 - as above

    if surroundings.stdin is None:
        raise WrongUsage("the server is spoken to on standard input, which is closed")
    if surroundings.stdin.isatty():
        surroundings.tell("waiting for an editor; this is no command to type, Ctrl-C leaves it")
    caches = surroundings.settings.caches
    project = Project(options.feature_gates, surroundings, os.getcwd())  # noqa: PTH109 - a text
    server = make_server(project, RuleFiles(Path(caches) if caches else None))
    # The conversation ends with its stream closed, and the process still has to flush its own.
    with os.fdopen(os.dup(surroundings.stdout.fileno()), "wb") as out:
        server.start_io(surroundings.stdin.buffer, out)
    return ExitCode.FINE
