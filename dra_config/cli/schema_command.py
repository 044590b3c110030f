"""The command ``schema``: JSON Schemas on standard output."""

import json
from argparse import Namespace

from dra_config.cli.arguments import WrongUsage
from dra_config.cli.explaining.subjects import find_kind
from dra_config.cli.surroundings import ExitCode, Surroundings
from dra_config.schema import MANIFEST, OPAQUE_PARAMETERS, documents, manifest_schema


def run(options: Namespace, surroundings: Surroundings) -> int:
    """Print the schema or the list that *options* ask for and return the exit code.

    Raises:
        WrongUsage: There is no such kind or version, or the options contradict each other.
    """
    name: str | None = options.kind
    version: str | None = options.api_version
    if (name or version) and (options.list or options.manifest):
        raise WrongUsage("--list and --manifest stand alone, without KIND or --api-version")
    if version and not name:
        raise WrongUsage("--api-version goes with a KIND")
    if options.list:
        known = {**documents(), MANIFEST: manifest_schema()}
        width = max(map(len, known))
        lines = (f"{path:{width}}  {document['title']}\n" for path, document in known.items())
        print("".join(lines), end="", file=surroundings.stdout)
        return ExitCode.FINE
    if options.manifest:
        schema = manifest_schema()
    else:
        path = find_kind(name, version).schema_path if name else OPAQUE_PARAMETERS
        schema = documents()[path]
    print(json.dumps(schema, indent=2), file=surroundings.stdout)
    return ExitCode.FINE
