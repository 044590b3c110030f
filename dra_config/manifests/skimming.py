"""Whether a YAML file can be read, and how many documents it has, without building any of them.

libyaml checks the syntax and hands nothing to Python, which takes a fraction of the time. What the
composer refuses beyond the syntax (aliases, tags, templates, keys that are no text, numbers that
JSON lacks, depth) needs signs that are looked for here; a file with any of them is not skimmed.
"""

import re
from typing import Any, Final

import yaml

from dra_config.manifests.limits import MAX_DEPTH
from dra_config.manifests.yaml_stream import split

_SIGNS: Final = (
    # Escapes, templates, merge keys, a directive, the end of a document.
    *("\\", "{{", "{%", "<<", "\n%", "\n..."),
    # A key that is null, or a list or an object.
    *(
        " :",
        "\t:",
        "\n:",
        "[:",
        "{:",
        ",:",
        "?:",
        "-:",
        "]:",
        "}:",
        "~:",
        "null:",
        "Null:",
        "NULL:",
    ),
    # What YAML counts as a line break and kubectl does not.
    *("\ufeff", "\x85", "\u2028", "\u2029"),
)
_INDICATORS: Final = re.compile(r"(?:^|(?<=[\s\[{(,:?-]))(?:[&*!?]|\{(?!\}))", re.MULTILINE)
"""An anchor, an alias, a tag, an explicit key, or an object in braces that is not empty."""
_NUMBERS: Final = re.compile(
    # A key that may have more than 64 bits, a number that may be infinite, a very long one.
    r"[0-9](?:[0-9A-Za-z_]{15,}[ \t]*:|[0-9._]*[eE][-+_]*[0-9][0-9_]{2}|[0-9A-Za-z_.]{199})"
)
_NO_NUMBERS: Final = re.compile(r"\.(?:inf|Inf|INF|nan|NaN|NAN)")
_MAX_INDENT: Final = 60
_MAX_BRACKETS: Final = MAX_DEPTH - _MAX_INDENT - 10
_DEEP: Final = re.compile(rf"\n[ -]{{{_MAX_INDENT}}}")
"""A block lies at least one column further right than the one around it, but for a list."""
_BLANK: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*(?:[ \t]*(?:#[^\n]*)?\Z)?")
_FIRST_KEY: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*:(?=\s|\Z)")


def skim(text: str) -> int | None:
    """Return how many documents *text* has; None if only reading it can tell.

    A number means that `read` would yield as many documents, all of them objects, and nothing that
    is unreadable.
    """
    if not yaml.__with_libyaml__ or not _is_plain(text):
        return None
    if "---" not in text:
        return _count(text)
    count = 0
    for chunk in split(text):
        if chunk.separator_rest and not chunk.separator_rest.startswith("#"):
            return None
        found = _count(chunk.text)
        if found is None:
            return None
        count += found
    return count


def _is_plain(text: str) -> bool:
    """Say whether *text* has no sign of anything that needs a look at the values."""
    for sign in _SIGNS:
        if sign in text:
            return False
    braceless = text.replace("{}", "")
    return not (
        (any(sign in braceless for sign in "&*!?{") and _INDICATORS.search(text))
        or _NUMBERS.search(text)
        or _NO_NUMBERS.search(text)
        or text.count("[") > _MAX_BRACKETS
        or _DEEP.search(text)
        or ("\r" in text and text.count("\r") != text.count("\r\n"))
    )


def _count(text: str) -> int | None:
    """Return 1 for a document that is an object, 0 for none, and None if it is anything else."""
    start = _end_of_blank(text)
    if start == len(text):
        return 0
    return 1 if _FIRST_KEY.match(text, start) is not None and _parses(text) else None


def _end_of_blank(text: str) -> int:
    """Return where the first line of *text* begins that is neither empty nor a comment."""
    blank = _BLANK.match(text)
    return 0 if blank is None else blank.end()


def _parses(text: str) -> bool:
    bindings: Any = yaml.cyaml
    try:
        bindings.CParser(text).raw_parse()
    except yaml.YAMLError:
        return False
    return True
