"""What a project says in pyproject.toml or .dra-config.toml."""

import io
import json
import re
import sys
from pathlib import Path

import pytest

from dra_config.cli import main
from dra_config.cli.effective import _DEFAULTS
from dra_config.cli.settings_file import _FORMS, KEYS, OF_THE_RUN

PAGE = Path(__file__).resolve().parents[2] / "docs/reference/settings.md"
GOOD = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
BAD = f"{GOOD}sharing: {{strategy: mps}}\n"
MPS = f"{GOOD}sharing: {{strategy: MPS}}\n"
WARNED = f"{GOOD}sharing: {{strategy: MPS, mpsConfig: {{defaultActiveThreadPercentage: 0}}}}\n"
CLAIM = """\
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {name: training}
spec:
  devices:
    requests: [{name: gpu, exactly: {deviceClassName: gpu.nvidia.com}}]
    config:
    - opaque:
        driver: gpu.nvidia.com
        parameters: {apiVersion: resource.nvidia.com/v1beta1, kind: GpuConfig, x: 1}
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, with an environment that says nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FABRIC_TOPOLOGY_SUPPORT", raising=False)
    return tmp_path


def write(name: str, text: str) -> None:
    """Write a file, and the folders that it is in."""
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def rules(capsys: pytest.CaptureFixture[str], *words: str) -> set[str]:
    """Return the rules that files break."""
    main(["validate", "--output", "json", *words])
    return {finding["rule"] for finding in json.loads(capsys.readouterr().out)["findings"]}


@pytest.mark.parametrize(
    ("name", "head"), [(".dra-config.toml", ""), ("pyproject.toml", "[tool.dra-config]\n")]
)
def test_settings_are_found_above_the_file(
    name: str, head: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(name, f"{head}ignore = ['DRA101']\n")
    write("a/b/c.yaml", BAD)
    assert rules(capsys, "a/b/c.yaml") == set()
    assert rules(capsys, str(Path("a").resolve())) == set()
    Path(name).unlink()
    assert rules(capsys, "a/b/c.yaml") == {"DRA101"}


def test_the_nearest_settings_count_alone(capsys: pytest.CaptureFixture[str]) -> None:
    write(".dra-config.toml", "ignore = ['DRA101']\n")
    write("a/.dra-config.toml", "feature-gates = ''\n")
    write("b/pyproject.toml", "[tool.other]\nx = 1\n")
    write("c/pyproject.toml", "[tool.dra-config]\n")
    write("c/.dra-config.toml", "ignore = ['DRA101']\n")
    for place in "abc":
        write(f"{place}/x.yaml", BAD)
    assert rules(capsys, "a") == {"DRA101"}
    assert rules(capsys, "b") == set()
    assert rules(capsys, "c") == set()


def test_gates_decide_what_they_decide_on_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.yaml", MPS)
    assert rules(capsys, "a.yaml") == set()
    write(".dra-config.toml", "feature-gates = ''\n")
    assert rules(capsys, "a.yaml") == {"DRA102"}
    assert rules(capsys, "--feature-gates", "MPSSupport=true", "a.yaml") == set()


def test_the_command_line_beats_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.yaml", BAD)
    write(".dra-config.toml", "ignore = ['DRA101']\noutput = 'github'\ntarget = 'dra-config'\n")
    assert rules(capsys, "--ignore", "DRA110", "a.yaml") == {"DRA101"}
    assert main(["validate", "--ignore", "DRA110", "a.yaml"]) == 1
    assert capsys.readouterr().out.startswith("::error file=a.yaml")


def test_strict_in_the_file_makes_warnings_fail() -> None:
    write("a.yaml", WARNED)
    assert main(["validate", "a.yaml"]) == 0
    write(".dra-config.toml", "strict = true\n")
    assert main(["validate", "a.yaml"]) == 1


def test_drivers_that_are_not_named_are_passed_over(capsys: pytest.CaptureFixture[str]) -> None:
    write("a.yaml", CLAIM)
    assert rules(capsys, "a.yaml") == {"DRA010"}
    write(".dra-config.toml", "drivers = ['compute-domain.nvidia.com']\n")
    assert rules(capsys, "--verbose", "a.yaml") == {"DRA944"}


def test_a_config_on_its_own_names_no_driver_and_is_judged_whatever_the_drivers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    write("a.yaml", BAD)
    write(".dra-config.toml", "drivers = ['compute-domain.nvidia.com']\n")
    assert rules(capsys, "a.yaml") == {"DRA101"}
    assert rules(capsys, "--parameters", "--driver", "gpu.nvidia.com", "a.yaml") == {"DRA101"}


def test_the_pages_of_rules_hold_for_the_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write("x/a.yaml", GOOD)
    write("x/.dra-config.toml", "rule-pages = 'https://x'\n")
    assert main(["validate", "--show-settings", "x"]) == 0
    assert "rule-pages" not in capsys.readouterr().out
    write(".dra-config.toml", "rule-pages = 'https://y/{rule}'\n")
    assert main(["validate", "--show-settings", "x"]) == 0
    shown = f'rule-pages = "https://y/{{rule}}"  # {folder / ".dra-config.toml"}'
    assert shown in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize(
    "pattern", ["charts", "charts/", "./charts/*", "charts/**", "charts/**/*.yaml", "**/a.yaml"]
)
def test_an_override_holds_for_the_paths_it_names(
    pattern: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("a/a.txt", BAD)
    write("charts/a.yaml", BAD)
    write("charts/deep/a.yaml", BAD)
    write(
        ".dra-config.toml",
        f"select = ['DRA101']\n[[overrides]]\npaths = ['{pattern}']\nignore = ['DRA101']\n",
    )
    assert rules(capsys, "charts") == set()
    assert rules(capsys, "a/a.txt") == {"DRA101"}


def test_a_later_override_beats_an_earlier_one(capsys: pytest.CaptureFixture[str]) -> None:
    write("charts/a.yaml", BAD)
    write(
        "pyproject.toml",
        "[[tool.dra-config.overrides]]\npaths = ['charts']\nignore = ['DRA101']\n"
        "[[tool.dra-config.overrides]]\npaths = ['*.yaml']\nignore = []\n",
    )
    assert rules(capsys, "charts") == {"DRA101"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ignroe = []", "there is no key 'ignroe'; did you mean ignore?"),
        ("feature_gates = ''", "there is no key 'feature_gates'; did you mean feature-gates?"),
        ("ignore = 'DRA101'", "ignore is a list of texts"),
        ("ignore = [1]", "ignore is a list of texts"),
        ("strict = 'yes'", "strict is true or false"),
        ("ignore = ['dra101']", "there is no rule 'dra101'; did you mean DRA101?"),
        ("output = 'jsn'", "'jsn' is not an output"),
        ("target = 'x'", "'x' is not a target"),
        ("drivers = ['gpu.nvidia.con']", "did you mean gpu.nvidia.com?"),
        ("feature-gates = 'MPSSuport=true'", "MPSSupport"),
        ("rule-pages = 'docs/rules.md'", "rule-pages is an http or https address"),
        ("rule-pages = 'https://x/{id}'", "in which {rule} or {anchor} may stand"),
        ("rule-pages = 1", "rule-pages is an http or https address"),
        ("[[overrides]]\npaths = ['a']\nrule-pages = 'https://x'", "cannot be overridden"),
        ("[[overrides]]\nignore = []", "override 1 needs paths"),
        ("[[overrides]]\npaths = ['a']\noutput = 'json'", "cannot be overridden"),
        ("[[overrides]]\npaths = ['a']\nx = 1", "there is no key 'x'"),
        ("[overrides]", "overrides is no list of tables"),
        ("ignore = [", "is not TOML"),
    ],
)
def test_what_means_nothing_is_wrong_usage_that_names_the_file(
    text: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write(".dra-config.toml", text)
    write("a.yaml", GOOD)
    assert main(["validate", "a.yaml"]) == 2
    out, err = capsys.readouterr()
    assert sentence in err
    assert ".dra-config.toml" in err
    assert out == ""


def test_standard_input_goes_by_the_working_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write(".dra-config.toml", "ignore = ['DRA101']\n")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(BAD.encode())))
    assert rules(capsys, "-") == set()


def test_effective_settings_are_shown_with_their_origin(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(
        "x/.dra-config.toml",
        "feature-gates = 'MPSSupport=true'\nstrict = true\n"
        "[[overrides]]\npaths = ['a.yaml']\nignore = ['DRA101']\n",
    )
    write(".dra-config.toml", "output = 'github'\n")
    write("x/a.yaml", BAD)
    assert main(["validate", "--show-settings", "--select", "DRA101", "x/a.yaml"]) == 0
    origin = folder / "x" / ".dra-config.toml"
    assert capsys.readouterr().out.splitlines() == [
        "# x/a.yaml",
        'drivers = ["gpu.nvidia.com", "compute-domain.nvidia.com"]  # default',
        f'feature-gates = "MPSSupport=true"  # {origin}',
        f'ignore = ["DRA101"]  # {origin} (override 1)',
        f'output = "github"  # {folder / ".dra-config.toml"}',
        'select = ["DRA101"]  # command line',
        "strict = false  # default",
        'target = "dra-config"  # default',
    ]
    assert main(["validate", "--show-settings"]) == 0
    assert "# -\n" in capsys.readouterr().out
    assert main(["validate", "--show-settings", "missing"]) == 2


def test_the_page_lists_every_key_as_it_is_read() -> None:
    table = re.findall(
        r"^\| `([a-z-]+)` \|(.*)\|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    rows = {key: [cell.strip() for cell in rest.split("|")] for key, rest in table}
    assert [key for key, _ in table] == [*KEYS, "overrides"]
    del rows["overrides"]
    for key, (form, default, in_override, meaning) in rows.items():
        assert form == _FORMS[key][0]
        assert in_override == ("no" if key in OF_THE_RUN else "yes")
        assert meaning
        known = _DEFAULTS.get(key)
        if known is None:
            assert "`" not in default
        else:
            assert json.loads(default.strip("`")) == json.loads(json.dumps(known))


def test_the_examples_of_the_page_are_settings(capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text(encoding="utf-8")
    examples = re.findall(r"^```toml\n# (\S+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    assert [name for name, _ in examples] == [".dra-config.toml", "pyproject.toml"]
    for name, text in examples:
        write(name, text)
        write("charts/a.yaml", MPS)
        assert main(["validate", "charts"]) == 0
        assert main(["validate", "--show-settings", "charts"]) == 0
        assert f"{name} (override 1)" in capsys.readouterr().out
        Path(name).unlink()
