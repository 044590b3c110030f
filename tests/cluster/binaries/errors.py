"""Why else the programs of the test cluster cannot be had; the text is made for people."""

from tools.golang.errors import Unavailable


class MissingPackages(Unavailable):
    """Packages of the system are missing, and could not be or may not be installed."""
