"""Why the programs of the test cluster cannot be had; each text is made for people."""


class Unavailable(RuntimeError):  # noqa: N818 - says what the programs are
    """The programs of the test cluster cannot be had on this machine."""


class BuildFailed(Unavailable):
    """A program could not be fetched or compiled."""


class MissingPackages(Unavailable):
    """Packages of the system are missing, and could not be or may not be installed."""
