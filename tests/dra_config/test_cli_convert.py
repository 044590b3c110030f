"""The command convert from end to end: what it writes, what it refuses, what it leaves alone."""

import io
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from dra_config.cli import files, main

OLD_CLAIM = """\
# who owns this: the platform team
apiVersion: resource.k8s.io/v1beta1   # old
kind: ResourceClaim
metadata: {name: "train"}
spec:
    devices:
        requests:
        - name: gpus         # asked for by the trainer
          deviceClassName: gpu.nvidia.com
          # two are enough
          count: 2
          selectors:
          - cel:
              expression: |
                device.driver == "gpu.nvidia.com"

                && true
        - {name: flow, deviceClassName: gpu.nvidia.com}
        config:
        - requests: ['gpus']
          opaque:
            driver: gpu.nvidia.com
            parameters:
              apiVersion: 'gpu.resource.nvidia.com/v1alpha1'
              kind: "GpuConfiguration"   # the old name
              sharing:
              - strategy: MPS   # only one
                mpsConfig: {defaultActiveThreadPercentage: 50}
"""
NEW_CLAIM = """\
# who owns this: the platform team
apiVersion: resource.k8s.io/v1   # old
kind: ResourceClaim
metadata: {name: "train"}
spec:
    devices:
        requests:
        - name: gpus         # asked for by the trainer
          exactly:
              deviceClassName: gpu.nvidia.com
              # two are enough
              count: 2
              selectors:
              - cel:
                  expression: |
                    device.driver == "gpu.nvidia.com"

                    && true
        - {name: flow, exactly: {deviceClassName: gpu.nvidia.com}}
        config:
        - requests: ['gpus']
          opaque:
            driver: gpu.nvidia.com
            parameters:
              apiVersion: 'resource.nvidia.com/v1beta1'
              kind: "GpuConfig"   # the old name
              sharing:
                strategy: MPS   # only one
                mpsConfig: {defaultActiveThreadPercentage: 50}
"""
CURRENT = "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
CLASSIC = (
    "apiVersion: resource.k8s.io/v1alpha2\nkind: ResourceClaim\nmetadata: {name: old}\n"
    "spec: {resourceClassName: gpu.nvidia.com}\n"
)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Return a function that writes a file into an empty working folder."""
    monkeypatch.chdir(tmp_path)

    def write_file(name: str, text: str) -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write_file


def pipe(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def converted(write: Callable[..., Path], text: str, name: str = "claim.yaml") -> str:
    """Return what the command makes of *text*, which it converts without a refusal."""
    path = write(name, text)
    assert main(["convert", "--write", name]) == 0
    return path.read_bytes().decode()


def test_everything_but_the_old_parts_stays_as_it_was(write: Callable[..., Path]) -> None:
    assert converted(write, OLD_CLAIM) == NEW_CLAIM


def test_line_breaks_of_windows_a_byte_order_mark_and_a_missing_last_one_stay(
    write: Callable[..., Path],
) -> None:
    old = "\ufeff" + OLD_CLAIM.replace("\n", "\r\n").removesuffix("\r\n")
    new = "\ufeff" + NEW_CLAIM.replace("\n", "\r\n").removesuffix("\r\n")
    assert converted(write, old) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            '{\n  "name": "a",\n  "deviceClassName": "b",\n  "count": 1\n}',
            (
                '{\n  "name": "a",\n  "exactly": {\n    "deviceClassName": "b",\n'
                '    "count": 1\n  }\n}'
            ),
        ),
        ('{"name":"a","deviceClassName":"b"}', '{"name":"a","exactly":{"deviceClassName":"b"}}'),
        (
            '{"deviceClassName": "b", "name": "a", "count": 1}',
            '{"name": "a", "exactly": {"deviceClassName": "b", "count": 1}}',
        ),
        (
            '{\n\t"name": "a",\n\t"deviceClassName": "b"\n}',
            '{\n\t"name": "a",\n\t"exactly": {\n\t\t"deviceClassName": "b"\n\t}\n}',
        ),
        (
            '{"name": "a", "firstAvailable": [{"name": "x", "deviceClassName": "b"}]}',
            '{"name": "a", "firstAvailable": [{"name": "x", "deviceClassName": "b"}]}',
        ),
    ],
)
def test_a_request_in_json_moves_under_exactly_in_its_own_style(
    write: Callable[..., Path], old: str, new: str
) -> None:
    claim = (
        '{"apiVersion": "resource.k8s.io/%s", "kind": "ResourceClaim", "spec": {"devices": '
        '{"requests": [%s]}}}'
    )
    assert converted(write, claim % ("v1beta1", old), "c.json") == claim % ("v1", new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "- deviceClassName: b # first\n  name: a # own\n  # between\n  count: 1 # last\n",
            (
                "- name: a # own\n  # between\n  exactly:\n    deviceClassName: b # first\n"
                "    count: 1 # last\n"
            ),
        ),
        (
            "- deviceClassName: b\n  name: a\n",
            "- exactly:\n    deviceClassName: b\n  name: a\n",
        ),
        (
            "-\n  name: a\n  deviceClassName: b\n",
            "-\n  name: a\n  exactly:\n    deviceClassName: b\n",
        ),
        ("- name: a\n", "- name: a\n"),
    ],
)
def test_the_name_of_a_request_stays_wherever_it_stands(
    write: Callable[..., Path], old: str, new: str
) -> None:
    head = (
        "kind: ResourceClaim\napiVersion: resource.k8s.io/{}\nspec:\n  devices:\n    requests:\n"
    )

    def claim(version: str, requests: str) -> str:
        lines = "".join(f"    {line}\n" for line in requests.splitlines())
        return head.format(version) + lines

    assert converted(write, claim("v1beta1", old)) == claim("v1", new)


def test_v1beta2_and_classes_need_another_version_only(write: Callable[..., Path]) -> None:
    text = (
        "apiVersion: resource.k8s.io/{0}\nkind: ResourceClaim\nspec: {{devices: {{requests: "
        "[{{name: a, exactly: {{deviceClassName: b}}}}]}}}}\n---\n"
        'apiVersion: "resource.k8s.io/{1}"\nkind: DeviceClass\nmetadata: {{name: b}}\n'
    )
    assert converted(write, text.format("v1beta2", "v1beta1")) == text.format("v1", "v1")


def test_lists_of_the_api_server_are_converted_with_their_items(
    write: Callable[..., Path],
) -> None:
    text = (
        "apiVersion: resource.k8s.io/{0}\nkind: ResourceClaimList\nitems:\n"
        "- metadata: {{name: a}}\n  spec: {{devices: {{requests: [{{name: r, {1}}}]}}}}\n"
    )
    old = text.format("v1beta1", "deviceClassName: c")
    assert converted(write, old) == text.format("v1", "exactly: {deviceClassName: c}")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            "apiVersion: gpu.nvidia.com/v1alpha1\nkind: MigDeviceConfig\n",
            "apiVersion: resource.nvidia.com/v1beta1\nkind: MigDeviceConfig\n",
        ),
        (
            (
                "apiVersion: nvidia.com/v1beta1\nkind: GpuConfig\n"
                "fabricTopologyConfig:\n  partitionIds: [a] # old\n  strategy: Manual\n"
            ),
            (
                "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
                "fabricTopologyConfig:\n  partitionIDs: [a] # old\n  strategy: Manual\n"
            ),
        ),
        (
            (
                "apiVersion: resource.nvidia.com/v1beta1\nkind: FabricTopologyConfig\n"
                "strategy: Manual\n'partitionIds': [a]\n"
            ),
            (
                "apiVersion: resource.nvidia.com/v1beta1\nkind: FabricTopologyConfig\n"
                "strategy: Manual\n'partitionIDs': [a]\n"
            ),
        ),
        (
            (
                "apiVersion: gpu.resource.nvidia.com/v1alpha1\nkind: GpuConfiguration\n"
                "sharing: [ {strategy: MPS}, ]\n"
            ),
            "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\nsharing: {strategy: MPS}\n",
        ),
        (
            (
                "apiVersion: gpu.resource.nvidia.com/v1alpha1\nkind: GpuConfiguration\n"
                "sharing:\n  - # why\n    strategy: MPS\n"
            ),
            (
                "apiVersion: resource.nvidia.com/v1beta1\nkind: GpuConfig\n"
                "sharing:\n    # why\n    strategy: MPS\n"
            ),
        ),
        (
            "apiVersion: &version gpu.nvidia.com/v1alpha1\nkind: GpuConfig\n",
            "apiVersion: &version resource.nvidia.com/v1beta1\nkind: GpuConfig\n",
        ),
    ],
)
def test_configs_on_their_own_are_converted(
    write: Callable[..., Path], old: str, new: str
) -> None:
    assert converted(write, old) == new


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        (CLASSIC, "1:13", "classic DRA"),
        (
            "apiVersion: resource.k8s.io/v1alpha3\nkind: ResourceClaim\nspec: {devices: {}}\n",
            "1:13",
            "no ResourceClaim in",
        ),
        ("a: [\n", "1:4", ""),
        ("a: {{ .Values.name }}\n", "1:4", "template"),
        (
            "apiVersion: gpu.nvidia.com/v1alpha1\nkind: GpuConfig\nsharing: '{{ .sharing }}'\n",
            "3:10",
            "render it first",
        ),
        (
            "apiVersion: gpu.nvidia.com/v1alpha1\nkind: GpuConfig\nkind: GpuConfig\n",
            "3:1",
            "more than once",
        ),
        (
            (
                "apiVersion: gpu.resource.nvidia.com/v1alpha1\nkind: GpuConfiguration\n"
                "sharing: [{strategy: MPS}, {strategy: TimeSlicing}]\n"
            ),
            "3:1",
            "lists 2 entries",
        ),
        (
            "apiVersion: gpu.nvidia.com/v1alpha1\nkind: VfioDeviceConfig\n",
            "2:7",
            "not a kind of gpu.nvidia.com/v1alpha1",
        ),
        (
            (
                "apiVersion: gpu.nvidia.com/v1alpha1\nkind: GpuConfig\n"
                "sharing: {strategy: MPS, mpsConfig: {multiUser: true}}\n"
            ),
            "3:38",
            "multiUser is not a field",
        ),
        (
            (
                "apiVersion: resource.nvidia.com/v1beta1\nkind: FabricTopologyConfig\n"
                "strategy: Manual\npartitionIds: [a]\npartitionIDs: [b]\n"
            ),
            "1:1",
            "old and in its new form",
        ),
        (
            (
                "apiVersion: resource.k8s.io/v1beta1\nkind: ResourceClaim\n"
                "spec: {devices: {requests: "
                "[{name: a, exactly: {deviceClassName: b}, count: 1}]}}\n"
            ),
            "3:29",
            "exactly and details beside it",
        ),
        (
            (
                "metadata: {labels: {v: &v resource.k8s.io/v1beta1}}\napiVersion: &w "
                "resource.k8s.io/v1beta1\nkind: ResourceClaim\nspec: {a: *w}\n"
            ),
            "1:1",
            "alias",
        ),
    ],
)
def test_what_cannot_be_converted_stays_and_the_others_do_not(
    write: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    text: str,
    place: str,
    reason: str,
) -> None:
    old, new = OLD_CLAIM.split("    devices", 1)[0] + "    {}\n", "resource.k8s.io/v1 "
    path = write("mixed.yaml", f"{text}---\n{old}")
    assert main(["convert", "--write", "mixed.yaml"]) == 1
    assert path.read_text() == f"{text}---\n{old}".replace("resource.k8s.io/v1beta1  ", f"{new} ")
    told = capsys.readouterr().err
    assert f"cannot convert mixed.yaml:{place}: " in told
    assert reason in told


def test_an_alias_that_is_converted_everywhere_is_no_hindrance(
    write: Callable[..., Path],
) -> None:
    text = (
        "apiVersion: resource.k8s.io/v1\nkind: ResourceClaim\nspec:\n  devices:\n    config:\n"
        "    - &config\n      opaque:\n        driver: gpu.nvidia.com\n        parameters:\n"
        "          apiVersion: {}\n          kind: GpuConfig\n    - *config\n"
    )
    old = text.format("gpu.nvidia.com/v1alpha1")
    assert converted(write, old) == text.format("resource.nvidia.com/v1beta1")


def test_without_an_option_the_difference_is_shown_and_nothing_is_written(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("claim.yaml", OLD_CLAIM)
    assert main(["convert", "claim.yaml"]) == 0
    shown = capsys.readouterr()
    assert path.read_text() == OLD_CLAIM
    assert shown.out.startswith("--- claim.yaml\n+++ claim.yaml\n@@ ")
    assert "\n-apiVersion: resource.k8s.io/v1beta1   # old\n" in shown.out
    assert shown.err == "dra-config: 1 of 1 file would be converted\n"


@pytest.mark.parametrize("text", [OLD_CLAIM, OLD_CLAIM.rstrip(), OLD_CLAIM.replace("\n", "\r\n")])
def test_the_difference_can_be_applied_with_git(
    write: Callable[..., Path], capfdbinary: pytest.CaptureFixture[bytes], text: str
) -> None:
    path = write("claim.yaml", text)
    assert main(["convert", "--diff", "claim.yaml"]) == 0
    difference = capfdbinary.readouterr().out
    subprocess.run(["git", "apply", "-p0", "-"], input=difference, check=True)
    by_git = path.read_bytes()
    assert by_git.decode() == converted(write, text)


def test_check_fails_only_while_something_would_change(
    write: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    path = write("claim.yaml", OLD_CLAIM)
    assert main(["convert", "--check", "claim.yaml"]) == 1
    told = capsys.readouterr()
    assert (told.out, path.read_text()) == ("", OLD_CLAIM)
    assert told.err.startswith("dra-config: claim.yaml would be converted\n")
    assert main(["convert", "--check", "--diff", "claim.yaml"]) == 1
    assert capsys.readouterr().out.startswith("--- claim.yaml")
    path.write_text(NEW_CLAIM)
    assert main(["convert", "--check", "claim.yaml"]) == 0


def test_standard_input_goes_to_standard_output(
    monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    pipe(monkeypatch, OLD_CLAIM.replace("train", "é"))
    assert main(["convert", "--write", "-"]) == 0
    assert capfdbinary.readouterr().out.decode() == NEW_CLAIM.replace("train", "é")
    pipe(monkeypatch, "a: 1\r\n")
    assert main(["convert", "--write", "-"]) == 0
    assert capfdbinary.readouterr().out == b"a: 1\r\n"
    pipe(monkeypatch, OLD_CLAIM)
    assert main(["convert", "-"]) == 0
    assert capfdbinary.readouterr().out.startswith(b"--- -\n+++ -\n")


def test_a_link_is_followed_and_permissions_stay(write: Callable[..., Path]) -> None:
    path = write("real.yaml", OLD_CLAIM)
    path.chmod(0o640)
    Path("link.yaml").symlink_to("real.yaml")
    assert main(["convert", "--write", "link.yaml"]) == 0
    assert Path("link.yaml").is_symlink()
    assert path.read_text() == NEW_CLAIM
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_pipe_is_not_replaced_by_a_file(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write("claim.yaml", "").parent
    os.mkfifo(folder / "pipe.yaml")
    monkeypatch.setattr(files.Source, "read", lambda *_: OLD_CLAIM.encode())
    assert main(["convert", "--write", "pipe.yaml"]) == 2
    assert stat.S_ISFIFO((folder / "pipe.yaml").stat().st_mode)
    assert "cannot write pipe.yaml: it is no regular file" in capsys.readouterr().err


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize(
    ("failure", "code"), [(KeyboardInterrupt(), 130), (OSError(28, "No space left"), 2)]
)
def test_a_write_that_does_not_come_to_its_end_leaves_the_old_file_alone(
    write: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    call: str,
    failure: BaseException,
    code: int,
) -> None:
    def fail(*_: object) -> None:
        raise failure

    path = write("claim.yaml", OLD_CLAIM)
    monkeypatch.setattr(os, call, fail)
    assert main(["convert", "--write", "claim.yaml"]) == code
    assert path.read_text() == OLD_CLAIM
    assert [entry.name for entry in path.parent.iterdir()] == ["claim.yaml"]


def test_a_file_that_is_up_to_date_is_not_written_at_all(write: Callable[..., Path]) -> None:
    path = write("claim.yaml", NEW_CLAIM + "---\n" + CURRENT)
    inode = path.stat().st_ino
    assert main(["convert", "--write", "claim.yaml"]) == 0
    assert path.stat().st_ino == inode


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["convert"], "name a file"),
        (["convert", "--write", "--check", "a.yaml"], "does not go with"),
        (["convert", "--write", "--diff", "-"], "choose one"),
        (["convert", "--wirte", "a.yaml"], "did you mean --write"),
        (["convert", "missing.yaml"], "cannot read missing.yaml"),
    ],
)
def test_wrong_usage_and_missing_files_exit_with_2(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize("command", ["convert", "fix"])
def test_the_help_fits_a_screen_with_an_example_and_the_exit_codes(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, "--help"]) == 0
    told = capsys.readouterr().out
    assert "example:" in told
    assert "exit codes:" in told
    assert len(told.splitlines()) <= 40
