"""Why there is no image; the text is made for people."""


class BuildFailed(RuntimeError):  # noqa: N818 - says what happened
    """An image could not be built on this machine."""
