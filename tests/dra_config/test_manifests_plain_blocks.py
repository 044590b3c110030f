"""The plainest YAML is read line by line as a parser reads it, or not at all."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dra_config.manifests import Document, duplicate_keys, read, to_python
from dra_config.manifests.plain_blocks import read_plainly

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ROOT.parent / "shared" / "corpus"
thoroughly = settings(max_examples=10 * settings().max_examples)

CLAIM = """\
# a comment
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata:
  name: "training"   # why
  labels: {}
  annotations:
    note: 'one, two'
    at: 10:30
    url: http://example.com/#a
spec:
  devices:
    requests:
    - name: gpu-0
      exactly:
        deviceClassName: gpu.nvidia.com
        count: 2
    -   name: gpu-1
        tolerations: []
    config:
      - requests: [gpu-0, "gpu-1"]
        opaque:
          driver: gpu.nvidia.com
          parameters:
            sharing:
              strategy: MPS
              nothing:
              more: -1
      - --flag
      - on
status:
"""


def agree(text: str) -> bool:
    """Hold that nothing is read plainly but what a parser reads, and return whether it was."""
    plainly = read_plainly(text)
    if plainly is None:
        return False
    results = read(text, format="yaml")
    documents = [result for result in results if isinstance(result, Document)]
    assert documents == results
    assert repr([to_python(document.root) for document in documents]) == repr(plainly)
    assert not any([*duplicate_keys(document.root)] for document in documents)
    return True


@pytest.mark.parametrize(
    "text",
    [
        CLAIM,
        CLAIM.replace("\n", "\r\n"),
        f"{CLAIM}---\n{CLAIM}",
        f"---\n\n---\n# nothing\n{CLAIM}---\n",
        "",
        "a:\n- b: 1\n  c:\n  - d\n  - e:\n    - f\n- g: x\nh: y\n",
        "a:\n  - b:\n      c: 1\n    d: 2\n  - e: 3\nf: 4",
    ],
)
def test_plain_documents_are_read(text: str) -> None:
    assert agree(text)


ODD = {
    "a key twice": "a: 1\na: 2\n",
    "a key twice in an item": "a:\n- b: 1\n  b: 2\n",
    "a text on several lines": "a: b\n  c\n",
    "a key that is no text": "on: 1\n",
    "a key behind a value": "a: b: c\n",
    "a value that ends with a colon": "a: b:\n",
    "a key that is deeper than a value": "a: b\n  c: d\n",
    "a key between two columns": "a:\n    b: 1\n  c: 2\n",
    "a list beside a key": "a: 1\n- b\n",
    "a list left of its key": "a:\n  b:\n - c\n",
    "a number that is no integer": "a: 1.5\n",
    "no number": "a: .nan\n",
    "a block scalar": "a: |\n  b\n",
    "a template": "a: {{ .Values.b }}\n",
    "a template in quotes": 'a: "{{ .Values.b }}"\n',
    "an anchor": "a: &b c\n",
    "an escape": 'a: "\\x41"\n',
    "braces": "a: {b: c}\n",
    "a dash behind a dash": "a:\n- - b\n",
    "a tab": "a:\tb\n",
    "a letter beyond ASCII": "a: é\n",
    "an end of document": "a: b\n...\nc: d\n",
    "a separator with words": "a: b\n--- c\n",
    "an item without a value": "a:\n-\n",
    "a list at the root": "- a\n",
    "a scalar at the root": "a\n",
    "a root that is indented": "  a: b\n",
    "a text that is deeper than a list": "a:\n- b\n  c: d\n",
    "an old line break": "a: b\rc: d\n",
    "a very long line": f"a: {'b' * 1_000}\n",
    "a very deep list": "".join(f"{' ' * depth}a:\n" for depth in range(60)),
}


@pytest.mark.parametrize("what", ODD)
def test_the_rest_is_left_to_the_parser(what: str) -> None:
    assert not agree(ODD[what])


LINES = CLAIM.splitlines(keepends=True)
TOKENS = st.sampled_from(
    [
        *("a", "b1", "kind", "on", "null", "~", "1", "0x1F", "1e3", "0o7", "-1", ".5", "10:30"),
        *("- ", "-", "  ", " ", "\n", "\n  ", "\n- ", "\n    ", "a:", "a: ", "b:\n", "\n---\n"),
        *("---", "...", ":", ": ", "#", " #", "#c", ",", "[", "]", "[]", "{}", "[a]", "[a, b]"),
        *('"', "'", '"a"', "'b'", "''", "%", "@", "`", "!", "&", "*", "|", ">", "?", "=", "<<"),
        *("\\", "{", "}", "\r\n", "2024-01-01", "1_000", "yes", "a.b/c", "1Mi", "--x", "<", "$"),
    ]
)


@thoroughly
@given(st.lists(TOKENS, max_size=10).map("".join), st.sampled_from(["", "a:\n- b: c\n", CLAIM]))
@example("a:\n-  b: 1\n   c: 2\n", "")
@example('a: "b"#c\n', "")
@example("a: 'b''c'\n", "")
@example("a: b #\n", "")
@example("a: -\n", "")
@example("a: [a,b]\n", "")
def test_any_signs_are_read_as_the_parser_reads_them(signs: str, before: str) -> None:
    agree(before + signs)


@thoroughly
@given(st.lists(st.sampled_from(LINES), max_size=12))
def test_any_lines_are_read_as_the_parser_reads_them(lines: list[str]) -> None:
    agree("".join(lines))


@given(st.data())
def test_a_change_anywhere_is_seen_as_the_parser_sees_it(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(CLAIM)))
    cut = data.draw(st.integers(0, 3))
    agree(CLAIM[:at] + data.draw(TOKENS | st.text(max_size=2)) + CLAIM[at + cut :])


@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), max_size=12))
def test_any_value_means_what_the_parser_says(value: str) -> None:
    for form in ("a: {}\n", "a:\n- {}\n", "a: [{}]\n", "{}: a\n", "a: '{}'\n", 'a: "{}"\n'):
        agree(form.replace("{}", value))


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public manifests are not on this machine")
def test_public_manifests_are_read_as_the_parser_reads_them() -> None:
    files = [path for path in PUBLIC.rglob("*") if path.suffix in {".yaml", ".yml"}]
    read_so = [agree(path.read_bytes().decode(errors="replace")) for path in files]
    assert any(read_so)


def test_reading_plainly_imports_no_parser() -> None:
    code = (
        "import sys; from dra_config.manifests.plain_blocks import read_plainly; "
        "read_plainly('a: b'); sys.exit('yaml' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
