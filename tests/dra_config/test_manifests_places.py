"""Every value has the place it was written at."""

import pytest

from dra_config.manifests import (
    Document,
    Node,
    ObjectNode,
    duplicate_keys,
    find,
    format_of,
    read,
    to_python,
)
from dra_config.violations import FieldPath, MapKey, Target

BLOCK = """\
# a comment
a: 1
spec:
  config:
  - name: x
    flow: {k: [u, "v w"], 'q': ~}
  - name: y
    text: |
      one

      two

  empty:
last: "z"
"""


def root_of(text: str | bytes, document: int = 0) -> Node:
    """Return the root of one document of *text*."""
    result = read(text)[document]
    assert isinstance(result, Document)
    return result.root


@pytest.mark.parametrize(
    ("path", "target", "place"),
    [
        (("a",), Target.VALUE, (2, 4, 2, 5)),
        (("a",), Target.KEY, (2, 1, 2, 2)),
        (("spec", "config", 0, "name"), Target.VALUE, (5, 11, 5, 12)),
        (("spec", "config", 0, "name"), Target.KEY, (5, 5, 5, 9)),
        (("spec", "config", 0, "flow"), Target.VALUE, (6, 11, 6, 34)),
        (("spec", "config", 0, "flow", "k"), Target.KEY, (6, 12, 6, 13)),
        (("spec", "config", 0, "flow", "k", 1), Target.VALUE, (6, 19, 6, 24)),
        (("spec", "config", 0, "flow", MapKey("q")), Target.KEY, (6, 27, 6, 30)),
        (("spec", "config", 1, "text"), Target.VALUE, (8, 11, 11, 10)),
        (("spec", "empty"), Target.VALUE, (13, 9, 13, 9)),
        (("spec", "empty"), Target.KEY, (13, 3, 13, 8)),
        (("last",), Target.VALUE, (14, 7, 14, 10)),
        (("spec",), Target.VALUE, (4, 3, 13, 9)),
        (("spec", "config"), Target.VALUE, (5, 3, 11, 10)),
        ((), Target.VALUE, (2, 1, 14, 10)),
        # a missing field: the key of the object around it, or the object where it has none
        (("spec", "missing"), Target.PARENT, (3, 1, 3, 5)),
        (("spec", "config", 0, "missing"), Target.PARENT, (5, 5, 5, 9)),
        (("spec", "config", 0, "flow", "missing"), Target.PARENT, (6, 11, 6, 34)),
        (("missing",), Target.PARENT, (2, 1, 2, 2)),
        (("spec", "config", 0), Target.PARENT, (4, 3, 4, 9)),
        # a path that leads nowhere: the nearest object that exists
        (("spec", "no", "such", "thing"), Target.VALUE, (3, 1, 3, 5)),
        (("spec", "no", "such", "thing"), Target.KEY, (3, 1, 3, 5)),
        (("spec", "config", 9, "name"), Target.VALUE, (4, 3, 4, 9)),
        (("a", "b", "c"), Target.PARENT, (2, 4, 2, 5)),
        (("spec", "config", 1), Target.KEY, (7, 5, 7, 9)),
    ],
)
def test_a_path_leads_to_its_place_in_block_and_flow_style(
    path: FieldPath, target: Target, place: tuple[int, int, int, int]
) -> None:
    assert find(root_of(BLOCK), path, target) == place


def test_places_are_the_same_with_windows_line_ends_and_a_byte_order_mark() -> None:
    windows = root_of(b"\xef\xbb\xbf" + BLOCK.replace("\n", "\r\n").encode())
    for path in (("a",), ("spec", "config", 0, "flow", "k", 1), ("last",), ("spec", "config")):
        assert find(windows, path) == find(root_of(BLOCK), path)
    block = find(windows, ("spec", "config", 1, "text"))
    assert block == (8, 11, 11, 10)


def test_columns_count_characters_and_lines_count_as_editors_count_them() -> None:
    root = root_of("日本: {😀: x, é: \"ü\"}\nb: 'p\u2028q'\nc: 1\n")
    assert find(root, ("日本", "é")) == (1, 15, 1, 18)
    assert find(root, ("c",)) == (3, 4, 3, 5)


def test_later_documents_count_lines_from_the_start_of_the_file() -> None:
    text = "# c\n---\na: 1\n--- # x\n\nb:\n  c: 2\n"
    assert find(root_of(text, 1), ("b", "c")) == (7, 6, 7, 7)
    mixed = '{"a": 1}\n{"b":\n 2}\n'
    assert find(root_of(mixed, 1), ("b",)) == (3, 2, 3, 3)
    assert find(root_of('{"a": 1}\n---\nb: 2\n', 1), ("b",)) == (3, 4, 3, 5)


def test_an_alias_has_its_own_place_and_lends_the_places_inside_the_anchor() -> None:
    root = root_of("x: &x\n  k: 1\nu: *x\nz: [*x]\nw: &s 5\nv: *s\n")
    assert find(root, ("u",)) == (3, 4, 3, 6)
    assert find(root, ("u", "k")) == (2, 6, 2, 7)
    assert find(root, ("u", "missing"), Target.PARENT) == (3, 4, 3, 6)
    assert find(root, ("z", 0, "missing"), Target.PARENT) == (4, 5, 4, 7)
    assert find(root, ("v",)) == (6, 4, 6, 6)


def test_a_merged_key_stands_where_it_was_written() -> None:
    root = root_of("x: &x {k: 1, l: 2}\nu:\n  <<: *x\n  l: 3\n")
    assert find(root, ("u", "k")) == (1, 11, 1, 12)
    assert find(root, ("u", "l")) == (4, 6, 4, 7)
    assert list(duplicate_keys(root)) == []


def test_equal_keys_are_told_apart_and_the_last_one_counts() -> None:
    root = root_of("a:\n  k: 1\n  'k': 2\n  k: 3\nb: [{c: 1, c: 2}]\n")
    assert list(duplicate_keys(root)) == [
        (("a", "k"), 1),
        (("a", "k"), 2),
        (("b", 0, "c"), 1),
    ]
    lines = [find(root, ("a", "k"), Target.KEY, number).start_line for number in range(4)]
    assert lines == [2, 3, 4, 4]
    assert find(root, ("a", "k")) == (4, 6, 4, 7)
    assert find(root, ("a", "k"), Target.VALUE, 1) == (3, 8, 3, 9)
    assert to_python(root) == {"a": {"k": 3}, "b": [{"c": 2}]}


def test_json_has_places_too() -> None:
    root = root_of('{"a": [1,\n  {"b": "x\\ny"}], "a": null}')
    assert isinstance(root, ObjectNode)
    assert root.span == (1, 1, 2, 29)
    assert find(root, ("a",), Target.KEY, 1) == (2, 19, 2, 22)
    root = root_of('{"a": [1,\n  {"b": "x\\ny"}]}')
    assert find(root, ("a", 1, "b")) == (2, 9, 2, 15)
    assert find(root, ("a", 1, "c"), Target.PARENT) == (2, 3, 2, 16)


def test_the_suffix_names_the_format() -> None:
    assert format_of("a/b.YAML") == format_of("b.yml") == "yaml"
    assert format_of("b.ndjson") == format_of("b.jsonl") == "jsonl"
    assert format_of("b.json") == "json"
    assert format_of("b.txt") is format_of("json") is None
