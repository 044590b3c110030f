"""``make demo`` shows what it promises, and leaves nothing behind."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.demo.reviews import Answer

ROOT = Path(__file__).resolve().parents[1]
PATIENCE_SECONDS = 60.0
NEEDED = ("dra_config", "kube", "logs", "webhook", "tools", "examples")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of what the demo needs, in a folder with a space in its name."""
    folder = tmp_path_factory.mktemp("check out") / "in a folder"
    for name in NEEDED:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Return the folder in which the demo makes its temporary files."""
    folder = tmp_path / "temporary files"
    folder.mkdir()
    return folder


def start(checkout: Path, scratch: Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-u", "-m", "tools.demo"],
        cwd=checkout,
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": "", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ends(process: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = process.communicate(timeout=PATIENCE_SECONDS)
    return process.returncode, output


def processes_with(text: str) -> list[str]:
    """Return the command line of every running process that contains *text*."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if text in line:
            found.append(line)
    return found


def assert_nothing_left(scratch: Path) -> None:
    assert list(scratch.iterdir()) == []
    assert processes_with(str(scratch)) == []


def test_it_shows_answers_from_a_folder_with_a_space_and_other_settings_do_not_matter(
    checkout: Path, scratch: Path
) -> None:
    process = start(
        checkout, scratch, FEATURE_GATES="NoSuchGate=true", DRA_CONFIG_WEBHOOK_PORT="none"
    )
    status, output = ends(process)
    assert status == 0, output
    assert "ResourceClaimTemplate time-sliced-gpu: allowed" in output
    assert 'The ResourceClaim "gigabytes" is invalid: spec.devices.config[0].opaque' in output
    assert "Warning: DRA015" in output
    assert "mistakes/gigabytes.yaml:23:49: error[DRA110]" in output
    assert_nothing_left(scratch)


def test_it_fails_when_an_answer_is_not_what_an_example_expects(
    checkout: Path, scratch: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "changed"
    shutil.copytree(checkout, copy)
    mistake = copy / "examples/mistakes/gigabytes.yaml"
    mistake.write_text(mistake.read_text().replace("10GB", "10Gi"))
    status, output = ends(start(copy, scratch))
    assert status == 1
    assert output.count("UNEXPECTED: ") == 2
    assert_nothing_left(scratch)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_cleans_up_when_it_is_stopped_half_way(
    checkout: Path, scratch: Path, number: signal.Signals
) -> None:
    process = start(checkout, scratch)
    assert process.stdout is not None
    line = next(line for line in process.stdout if ": allowed" in line)
    assert processes_with(str(scratch)), line
    process.send_signal(number)
    assert ends(process)[0] == 128 + number
    assert_nothing_left(scratch)


def test_it_says_why_when_the_webhook_does_not_start(
    checkout: Path, scratch: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "broken"
    shutil.copytree(checkout, copy)
    (copy / "webhook/__main__.py").write_text("raise SystemExit('no luck today')\n")
    status, output = ends(start(copy, scratch))
    assert status == 1
    assert "the webhook does not start" in output
    assert "no luck today" in output
    assert_nothing_left(scratch)


def test_several_causes_are_listed_as_kubectl_lists_them() -> None:
    causes = [{"field": "spec.a", "message": "one"}, {"field": "spec.b", "message": "two"}]
    details = {"kind": "ResourceClaim", "name": "x", "causes": causes}
    status = {"reason": "Invalid", "message": "not shown", "details": details}
    answer = Answer({"allowed": False, "status": status})
    assert list(answer.as_kubectl_prints_it()) == [
        'The ResourceClaim "x" is invalid:',
        "* spec.a: one",
        "* spec.b: two",
    ]


def test_a_denial_without_causes_shows_its_message() -> None:
    status = {"reason": "BadRequest", "message": "no object"}
    answer = Answer(json.loads(json.dumps({"allowed": False, "status": status})))
    assert list(answer.as_kubectl_prints_it()) == ["Error from server (BadRequest): no object"]
