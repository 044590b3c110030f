"""Templates are told from broken YAML, and the corpus is read."""

from pathlib import Path

import pytest

from dra_config.manifests import Document, Unreadable, format_of, read

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "manifests"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("{{- if .Values.on }}\na: 1\n{{- end }}\n", (1, 1)),
        ("a: 1\n{{ toYaml .Values.x | indent 2 }}\n", (2, 1)),
        ("a: {{ .Values.x }}\n", (1, 4)),
        ("a: b\nc: x-{{ .Values.x }}\n", (2, 4)),
        ('a: "{{ .Values.x | default "y" }}"\n', (1, 5)),
        ("{% if x %}\na: 1\n{% endif %}\n", (1, 1)),
        ("a: {{ x }}-{{ y }}\n", (1, 4)),
        ("---{{ if .x }}\na: 1\n", (1, 1)),
        ('{"a": {{ .Values.x }}}', (1, 7)),
    ],
)
def test_a_template_is_named_a_template_where_its_first_action_stands(
    text: str, place: tuple[int, int]
) -> None:
    (result,) = read(text)
    assert isinstance(result, Unreadable)
    assert (result.rule, result.span[:2]) == ("DRA941", place)


@pytest.mark.parametrize(
    "text",
    [
        "a: '{{ .Values.x }}'\n",
        'a: "{{ x }}"\n',
        "a: |\n  {{ $labels.x }}\n",
        "# {{ if }}\na: 1\n",
        "a: {b: {c: 1}}\n",
        "a: x{{\n",
    ],
)
def test_braces_in_quotes_blocks_and_comments_make_no_template(text: str) -> None:
    (result,) = read(text)
    assert isinstance(result, Document)


@pytest.mark.parametrize(
    "text",
    ["a: '{{ x }}'\nb: [\n", "a: |\n  {{ x }}\nb: c: d\n", "# {{ x }}\nb: c: d\n"],
)
def test_broken_yaml_stays_broken_yaml_when_the_braces_are_protected(text: str) -> None:
    (result,) = read(text)
    assert isinstance(result, Unreadable)
    assert result.rule == "DRA940"


def test_a_json_template_is_a_template() -> None:
    (result,) = read('{"a": {{ .x }}}', format="json")
    assert isinstance(result, Unreadable)
    assert result.rule == "DRA941"


def test_every_file_of_the_corpus_reads() -> None:
    if not CORPUS.is_dir():
        pytest.skip("the shared corpus is not beside this repository")
    files = sorted(path for path in CORPUS.rglob("*") if format_of(path.name) is not None)
    assert len(files) > 80
    for path in files:
        results = read(path.read_bytes(), format=format_of(path.name))
        assert results, path
        for result in results:
            assert isinstance(result, Document), (path, result)
