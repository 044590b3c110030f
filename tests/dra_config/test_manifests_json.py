"""JSON is kept as it is written, and no text whatever raises an exception."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_config.manifests import (
    Document,
    Format,
    Unreadable,
    duplicate_keys,
    find,
    read,
    to_json,
    to_python,
)

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20
)
YAMLISH = st.lists(
    st.sampled_from(
        [
            *"\n\r\t :-,[]{}&*!|>'\"#?%@`ab01.~<\\é\u2028\ufeff\x85\x00\ud800",
            "\n---\n",
            "\n...\n",
            "\n  ",
            "\n- ",
            ": ",
            "<<: ",
            "*a",
            "&a ",
            "!!int ",
            "!!binary ",
            "{{ x }}",
            "{% x %}",
            '{"a":1}',
        ]
    ),
    max_size=40,
).map("".join)


def only(text: str, form: Format | None = "json") -> Document:
    """Return the only document of *text*."""
    (result,) = read(text, format=form)
    assert isinstance(result, Document)
    return result


@given(VALUES.filter(lambda value: value is not None), st.sampled_from([None, 1, "\t"]))
def test_what_json_writes_comes_back_the_same(value: Any, indent: int | str | None) -> None:
    text = json.dumps(value, indent=indent)
    root = only(text).root
    assert to_json(root).decode() and json.loads(to_json(root)) == value  # noqa: PT018 - one law
    assert to_python(root) == value


@given(st.dictionaries(st.text(), VALUES, min_size=1))
def test_an_object_reads_the_same_whatever_the_format_is_said_to_be(value: dict[str, Any]) -> None:
    text = json.dumps(value)
    assert only(text, None) == only(text) == only(text, "jsonl") == only(text, "yaml")


@given(st.text() | YAMLISH, st.sampled_from(["yaml", "json", "jsonl", None]))
def test_no_text_raises_and_all_that_is_read_can_be_used(text: str, form: Format | None) -> None:
    for result in read(text, format=form):
        if isinstance(result, Document):
            json.loads(to_json(result.root))
            to_python(result.root)
            assert find(result.root, ("a", 0)).start_line >= 1
            list(duplicate_keys(result.root))
        else:
            assert 1 <= result.span.start_line <= result.span.end_line
            assert result.span.start_column >= 1
            assert result.message.endswith(".")


@given(st.binary())
def test_no_bytes_raise(content: bytes) -> None:
    for form in ("yaml", "json", "jsonl"):
        read(content, format=form)


@pytest.mark.parametrize("text", ["50.0", "1e3", "-0", "1E400", "0.10", "9" * 5_000])
def test_a_number_stays_as_it_is_written(text: str) -> None:
    assert to_json(only(f'{{"a": {text}}}').root).decode() == f'{{"a":{text}}}'


def test_text_has_the_length_that_the_api_server_measures() -> None:
    root = only('{ "a<" : "é\\u2028&\\n\\ud800" }').root
    assert to_json(root) == '{"a\\u003c":"é\\u2028\\u0026\\n\\ud800"}'.encode()


def test_json_values_may_follow_one_another_and_a_broken_line_hides_no_other() -> None:
    assert len(read('{"a": 1} {"b": 2}\n{"c": 3}', format="json")) == 3
    results = read('{"a": 1}\n{"b": }\r\n\n{"c": 3} 4\n{"d": 4}\n', format="jsonl")
    assert [type(result) for result in results] == [Document, Unreadable, Unreadable, Document]
    places = [result.span[:2] for result in results if isinstance(result, Unreadable)]
    assert places == [(2, 7), (4, 10)]
    assert isinstance(results[3], Document)
    assert find(results[3].root, ("d",)) == (5, 7, 5, 8)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"a": 1,}', (1, 9)),
        ('{"a" 1}', (1, 6)),
        ('{"a": 1', (1, 8)),
        ("{a: 1}", (1, 2)),
        ('{"a": NaN}', (1, 7)),
        ('{"a": Infinity}', (1, 7)),
        ('{"a": 01}', (1, 7)),
        ("{'a': 1}", (1, 2)),
        ('{"a": "x}', (1, 7)),
        ('{"a": "x\ny"}', (1, 9)),
        ('{"a": "\\q"}', (1, 8)),
        ("[1 2]", (1, 4)),
        ('{"a": 1}}', (1, 9)),
        ('{"a": TRUE}', (1, 7)),
    ],
)
def test_what_is_no_json_is_refused_where_it_goes_wrong(text: str, place: tuple[int, int]) -> None:
    result = read(text, format="json")[-1]
    assert isinstance(result, Unreadable)
    assert (result.rule, result.span[:2]) == ("DRA940", place)
    assert result.message.endswith(".")


def test_json_too_deep_is_refused_without_a_recursion_error() -> None:
    for levels, kind in ((100, Document), (101, Unreadable), (100_000, Unreadable)):
        (result,) = read("[" * levels + "]" * levels, format="json")
        assert isinstance(result, kind)


def test_a_file_that_begins_with_a_brace_is_json_as_long_as_it_is_json() -> None:
    first, second = read('{"a": 50.0}\n---\n{"a": 50.0}\n', format="yaml")
    assert isinstance(first, Document)
    assert isinstance(second, Document)
    assert to_json(first.root) == b'{"a":50.0}'
    assert to_json(second.root) == b'{"a":50}'
    assert to_json(only("{a: yes, b: [1e3]}", "yaml").root) == b'{"a":true,"b":[1000]}'


def test_broken_json_without_a_name_is_called_broken_json() -> None:
    (result,) = read('{"a": 1\n "b": 2}')
    assert isinstance(result, Unreadable)
    assert "JSON" in result.message
