"""YAML means what kubectl takes it for.

``yaml_truth.jsonl`` holds texts and what ``YAMLToJSON`` of sigs.k8s.io/yaml 1.6.0, the decoder in
kubectl, makes of them.
"""

import json
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dra_config.manifests import MAX_DEPTH, Document, Unreadable, read, to_json, to_python
from dra_config.manifests.failures import DocumentError
from dra_config.manifests.yaml_events import EventSource, c_events, python_events
from dra_config.manifests.yaml_reader import read_yaml

TRUTH = [
    json.loads(line)
    for line in Path(__file__).with_name("yaml_truth.jsonl").read_text().splitlines()
]
TEMPLATE = "a: x-{{ .Values.x }}\n"
"""Text to kubectl, a template to us."""
TABS = ("a: \tx\n", "a: x\t\n", "a: [\t1]\n")
"""Refused by the parser written in Python alone."""


def canonical(text: str) -> Any:
    """Return JSON *text* comparable: numbers as written, the last of equal keys, keys sorted."""

    def number(digits: str) -> tuple[str, str]:
        return "number", digits

    def members(pairs: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return sorted(dict(pairs).items(), key=lambda pair: pair[0])

    return json.loads(text, parse_int=number, parse_float=number, object_pairs_hook=members)


def unreadable(text: str | bytes) -> Unreadable:
    """Return the only result for *text*, which cannot be read."""
    (result,) = read(text)
    assert isinstance(result, Unreadable)
    return result


JUDGED = [
    pytest.param(case, events, id=f"{name}-line{line}")
    for line, case in enumerate(TRUTH, 1)
    for name, events in (("libyaml", c_events), ("python", python_events))
    if case["yaml"] != TEMPLATE and (events is c_events or case["yaml"] not in TABS)
]


@pytest.mark.parametrize(("case", "events"), JUDGED)
def test_a_text_means_to_us_what_it_means_to_kubectl(
    case: dict[str, str], events: EventSource
) -> None:
    results = list(read_yaml(case["yaml"], events=events))
    if "error" in case:
        assert any(isinstance(result, DocumentError) for result in results)
        return
    texts = ["null"]
    for result in results:
        assert not isinstance(result, DocumentError), result.message
        texts = [to_json(result).decode()]
    assert canonical(texts[0]) == canonical(case["json"])


def test_the_judge_has_seen_enough() -> None:
    assert len(TRUTH) > 400
    assert len(JUDGED) == 2 * len(TRUTH) - 2 - len(TABS)
    assert sum("error" in case for case in TRUTH) > 80


def test_a_broken_document_does_not_hide_its_neighbours() -> None:
    results = read("a: 1\n---\nb: [\n---\n# nothing\n---\nc: 3\n")
    assert [type(result) for result in results] == [Document, Unreadable, Document]
    assert [result.index for result in results] == [0, 1, 2]
    broken = results[1]
    assert isinstance(broken, Unreadable)
    assert (broken.rule, broken.span[:2]) == ("DRA940", (3, 4))


def test_a_separator_followed_by_text_is_refused_as_kubectl_refuses_it() -> None:
    results = read("--- # fine\na: 1\n--- {b: 2}\nignored: 1\n---\nc: 3\n")
    assert [type(result) for result in results] == [Document, Unreadable, Document]
    assert isinstance(results[1], Unreadable)
    assert results[1].span.start_line == 3
    assert unreadable("---0").span == (1, 1, 1, 4)


def test_text_that_kubectl_never_looks_at_is_an_error() -> None:
    document, rest = read("a: 1\n...\nb: 2\n")
    assert isinstance(document, Document)
    assert isinstance(rest, Unreadable)
    assert rest.span.start_line == 3


def test_empty_and_null_documents_are_passed_over() -> None:
    assert read("---\n---\n\n---\n# comment\n---\n~\n---\n") == []
    assert read("") == read(b"\xef\xbb\xbf") == []


def test_bytes_that_are_no_utf8_are_named_with_their_place() -> None:
    result = unreadable(b"\xef\xbb\xbfa: 1\r\nb: \xff\r\n")
    assert (result.rule, result.span) == ("DRA940", (2, 4, 2, 5))
    assert "0xFF" in result.message


def test_the_sentence_about_broken_yaml_is_one_line_of_our_own() -> None:
    for text in ("a: b: c", "a: [1", "a: 'x", "@x", "a:\n\tb: 1", "- a\nb: 1", "\x01", "*x"):
        result = unreadable(text)
        assert result.rule == "DRA940"
        assert "\n" not in result.message
        assert "<unicode string>" not in result.message


def test_infinity_is_refused_where_it_stands() -> None:
    result = unreadable("a: 1\nb: [x, -.inf]\n")
    assert (result.rule, result.span) == ("DRA940", (2, 8, 2, 13))


def test_a_key_written_twice_is_retained_and_a_merged_one_is_not_written_twice() -> None:
    (twice,) = read("a: 1\nb: 2\na: 3\n")
    assert isinstance(twice, Document)
    assert to_json(twice.root) == b'{"a":1,"b":2,"a":3}'
    (merged,) = read("x: &x {a: 1, b: 2}\nu: {<<: *x, a: 3}\nz: {a: 4, <<: *x}\n")
    assert isinstance(merged, Document)
    assert to_json(merged.root) == (b'{"x":{"a":1,"b":2},"u":{"b":2,"a":3},"z":{"a":1,"b":2}}')


def test_aliases_inside_aliases_are_refused_before_they_fill_the_memory() -> None:
    names = "abcdefghij"
    bomb = "a: &a [1,2,3,4,5,6,7,8,9]\n" + "".join(
        f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in pairwise(names)
    )
    assert unreadable(bomb).rule == "DRA943"


def test_a_long_text_repeated_through_aliases_is_refused() -> None:
    text = f"a: &a {'x' * 2**20}\nb: [{', '.join(['*a'] * 17)}]\n"
    assert unreadable(text).rule == "DRA943"


def test_ordinary_use_of_aliases_is_fine() -> None:
    text = "a: &a {x: 1}\nb: [" + "*a, " * 500 + "]\n"
    (document,) = read(text)
    assert isinstance(document, Document)
    assert len(to_python(document.root)["b"]) == 500


@pytest.mark.parametrize("levels", [MAX_DEPTH, MAX_DEPTH + 1])
def test_depth_is_bounded_in_flow_style_block_style_and_through_aliases(levels: int) -> None:
    fine = levels == MAX_DEPTH
    half = levels // 2
    flow = "[" * levels + "]" * levels
    block = "- " * levels + "1"
    rest = levels - half - 1
    aliased = f"- &a {'[' * half}{']' * half}\n- {'[' * rest}*a{']' * rest}"
    for text in (flow, block, aliased):
        (result,) = read(text)
        assert isinstance(result, Document) is fine
        assert fine or getattr(result, "rule", "") == "DRA943"
    (deepest,) = read("[" * 5_000)
    assert getattr(deepest, "rule", "") == "DRA943"


def test_a_file_beyond_16_mebibytes_is_not_read() -> None:
    assert unreadable(b"#" * (16 * 1024**2 + 1)).rule == "DRA942"
    assert unreadable("\u00e9" * (8 * 1024**2 + 1)).rule == "DRA942"
    assert read(b"#" * (16 * 1024**2)) == []


def test_twice_the_document_takes_twice_the_events_and_nodes() -> None:
    """The parser is asked, and a node is made, once for each value, however large the text."""

    def counted(items: int) -> tuple[int, int]:
        asked = 0

        def events(text: str) -> Any:
            next_event = c_events(text)

            def count() -> Any:
                nonlocal asked
                asked += 1
                return next_event()

            return count

        text = "- kind: GpuConfig\n  sharing: {strategy: MPS}\n  note: |\n    a line\n\n" * items
        (root,) = read_yaml(text, events=events)
        assert not isinstance(root, DocumentError)
        return asked, len(to_json(root))

    (asked, length), (asked_twice, length_twice) = counted(5_000), counted(10_000)
    assert abs(asked_twice - 2 * asked) < 10
    assert abs(length_twice - 2 * length) < 10
