"""``python -m plugin``: the kubelet plugin for GPUs."""

import sys
from collections.abc import Sequence

from flags.given import InvalidSettings
from plugin.settings import settings_from_process


def main(arguments: Sequence[str]) -> int:
    """Serve the kubelet until told to stop; 2 says that the settings are wrong."""
    try:
        settings = settings_from_process(arguments)
    except InvalidSettings as error:
        sys.stderr.write(f"plugin: {error}\n")
        return 2
    # Imported here so that a wrong setting is named at once.
    from plugin.app import run  # noqa: PLC0415

    return run(settings)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
