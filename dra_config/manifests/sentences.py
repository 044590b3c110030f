"""What the YAML parser complains about, in our words."""

from typing import Final

_SENTENCES: Final = (
    (
        "mapping values are not allowed",
        "No key can stand before this ':'; quote a value with one, or check the indentation.",
    ),
    (
        "could not find expected ':'",
        "A ':' is missing after this key, or a line is not indented as the one above.",
    ),
    (
        "did not find expected key",
        "A key was expected here; check the indentation and the quotes of the lines above.",
    ),
    (
        "did not find expected '-' indicator",
        "An item that begins with '-' was expected here; check the indentation.",
    ),
    ("did not find expected ',' or ']'", "A list in brackets lacks a ',' or its closing ']'."),
    ("did not find expected ',' or '}'", "An object in braces lacks a ',' or its closing '}'."),
    ("did not find expected node content", "A value was expected here."),
    (
        "did not find expected <document start>",
        "Nothing can follow the end of a document; begin another one with '---'.",
    ),
    ("nesting depth", "Objects and lists lie too deep inside one another here."),
    ("found character '\\t'", "A tab cannot indent a line; use spaces."),
    ("cannot start any token", "No value can begin with this character; put it in quotes."),
    ("unexpected end of stream", "The text ends inside a quoted string."),
    ("unexpected document indicator", "The document ends inside a quoted string."),
    ("unknown escape character", "This escape is unknown in a string in double quotes."),
    ("invalid Unicode character escape", "This escape names no character that YAML allows."),
    ("hexdecimal number", "An escape in a string in double quotes needs hexadecimal digits."),
    ("undefined tag handle", "The prefix of this tag is declared nowhere."),
    (
        "block sequence entries are not allowed",
        "A list item cannot begin here; put it on a line of its own.",
    ),
    ("block mapping entries are not allowed", "A key cannot begin here; put it on its own line."),
    ("mapping keys are not allowed", "A key marked with '?' cannot begin here."),
    (
        "expected comment or line break",
        "Nothing but a comment can follow '|' or '>' and its indicators on the same line.",
    ),
    ("indentation indicator", "The number after '|' or '>' lies between 1 and 9."),
    ("anchor or alias", "Names of anchors and aliases consist of letters, digits, '-' and '_'."),
    ("multiple anchors", "A value has one anchor only."),
    ("directive", "A line that begins with '%' is no directive kubectl can read here."),
)


def explain(problem: str) -> str:
    """Return a sentence for *problem*, the parser's own words for what is wrong."""
    for part, sentence in _SENTENCES:
        if part in problem:
            return sentence
    return f"This is not YAML: {problem}."
