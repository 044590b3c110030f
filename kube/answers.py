"""What the API server's answers mean: objects, and refusals as errors."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
import urllib3
from msgspec import Struct

from kube.errors import (
    ConflictError,
    ExpiredError,
    ForbiddenError,
    InvalidError,
    KubeError,
    NotFoundError,
    UnreachableError,
)

LONGEST_MESSAGE_CHARACTERS: Final = 500

_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = range(500, 600)


_FAMILIES: Final[Mapping[int, type[KubeError]]] = {
    401: ForbiddenError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    410: ExpiredError,
}


class _Status(Struct):
    reason: str = ""
    message: str = ""


def decoded(method: str, path: str, body: bytes) -> dict[str, Any]:
    """Return an object.

    Raises:
        UnreachableError: The answer is no JSON object, as of a proxy in between.
    """
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        raise UnreachableError(f"{method} {path}: the answer is no JSON object.") from None


def refusal(
    asked: str, code: int, body: bytes, headers: Mapping[str, str], *, quote: bool = True
) -> KubeError:
    """Return the error that an answer tells.

    Args:
        asked: Method and path.
        code: The status code, of HTTP or of a Status object.
        body: A Status object, or whatever a proxy in between wrote.
        headers: The answer's headers.
        quote: Whether an `InvalidError` repeats the server's sentence, which may quote what was
            sent, rather than its reason, which is one of a few words.
    """
    try:
        status = msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        status = _Status()
    away = code == _TOO_MANY or code in _SERVER_ERRORS
    family = _FAMILIES.get(code, InvalidError)
    untold = family is InvalidError and not (away or quote)
    said = status.reason if untold else status.message or status.reason
    text = f"{asked}: {code} {said[:LONGEST_MESSAGE_CHARACTERS]}".rstrip()
    if away:
        refused = code == _TOO_MANY
        return UnreachableError(text, refused=refused, retry_after_seconds=_after(headers))
    return family(text)


def cause(error: Exception) -> str:
    """Return what happened to a connection, in the system's words."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    # The library calls every failure to connect a timeout, and hides the system's reason below.
    inner = error.__cause__ or error.__context__
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    if isinstance(error, urllib3.exceptions.TimeoutError):
        return "no answer in time"
    return str(error)[:LONGEST_MESSAGE_CHARACTERS]


def _after(headers: Mapping[str, str]) -> float:
    text = headers.get("retry-after", "")
    # The other form of this header is a date, which the API server never sends.
    return float(text) if text.isdecimal() else 0.0
