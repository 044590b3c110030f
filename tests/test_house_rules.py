"""Rules of the house that no linter knows."""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("dra_config", "flags", "kube", "logs", "webhook", "plugin")
COMMANDS = ("tools", "benchmarks")

LONGEST_MODULE_LINES = 300
LARGEST_TEXT_BYTES = 4 * 1024 * 1024

FORBIDDEN_WORDS = frozenset(
    {"manager", "helper", "util", "common", "misc", "base", "handler", "processor", "data"}
)
"""Words that say nothing about what a thing is; in the name of no module and no class."""

NOT_OURS = frozenset({"build", "dist", "node_modules", "htmlcov", "__pycache__"})
"""Folders that tools make; like all folders whose name starts with a dot, but for `.ci`."""


def python_files(*folders: str) -> list[Path]:
    """Return the Python files under *folders* of the repository, in order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def repository_files() -> Iterator[Path]:
    """Yield every file of the working tree that could be committed."""
    for folder, below, names in os.walk(ROOT):
        below[:] = [
            name
            for name in below
            if name not in NOT_OURS
            and (name == ".ci" or not name.startswith("."))
            and not name.endswith(".egg-info")
        ]
        yield from (Path(folder, name) for name in names)


def relative(path: Path) -> str:
    """Return *path* as it is written in messages and test names."""
    return path.relative_to(ROOT).as_posix()


def words(name: str) -> set[str]:
    """Return the words of a snake_case or CamelCase *name*, in lower case and the singular."""
    found = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+", name)
    return {word.lower() for word in found} | {word.lower().removesuffix("s") for word in found}


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Yield the dotted name of everything that *tree* imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imports(path: Path, module: str) -> bool:
    """Say whether the file imports *module* or something inside it."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(f"{name}.".startswith(f"{module}.") for name in imported_names(tree))


def modules_after(program: str, *arguments: str) -> set[str]:
    """Run *program* in a fresh interpreter and return the names of the modules it has loaded."""
    report = "\nprint('\\n'.join(['', '=modules=', *__import__('sys').modules]))"
    run = subprocess.run(
        [sys.executable, "-c", program + report, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return set(run.stdout.partition("=modules=\n")[2].split())


@pytest.mark.parametrize("path", python_files(*PACKAGES, *COMMANDS), ids=relative)
def test_a_module_holds_one_idea_that_fits_on_a_few_screens(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE_LINES


@pytest.mark.parametrize("path", python_files(*PACKAGES, *COMMANDS, "tests"), ids=relative)
def test_the_first_line_of_a_module_says_what_it_is_for(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text is not None, "no docstring"
    assert text.splitlines()[0].endswith((".", ":")), "the first line is no sentence"


@pytest.mark.parametrize("path", python_files(*PACKAGES), ids=relative)
def test_only_settings_read_the_environment(path: Path) -> None:
    if path.name == "settings.py":
        pytest.skip("this is where the environment is read")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    reads = {"environ", "environb", "getenv", "getenvb"}
    found = [
        f"line {node.lineno}"
        for node in ast.walk(tree)
        if (isinstance(node, ast.Attribute) and node.attr in reads)
        or (isinstance(node, ast.ImportFrom) and reads & {alias.name for alias in node.names})
    ]
    assert not found


@pytest.mark.parametrize("path", python_files(*PACKAGES, *COMMANDS), ids=relative)
def test_names_say_what_a_thing_is(path: Path) -> None:
    assert not words(path.stem) & FORBIDDEN_WORDS, "the name of the module"
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            assert not words(node.name) & (FORBIDDEN_WORDS | {"state"}), node.name
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert not node.name.startswith("do_"), node.name


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("yaml", "dra_config/manifests"),
        ("pynvml", "plugin/hardware/nvml.py"),
        ("plugin.hardware.fake", "plugin/app.py"),
    ],
)
def test_one_place_alone_knows(module: str, allowed: str) -> None:
    found = {relative(path) for path in python_files(*PACKAGES) if imports(path, module)}
    assert {name for name in found if not name.startswith(allowed)} == set()


@pytest.mark.parametrize("name", ["yaml", "fastapi", "starlette", "grpc", "kubernetes"])
def test_importing_the_library_does_not_import(name: str) -> None:
    program = "import dra_config\nfor name in dra_config.__all__: getattr(dra_config, name)"
    assert name not in modules_after(program)


@pytest.mark.parametrize("name", ["pydantic", "pydantic_core", "yaml"])
def test_asking_for_the_version_does_not_import(name: str) -> None:
    program = (
        "from dra_config.cli import main\n"
        "try:\n    code = main()\n"
        "except SystemExit as exit:\n    code = exit.code\n"
        "assert not code, code"
    )
    assert name not in modules_after(program, "--version")


def test_no_file_names_an_index_or_a_folder_of_somebodys_machine() -> None:
    """The names are put together here, since this file is searched too."""
    hosts = (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("index", "crates", "io"),
        ("proxy", "golang", "org"),
        ("deb", "debian", "org"),
        ("repo1", "maven", "org"),
    )
    folders = (("", "work", "main"), ("", "work", "shared"))
    forbidden = [".".join(host).encode() for host in hosts]
    forbidden += ["/".join(folder).encode() for folder in folders]
    found = [
        f"{relative(path)}: {text.decode()}"
        for path in repository_files()
        if not path.is_symlink() and path.stat().st_size <= LARGEST_TEXT_BYTES
        for text in forbidden
        if text in path.read_bytes()
    ]
    assert not found


def test_files_that_name_an_index_are_ignored_by_git() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"uv.lock", "pylock.toml"} <= set(ignored)


IGNORE_COMMENTS = {
    "noqa": re.compile(r"#\s*(?:ruff:\s*)?noqa\b(?!:\s*[A-Z]+\d+)", re.IGNORECASE),
    "mypy": re.compile(r"#\s*type:\s*ignore(?!\[[a-z-]+)"),
    "pyright": re.compile(r"#\s*pyright:\s*ignore(?!\[report)"),
}
"""For each tool, what an ignore comment looks like that does not say which rule it ignores."""


def comments(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line number and text of each comment; strings are none."""
    source = path.read_text(encoding="utf-8")
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


@pytest.mark.parametrize("path", python_files(*PACKAGES, *COMMANDS, "tests"), ids=relative)
def test_a_comment_that_silences_a_tool_says_which_rule(path: Path) -> None:
    found = [
        f"line {line}: {text}"
        for line, text in comments(path)
        if any(pattern.search(text) for pattern in IGNORE_COMMENTS.values())
    ]
    assert not found


@pytest.mark.parametrize(
    ("text", "silent"),
    [
        ("# noqa", True),
        ("# noqa: E501", False),
        ("# ruff: noqa", True),
        ("# ruff: noqa: E501", False),
        ("# type: ignore", True),
        ("# type: ignore[arg-type]", False),
        ("# pyright: ignore", True),
        ("# pyright: ignore[reportPrivateUsage]", False),
        ("# a sentence", False),
    ],
)
def test_a_bare_ignore_is_told_from_one_with_a_rule(text: str, *, silent: bool) -> None:
    assert any(pattern.search(text) for pattern in IGNORE_COMMENTS.values()) is silent


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("ClaimManager", {"manager"}),
        ("string_utils", {"util"}),
        ("DriverState", {"state"}),
        ("ObjectMetadata", set()),
        ("database_free", set()),
        ("TLSHandler", {"handler"}),
    ],
)
def test_an_empty_word_is_found_inside_a_name(name: str, found: set[str]) -> None:
    assert words(name) & (FORBIDDEN_WORDS | {"state"}) == found


def test_a_guide_for_newcomers_fits_on_a_screen_or_two() -> None:
    assert len((ROOT / "AGENTS.md").read_text(encoding="utf-8").splitlines()) <= 80


def test_every_ignored_lint_rule_has_its_reason_beside_it() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lint = tomllib.loads(text)["tool"]["ruff"]["lint"]
    ignored = {
        *lint["ignore"],
        *(rule for rules in lint["per-file-ignores"].values() for rule in rules),
    }
    for rule in ignored:
        lines = [line for line in text.splitlines() if f'"{rule}"' in line]
        assert lines
        assert all("#" in line for line in lines), rule
