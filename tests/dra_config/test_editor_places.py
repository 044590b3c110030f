"""Where a cursor stands in a half-written document, and what is told and offered there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dra_config.cli.serving.answers import Word, hover, words
from tests.dra_config.wrong_claims import CLAIM_IN_STREAM

CLAIM = CLAIM_IN_STREAM
HEADER = "apiVersion: resource.nvidia.com/v1beta1, kind: GpuConfig"
JSON_HEADER = '"apiVersion": "resource.nvidia.com/v1beta1", "kind": "GpuConfig"'
STRATEGIES = ["TimeSlicing", "MPS"]
SHARING = ["strategy", "timeSlicingConfig", "mpsConfig"]


def flow(text: str, driver: str = "gpu.nvidia.com") -> str:
    """Return a claim whose parameters are *text*, in flow style."""
    return f"""\
spec:
  devices:
    config:
    - opaque:
        driver: {driver}
        parameters: {text}
    - requests: [other]
"""


def as_json(text: str) -> str:
    """Return a claim in JSON whose parameters hold *text* behind the header."""
    return f"""\
{{
  "kind": "ResourceClaim",
  "spec": {{"devices": {{"config": [
    {{"opaque": {{"driver": "gpu.nvidia.com", "parameters": {{
\t{JSON_HEADER},
\t{text}
    }}}}}}
  ]}}}}
}}
"""


def cursor(text: str) -> tuple[list[str], int, int]:
    """Return the lines of *text* without its bar, and where the bar was."""
    before, bar, behind = text.partition("|")
    assert bar
    line = before.count("\n")
    return (before + behind).split("\n"), line, len(before) - before.rfind("\n") - 1


def offered(text: str, *, is_json: bool = False) -> list[Word]:
    return words(*cursor(text), is_json=is_json)


def labels(text: str, *, is_json: bool = False) -> list[str]:
    return [word.label for word in offered(text, is_json=is_json)]


def written(text: str, label: str, *, is_json: bool = False) -> str:
    """Return the line of the bar after the word *label* has been chosen there."""
    lines, line, column = cursor(text)
    (word,) = [each for each in offered(text, is_json=is_json) if each.label == label]
    assert word.start <= column <= word.end
    whole = lines[line]
    # An editor shows a word only if it begins with what stands there.
    typed = whole[word.start : column]
    assert word.sought.startswith(typed) or typed.strip("\"'") not in label
    return whole[: word.start] + word.text + whole[word.end :]


def told(text: str, *, is_json: bool = False) -> str | None:
    return hover(*cursor(text), is_json=is_json)


def line_of(text: str, sign: str) -> int:
    return next(number for number, line in enumerate(text.splitlines()) if sign in line)


def test_hover_tells_the_field_in_block_style_only_inside_of_a_config() -> None:
    lines = CLAIM.splitlines()
    limit = hover(lines, line_of(CLAIM, "Limit"), 18)
    assert limit is not None
    assert "Unit: bytes" in limit
    assert "Pinned device memory" in limit
    strategy = hover(lines, line_of(CLAIM, "strategy"), 18)
    assert strategy is not None
    assert "`MPS` needs feature gate MPSSupport" in strategy
    for sign in ("metadata", "kind: ConfigMap", "driver:", "requests: [gpu]"):
        assert hover(lines, line_of(CLAIM, sign), 8) is None


def test_keys_and_values_are_offered_while_the_yaml_is_half_written() -> None:
    half = CLAIM.replace("sharing:\n", "sharing:\n            t|\n")
    assert labels(half) == ["timeSlicingConfig"]
    assert labels(CLAIM.replace("strategy: Mps", "strategy: |")) == STRATEGIES
    assert labels(CLAIM.partition("          sharing")[0] + "          |\n") == [
        "sharing",
        "fabricTopologyConfig",
    ]


def test_a_config_on_its_own_and_a_boolean_are_served() -> None:
    text = (
        "apiVersion: resource.nvidia.com/v1beta1\nkind: VfioDeviceConfig\n"
        "iommu:\n  enableAPIDevice: 1\n  backendPolicy: 2\n"
    )
    assert labels(text.replace("1\n  b", "|\n  b")) == ["true", "false"]
    assert labels(text.replace(" 2\n", " |\n")) == ["LegacyOnly", "PreferIommuFD"]
    assert labels(text.replace("iommu:", "io|mmu:")) == ["iommu"]
    assert labels(text.replace("iommu:", "io|mmu:").replace("v1beta1", "v9")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{{{HEADER}, sharing: {{strategy: |}}}}", STRATEGIES),
        (f"{{{HEADER}, sharing: {{strategy: M|", STRATEGIES),
        (f"{{{HEADER}, sharing: {{|}}}}", SHARING),
        (f"{{{HEADER}, sharing: {{|", SHARING),
        (f"{{{HEADER}, sharing: {{str|}}}}", SHARING),
        (f"{{{HEADER}, sharing: {{strategy: MPS, |}}}}", SHARING[1:]),
        (f"{{sharing: {{strategy: |}}, {HEADER}}}", STRATEGIES),
        (
            f"{{\n          {HEADER},\n          sh|\n        }}",
            ["sharing", "fabricTopologyConfig"],
        ),
        (
            f"{{\n          {HEADER}, sharing: {{\n            |\n          strategy: MPS\n}}}}",
            SHARING[1:],
        ),
        (f"{{{HEADER}, sharing: {{strategy: MPS}}, |}}", ["fabricTopologyConfig"]),
        (f"{{{HEADER}, sharing: {{strategy: MPS}} # |}}", []),
        (f"{{{HEADER}, sharing: {{strategy: MPS}}}} |", []),
        (f"{{{HEADER}, fabricTopologyConfig: {{partitionIDs: [|]}}}}", []),
        ('{"apiVersion": "resource.nvidia.com/v1beta1", "kind":"GpuConfig", sh|', ["sharing"]),
        ("{|}", ["apiVersion", "kind"]),
        ("{kind: GpuConfig, |}", ["apiVersion"]),
        ("\n          |", ["apiVersion", "kind"]),
        ("{x: {|}}", []),
    ],
)
def test_flow_style_is_served_while_it_is_half_written(text: str, expected: list[str]) -> None:
    assert labels(flow(text))[: len(expected) or None] == expected


def test_brackets_that_nobody_closes_do_not_swallow_what_comes_below() -> None:
    open_text = flow(f"{{{HEADER}, sharing: {{strategy: ")
    assert labels(f"{open_text}    - |") == []
    assert labels(flow(f"{{{HEADER}, sharing: {{strategy:\n          |")) == STRATEGIES
    below = f"{open_text}    - opaque:\n        driver: gpu.nvidia.com\n        parameters:\n"
    block = HEADER.replace(", ", "\n          ")
    assert labels(f"{below}          {block}\n          sharing:\n            strategy: |") == (
        STRATEGIES
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"sharing": {"strategy": |}', STRATEGIES),
        ('"sharing": {"strategy":"|"}', STRATEGIES),
        ('"sharing": {"strategy": "MP|', STRATEGIES),
        ('"sharing": {"|', SHARING),
        ('"sharing": {"strategy": |\n\t"mpsConfig": {}}', STRATEGIES),
        ('"sharing": {"strategy": "MPS"}\n\t"f|"', ["fabricTopologyConfig"]),
        ('"|"', ["sharing", "fabricTopologyConfig"]),
        ("|", ["sharing", "fabricTopologyConfig"]),
        ('"sharing": {"mpsConfig": {"multiUser": |}}', ["true", "false"]),
    ],
)
def test_json_is_served_while_it_is_half_written(text: str, expected: list[str]) -> None:
    assert labels(as_json(text), is_json=True) == expected


def test_each_line_of_json_lines_is_a_document_of_its_own() -> None:
    whole = f'{{{JSON_HEADER}, "sharing": {{"strategy": "|"}}}}\n'
    other = '{"apiVersion": "resource.nvidia.com/v1beta1", "kind": "VfioDeviceConfig"}\n'
    assert labels(other + whole + other, is_json=True) == STRATEGIES


@pytest.mark.parametrize(
    ("text", "label", "line"),
    [
        ("sharing: {strategy:|}", "MPS", "sharing: {strategy: MPS}"),
        ("sharing: {strategy: |}", "MPS", "sharing: {strategy: MPS}"),
        ('sharing: {strategy: "M|"}', "MPS", 'sharing: {strategy: "MPS"}'),
        ("sharing: {strategy: '|'}", "MPS", "sharing: {strategy: 'MPS'}"),
        ("sharing: {st|}", "strategy", "sharing: {strategy: }"),
        ("sharing: {st|: MPS}", "strategy", "sharing: {strategy: MPS}"),
        ("sha|", "sharing", "sharing: "),
    ],
)
def test_a_chosen_word_takes_the_place_of_what_stands_there(
    text: str, label: str, line: str
) -> None:
    end = "}\n" if text != "sha|" else "\n"
    assert written(flow(f"{{{HEADER}, {text}{end}"), label).strip() == (
        f"parameters: {{{HEADER}, {line}{end}".strip()
    )


@pytest.mark.parametrize(
    ("text", "label", "line"),
    [
        ('"sharing": {"strategy": |}', "MPS", '"sharing": {"strategy": "MPS"}'),
        ('"sharing": {"strategy": "M|"}', "MPS", '"sharing": {"strategy": "MPS"}'),
        ('"sharing": {"mpsConfig": {"multiUser": t|}}', "true", None),
        ('"sh|"', "sharing", '"sharing": '),
        ("sh|", "sharing", '"sharing": '),
        ('"sharing": {"st|": "MPS"}', "strategy", '"sharing": {"strategy": "MPS"}'),
    ],
)
def test_a_chosen_word_stands_in_quotes_in_json(text: str, label: str, line: str | None) -> None:
    wanted = line or '"sharing": {"mpsConfig": {"multiUser": true}}'
    assert written(as_json(text), label, is_json=True).strip() == wanted.strip()


def test_a_chosen_word_of_block_style_keeps_the_colon_that_is_there() -> None:
    assert written(CLAIM.replace("strategy: Mps", "strategy:|"), "MPS").strip() == "strategy: MPS"
    assert written(CLAIM.replace("strategy: Mps", "st|: Mps"), "strategy").strip() == (
        "strategy: Mps"
    )
    assert written(CLAIM.replace("strategy: Mps", "st|"), "strategy").strip() == "strategy:"
    opened = CLAIM.replace("          sharing:\n", "          sh|\n").partition("    strategy")[0]
    assert written(opened, "sharing").strip() == "sharing:"


@pytest.mark.parametrize(
    ("text", "driver", "expected"),
    [
        ("{kind: |}", "compute-domain.nvidia.com", "ComputeDomainChannelConfig"),
        ("{kind: |}", "gpu.nvidia.com", "GpuConfig"),
        (
            "{apiVersion: resource.nvidia.com/v1beta1, kind: |}",
            "gpu.nvidia.com",
            "MigDeviceConfig",
        ),
        (
            "{kind: MigDeviceConfig, apiVersion: |}",
            "gpu.nvidia.com",
            "resource.nvidia.com/v1beta1",
        ),
    ],
)
def test_the_header_is_offered_by_the_driver_beside_it(
    text: str, driver: str, expected: str
) -> None:
    found = labels(flow(text, driver))
    assert expected in found
    assert ("ComputeDomainChannelConfig" in found) is (expected == "ComputeDomainChannelConfig")
    assert "ComputeDomain" not in found


def test_hover_tells_the_field_in_flow_style_and_in_json() -> None:
    text = f"{{{HEADER}, sharing: {{mpsConfig: {{defaultPinned|DeviceMemoryLimit: 8Gi}}}}}}"
    json_text = '"sharing": {"mpsConfig": {"defaultPinnedDeviceMemory|Limit": "8Gi"}}'
    for found in (told(flow(text)), told(as_json(json_text), is_json=True)):
        assert found is not None
        assert "Unit: bytes" in found
    assert told(flow("{" + HEADER + ", |}")) is None
    assert told(flow(f"{{{HEADER}}}", "gpu.nv|idia.com")) is None


def test_a_line_without_its_value_and_comma_does_not_hide_the_next() -> None:
    for text in ("strategy:\n            mps|Config: {}", "strategy\n            mps|Config: {}"):
        found = told(flow(f"{{{HEADER}, sharing: {{{text}}}}}"))
        assert found is not None
        assert found.startswith("**mpsConfig**")


def test_a_text_and_a_comment_are_no_config() -> None:
    inner = "\n".join(f"    {line}" for line in CLAIM.splitlines())
    lines = f"kind: ConfigMap\ndata:\n  a.yaml: |\n{inner}\n".split("\n")
    assert hover(lines, line_of("\n".join(lines), "strategy"), 20) is None
    assert labels(CLAIM.replace("sharing:\n", "sharing: >-\n            st|\n")) == []
    commented = CLAIM.replace("strategy: Mps", "strategy: Mps # see |")
    assert labels(commented) == []


@pytest.mark.parametrize("is_json", [False, True])
def test_no_place_of_a_cut_off_file_is_a_surprise(*, is_json: bool) -> None:
    whole = as_json('"sharing": {"strategy": "MPS"}') if is_json else CLAIM
    found = 0
    for cut in range(0, len(whole), 7):
        lines = whole[:cut].splitlines()
        for line in range(0, len(lines) + 3, 2):
            found += len(words(lines, line, 12, is_json=is_json))
            hover(lines, line, 4, is_json=is_json)
    assert found


SIGNS = ("{", "}", "[", "]", ",", ":", " ", "\n", "  ", "- ", '"', "'", "#", "|", "&a ", "---\n")
WORDS = ("opaque", "parameters", "driver", "kind", "GpuConfig", "strategy", "\U0001f600", "\t")
PIECES = st.sampled_from([*SIGNS, *WORDS])


@given(st.lists(PIECES, max_size=60).map("".join), st.integers(0, 12), st.integers(0, 30))
def test_no_text_is_a_surprise(text: str, line: int, column: int) -> None:
    lines = text.split("\n")
    for is_json in (False, True):
        assert isinstance(words(lines, line, column, is_json=is_json), list)
        hover(lines, line, column, is_json=is_json)


SHAPES = st.sampled_from(["flow", "json", "pretty", "block"])


@given(SHAPES, st.integers(0, 40))
def test_the_same_words_are_offered_whatever_the_style(shape: str, cut: int) -> None:
    """What stands behind the cursor may be missing from any place on."""
    behind = ', "mpsConfig": {"multiUser": true}}}'
    start = f'{{{JSON_HEADER}, "sharing": {{"strategy": |'
    if shape == "block":
        text = CLAIM.replace("Mps", "|").replace("\n", "\r\n")[: CLAIM.index("Mps") + cut + 20]
        assert labels(text.replace("\r\n", "\n")) == STRATEGIES
    elif shape == "pretty":
        tree = json.loads(start.replace("|", '"|"') + behind)
        pretty = json.dumps(tree, indent=2)
        assert labels(pretty[: pretty.index("|") + 1 + cut], is_json=True) == STRATEGIES
    else:
        text = start + behind[:cut]
        found = labels(flow(text)) if shape == "flow" else labels(text, is_json=True)
        assert found == STRATEGIES
