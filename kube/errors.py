"""What can go wrong when the API server is asked, sorted by what a caller can do about it."""


class KubeError(Exception):
    """The API server did not do what it was asked.

    The message is a sentence that names the request. It holds no token, and of an object only
    what the server quotes when it refuses one; see `Client`.
    """


class NotFoundError(KubeError):
    """There is no such object, or no such API."""


class ConflictError(KubeError):
    """The object is not as the request expects: it was changed, replaced or exists already."""


class ForbiddenError(KubeError):
    """The server does not know us, or does not let us do this."""


class InvalidError(KubeError):
    """The server refuses what was sent; sending it again gives the same answer."""


class ExpiredError(KubeError):
    """The server no longer keeps the history that a watch asked for: list again."""


class UnreachableError(KubeError):
    """No usable answer came; unless `refused`, a change may have been made all the same.

    Attributes:
        refused: The server says that it did nothing, since it has too much to do.
        retry_after_seconds: How long the server asks to be left alone; 0 if it does not say.
    """

    def __init__(
        self, message: str, *, refused: bool = False, retry_after_seconds: float = 0.0
    ) -> None:
        super().__init__(message)
        self.refused = refused
        self.retry_after_seconds = retry_after_seconds


class CredentialsError(KubeError):
    """The files that say where the server is and who we are cannot be used."""
