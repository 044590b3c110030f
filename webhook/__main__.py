"""``python -m webhook``: the admission service with its verdict."""

import sys
from collections.abc import Sequence
from functools import partial

from flags.given import InvalidSettings
from webhook.settings import settings_from_process


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop; 2 says that the settings are wrong."""
    try:
        settings = settings_from_process(arguments)
    except InvalidSettings as error:
        sys.stderr.write(f"webhook: {error}\n")
        return 2
    # Imported here so that a wrong setting is named at once.
    from webhook.admission import Policy, review  # noqa: PLC0415
    from webhook.service import run  # noqa: PLC0415

    policy = Policy(drivers=frozenset(settings.drivers), gates=settings.feature_gates)
    return run(settings, partial(review, policy=policy))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
