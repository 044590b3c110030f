"""Suggestions are YAML that reads back as what was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_config.manifests import Document, read, to_python
from dra_config.rules import yaml_text

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["yes", "y", "1e3", "0x10", "null", "a: b", "a #b", "- a", "{{ x }}", " a", "a ", "~", "a'\"b"]
)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(-1e6, 1e6) | TEXTS
)
TREES = st.dictionaries(
    TEXTS,
    st.recursive(
        SCALARS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=8,
    ),
    min_size=1,
    max_size=3,
)


@given(TREES)
def test_any_tree_reads_back_as_itself(tree: dict[str, object]) -> None:
    (document,) = read(yaml_text.render(tree), format="yaml")
    assert isinstance(document, Document), document
    assert to_python(document.root) == tree


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (
            {"a": {"b": [{"c": 1, "d": True}, {"e": None}]}},
            "a:\n  b:\n  - c: 1\n    d: true\n  - e: null\n",
        ),
        (
            {"requests": ["gpu", "yes"], "none": [], "empty": {}},
            'requests: [gpu, "yes"]\nnone: []\nempty: {}\n',
        ),
        ({"expression": 'device.driver == "x"'}, 'expression: device.driver == "x"\n'),
    ],
)
def test_it_looks_like_the_examples_of_kubernetes(tree: object, text: str) -> None:
    assert yaml_text.render(tree) == text
