"""Files without an object of ours are told by a look, and the look never hides a finding."""

import base64
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dra_config import rules, scheme
from dra_config.cli.foreign import count_foreign_documents
from dra_config.cli.judge import Criteria, judge_file, judge_whole_file
from dra_config.gates import FeatureGates

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = ROOT.parent / "shared" / "corpus"
CRITERIA = Criteria(gates=FeatureGates())

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {}
spec:
  replicas: 3
  template:
    spec:
      containers:
      - name: web
        image: registry.example.com/web:1.2.3
        args: ["--port", "8080"]
        resources:
          limits: {cpu: 500m}
"""
PLAIN = DEPLOYMENT.replace("{cpu: 500m}", "{}")
CONFIG = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\nsharing: {strategy: mps}\n"


def agree(text: bytes) -> int | None:
    """Hold that the look says nothing that reading does not say, and return what it says."""
    for syntax in ("yaml", None):
        found = judge_file("a.yaml", text, CRITERIA, syntax)
        assert found == judge_whole_file("a.yaml", text, CRITERIA, syntax)
    return count_foreign_documents(text, "yaml")


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        (PLAIN, 1),
        (f"# a comment\n\n---\n{PLAIN}---\n# nothing\n---  # more\n{PLAIN}", 2),
        (PLAIN.replace("\n", "\r\n"), 1),
        ("\ufeff" + PLAIN, 1),
        (PLAIN + "  note: größer\n", 1),
        ("# nothing but a comment\n", 0),
        ("", 0),
    ],
)
def test_a_plain_foreign_file_is_not_read(text: str, documents: int) -> None:
    assert agree(text.encode()) == documents


TRAPS: dict[str, str | bytes] = {
    "a config": CONFIG,
    "a config in a version that is not ours": "apiVersion: v1\nkind: GpuConfig\nx: 1\n",
    "a config with its kind in the wrong case": CONFIG.replace("GpuConfig", "gPUconfig"),
    "a kind with the sign of Kelvin": "kind: MigDeviceConfig\n".replace("k", "\u212a"),
    "an escaped kind": 'kind: "\\x47puConfig"\n',
    "an escaped slash": 'apiVersion: "resource.nvidia\\x2ecom/v1beta1"\nkind: X\n',
    "a kind folded with a backslash": 'kind: "Gpu\\\n  Config"\n',
    "a kind in base64": f"kind: !!binary {base64.b64encode(b'GpuConfig').decode()}\n",
    "an alias": f"a: &a b\n{PLAIN}  c: *a\n",
    "an unknown alias": PLAIN + "  c: *a\n",
    "UTF-16": PLAIN.encode("utf-16"),
    "Latin-1": "kind: größer\n".encode("latin-1"),
    "broken YAML": PLAIN + "  a: b: c\n",
    "a tab": PLAIN + "\tb: c\n",
    "a template": PLAIN + "  {{- if .Values.x }}\n  a: b\n",
    "a template that is YAML": PLAIN + "  a: {{ .Values.x }}\n",
    "a null key": PLAIN + "  null: b\n",
    "a tilde for a key": PLAIN + "  ~ : b\n",
    "no key": PLAIN + "  : b\n",
    "a null key in braces": PLAIN + "  x: {~: b}\n",
    "a null key in braces without a colon": PLAIN + "  x: {null}\n",
    "a list for a key": PLAIN + "  [a]: b\n",
    "an explicit key": PLAIN + "  ? [a]\n  : b\n",
    "an explicit null key in brackets": PLAIN + "  x: [?~]\n",
    "a number that JSON lacks": PLAIN + "  x: .inf\n",
    "an infinite number": PLAIN + "  x: 1e999\n",
    "an infinite number with underscores": PLAIN + "  x: 1_e9_9_9\n",
    "an infinite number that is long": PLAIN + f"  x: {'9' * 400}.0\n",
    "a key beyond 64 bits": PLAIN + "  99999999999999999999: x\n",
    "a hexadecimal key beyond 64 bits": PLAIN + "  0xffffffffffffffffff: x\n",
    "an unknown tag": PLAIN + "  x: !!int a\n",
    "a merge": PLAIN + "  <<: a\n",
    "a directive": f"%YAML 1.1\n---\n{PLAIN}",
    "an end of document": f"{PLAIN}...\n{CONFIG.replace('nvidia', 'x').replace('Gpu', 'x')}",
    "a bad separator": f"{PLAIN}--- a\n",
    "a separator that is none to YAML": f"a: |\n---\nb\n{PLAIN}",
    "an old line break": f"{PLAIN}\r---\ra: b\n",
    "a foreign line break": f"{PLAIN}  a: b\u2028---\u2028a: c\n",
    "a control character": PLAIN + "  a: \x07\n",
    "too deep by brackets": PLAIN + f"  a: {'[' * 101}{']' * 101}\n",
    "too deep by indent": "".join(f"{' ' * depth}a:\n" for depth in range(120)),
    "too deep by dashes": f"a:\n{'- ' * 120}b\n",
    "JSON": '{"kind": "\\u0047puConfig"}',
    "a scalar": "just text\n",
    "a list at the root": "- a\n",
    "a key twice in a list": "kind: PodList\nkind: PodList\nitems: []\n",
    "a comment to us": f"# dra-config: ignore[DRA101] no reason\n{PLAIN}",
}


@pytest.mark.parametrize("what", TRAPS)
def test_what_only_reading_can_tell_is_read(what: str) -> None:
    text = TRAPS[what]
    assert agree(text if isinstance(text, bytes) else text.encode()) is None


def test_bare_parameters_are_read_whatever_they_say() -> None:
    criteria = Criteria(gates=FeatureGates(), as_parameters=True)
    assert judge_file("a.yaml", PLAIN.encode(), criteria, "yaml").findings


WORDS = sorted(
    {kind for _, kind in scheme.MODELS}
    | {"ComputeDomain", "ResourceClaim", "List", "Pod"}
    | {kind for judgment in rules.JUDGMENTS for kind in judgment.kinds}
)
VERSIONS = sorted(
    {*scheme.API_VERSIONS, "v1", "apps/v1"}
    | {f"{judgment.group}/v1alpha1" for judgment in rules.JUDGMENTS}
)


@pytest.mark.parametrize("kind", WORDS)
@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_of_ours_is_read(version: str, kind: str) -> None:
    agree(f"apiVersion: {version}\nkind: {kind}\nspec:\n  a: 1\nspec: 2\n".encode())


PIECES = st.sampled_from(
    [
        *(piece for text in (DEPLOYMENT, CONFIG) for piece in text.splitlines(keepends=True)),
        *WORDS,
        *VERSIONS,
        *("---\n", "...\n", "- ", "  ", "\n", "\r\n", "\r", "\t", ": ", ":", "? ", "?", "#", "%"),
        *("{", "}", "[", "]", ",", "'", '"', "\\", "\\x47", "&a ", "*a", "!", "!!binary ", "|\n"),
        *(">-\n", "~", "null", ".inf", "1e9", "99", "0x", "_", "<<", "{{ a }}", "{% a %}", "{}"),
        *("\u2028", "\x85", "\ufeff", "ü", "\u212a", "kind: ", "apiVersion: ", "items:\n", "a"),
    ]
)


@given(st.lists(PIECES, max_size=12).map("".join), st.booleans())
@example("null:\n", False)  # noqa: FBT003 - the second argument of the test
def test_the_look_never_changes_a_verdict(text: str, below: bool) -> None:  # noqa: FBT001
    agree(((PLAIN if below else "") + text).encode())


@given(st.text(alphabet=st.sampled_from(":-?[]{},&*!#%~ \n\"'|>a1e._"), max_size=40))
def test_the_look_never_changes_the_verdict_of_any_signs(text: str) -> None:
    agree(f"a:\n  - b: {text}\n".encode())
    agree(f"a: {{}}\n{text}".encode())


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="the public manifests are not on this machine")
def test_public_manifests_get_the_same_verdict() -> None:
    files = [path for path in PUBLIC.rglob("*") if path.suffix in {".yaml", ".yml"}]
    assert files
    for path in files:
        agree(path.read_bytes())
