"""Where people read about a rule: at an address of the project, or in a file of ours."""

import sys
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest

from dra_config.catalogue import RULES
from dra_config.cli.reference import rules
from dra_config.cli.rule_pages import is_template, page_address
from dra_config.cli.serving.rule_files import RuleFiles, file_uri, page_path
from dra_config.cli.settings import read_settings
from dra_config.version import __version__

RULE = RULES["DRA101"]
ANCHOR = "dra101-sharing-strategy-unknown"


@pytest.mark.parametrize(
    ("template", "address"),
    [
        ("https://docs.example.com/rules", "https://docs.example.com/rules/DRA101"),
        ("https://docs.example.com/rules/", "https://docs.example.com/rules/DRA101"),
        ("http://localhost:8000", "http://localhost:8000/DRA101"),
        ("http://[::1]:8000/r", "http://[::1]:8000/r/DRA101"),
        ("https://x/{rule}.html?v=1", "https://x/DRA101.html?v=1"),
        ("https://x/a%20b/rules.md#{anchor}", f"https://x/a%20b/rules.md#{ANCHOR}"),
        ("https://x/{rule}#{anchor}", f"https://x/DRA101#{ANCHOR}"),
    ],
)
def test_an_address_is_a_prefix_or_holds_the_rule(template: str, address: str) -> None:
    assert is_template(template)
    assert page_address(template, RULE) == address


@pytest.mark.parametrize(
    "text",
    [
        "",
        "docs",
        "//x/y",
        "ftp://x/y",
        "file:///x",
        "https://",
        "https:///x",
        "https://x/%",
        "https://x/{name}",
        "https://x/{RULE}",
        "https://x/{rule",
        "https://{rule}.x/",
        "https://user:word@x/",
        "https://x/\u00fc",
        "https://x/<script>",
        "https://x/a b",
        "https://x/\n",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    assert not is_template(text)


def test_the_anchors_are_those_of_our_own_page() -> None:
    page = rules.render()
    for rule in RULES.values():
        anchor = page_address("https://x/#{anchor}", rule).partition("#")[2]
        assert f"(#{anchor})" in page


def test_the_page_of_a_rule_is_its_part_of_the_whole_one() -> None:
    whole = rules.render()
    for rule in RULES.values():
        page = rules.page(rule)
        assert page.startswith(f"# {rule.id} {rule.name}\n")
        assert f"\n#{page}" in whole


def test_a_page_is_written_once_and_whole(tmp_path: Path) -> None:
    files = RuleFiles(tmp_path / "a b")
    uri = files.uri(RULE)
    (path,) = [each for each in tmp_path.rglob("*") if each.is_file()]
    assert path == Path(page_path(tmp_path / "a b", RULE))
    assert path.parts[-3:] == (__version__, "rules", "DRA101.md")
    assert path.read_text(encoding="utf-8") == rules.page(RULE)
    assert uri == path.as_uri()
    assert uri is not None
    assert "/a%20b/" in uri
    written = path.stat().st_ino
    assert RuleFiles(tmp_path / "a b").uri(RULE) == uri
    assert path.stat().st_ino == written


def test_a_page_that_was_cut_off_or_removed_is_written_again(tmp_path: Path) -> None:
    files = RuleFiles(tmp_path)
    files.uri(RULE)
    path = Path(page_path(tmp_path, RULE))
    path.write_text("half", encoding="utf-8")
    RuleFiles(tmp_path).uri(RULE)
    assert path.read_text(encoding="utf-8") == rules.page(RULE)
    path.unlink()
    files.uri(RULE)
    assert path.exists()


def test_where_nothing_can_be_written_there_is_no_link(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    assert RuleFiles(tmp_path / "file").uri(RULE) is None
    assert RuleFiles(None).uri(RULE) is None


@pytest.mark.skipif(sys.platform == "win32", reason="modes of folders are those of POSIX")
def test_folders_that_are_missing_are_made_for_the_owner_alone(tmp_path: Path) -> None:
    RuleFiles(tmp_path / "caches").uri(RULE)
    assert (tmp_path / "caches").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("caches", "start"),
    [
        (PureWindowsPath(r"C:\Users\A B\AppData\Local"), "file:///C:/Users/A%20B/AppData/Local/"),
        (PureWindowsPath(r"\\server\share\caches"), "file://server/share/caches/"),
        (PurePosixPath("/home/a b/.cache"), "file:///home/a%20b/.cache/"),
        (PurePosixPath("/home/\u00fc#%/.cache"), "file:///home/%C3%BC%23%25/.cache/"),
    ],
)
def test_a_link_to_a_file_is_a_uri_on_every_system(
    caches: PurePosixPath | PureWindowsPath, start: str
) -> None:
    uri = file_uri(page_path(caches, RULE))
    assert uri == f"{start}dra-config/{__version__}/rules/DRA101.md"


@pytest.mark.parametrize(
    ("platform", "environment", "caches"),
    [
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "/c"}, "/c"),
        ("linux", {"HOME": "/home/me", "XDG_CACHE_HOME": "c"}, "/home/me/.cache"),
        ("linux", {"HOME": "/"}, "/.cache"),
        ("linux", {}, None),
        ("darwin", {"HOME": "/Users/me"}, "/Users/me/Library/Caches"),
        ("darwin", {"HOME": "/Users/me", "XDG_CACHE_HOME": "/c"}, "/c"),
        ("win32", {"LOCALAPPDATA": r"C:\Users\me\AppData\Local"}, r"C:\Users\me\AppData\Local"),
        ("win32", {"HOME": "/home/me"}, None),
    ],
)
def test_caches_lie_where_the_system_has_them(
    platform: str, environment: dict[str, str], caches: str | None
) -> None:
    assert read_settings(environment, platform).caches == caches
