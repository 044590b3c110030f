"""Why a program that comes as a Go module cannot be had; each text is made for people."""


class Unavailable(RuntimeError):  # noqa: N818 - says what the programs are
    """Programs cannot be had on this machine."""


class BuildFailed(Unavailable):
    """A program could not be fetched or compiled."""
