"""A tree written as YAML in the style of Kubernetes' own examples."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, cast

_PLAIN: Final = re.compile(r"[A-Za-z/][-A-Za-z0-9._/]*")
_PLAIN_IN_BLOCK: Final = re.compile(r"[A-Za-z/][^\x00-\x1f\x7f-\uffff\U00010000-\U0010ffff:#]*")
_OTHER_TYPE: Final = re.compile(r"(?:y|n|yes|no|on|off|true|false|null|nan|inf)", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile("[\x7f-\xa0\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]")


def render(tree: object) -> str:
    """Return *tree*, made of what JSON has, as YAML that every reader takes alike.

    Texts that some reader could take for another type are quoted. The last line ends with a line
    break.
    """
    return "".join(f"{line}\n" for line in _lines(tree))


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        for key, member in cast("Mapping[str, Any]", value).items():
            yield from _entry(_scalar(key, in_block=False), member)
    elif isinstance(value, list | tuple) and value:
        for item in cast("Sequence[Any]", value):
            first, *rest = _lines(item)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield _inline(value)


def _entry(key: str, value: Any) -> Iterator[str]:
    """Yield the lines of one member; a list begins at the column of its key."""
    if isinstance(value, list | tuple) and not _is_plain_list(cast("Sequence[Any]", value)):
        yield f"{key}:"
        yield from _lines(cast("Sequence[Any]", value))
    elif isinstance(value, Mapping) and value:
        yield f"{key}:"
        yield from (f"  {line}" for line in _lines(cast("Mapping[str, Any]", value)))
    else:
        yield f"{key}: {_inline(value)}"


def _is_plain_list(items: Sequence[object]) -> bool:
    return not any(isinstance(item, Mapping | list | tuple) for item in items)


def _inline(value: Any) -> str:
    if isinstance(value, list | tuple):
        items = cast("Sequence[object]", value)
        return f"[{', '.join(_scalar(item, in_block=False) for item in items)}]"
    return "{}" if isinstance(value, Mapping) else _scalar(value, in_block=True)


def _scalar(value: Any, *, in_block: bool) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    plain = (_PLAIN_IN_BLOCK if in_block else _PLAIN).fullmatch(value) is not None
    if plain and not value.endswith(" ") and _OTHER_TYPE.fullmatch(value) is None:
        return value
    if '"' in value and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    quoted = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", quoted)
