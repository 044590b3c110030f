"""What goes wrong with an MPS control daemon, as a sentence for the pod's events."""


class MpsError(Exception):
    """A daemon could not be started, or not be stopped.

    Attributes:
        transient: Whether the same may succeed later without anybody repairing anything.
    """

    def __init__(self, message: str, *, transient: bool = True) -> None:
        super().__init__(message)
        self.transient = transient
