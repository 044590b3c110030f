"""``python -m dra_config`` is ``dra-config``."""

import sys

from dra_config.cli import main

sys.exit(main())
