"""The plugin's image: the hook that it brings along, and that the plugin runs in it."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import trustme

from plugin.cdi import render
from tests.built_images import Built, built_image, need_a_machine_that_builds
from tests.cluster.client import Json, path_of
from tests.cluster.node import Node
from tests.plugin.cdi_examples import FILES, device, driver, facts
from tests.plugin.cdi_examples import node as device_node
from tools.golang import toolchain
from tools.images import __main__ as command
from tools.images import cdi_hook
from tools.images.errors import BuildFailed
from tools.images.targets import ROOT, TARGETS, snapshot

# Runs the entry point as a container runtime does for a pod of root without capabilities: its own
# namespaces, and a root file system of which only the folders of kubelet and CDI are writable.
CONTAINER = """
import ctypes, fcntl, json, os, socket, struct, subprocess, sys, urllib.request
root, entrypoint, variables = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
system = ctypes.CDLL(None)
def mount(*words):
    subprocess.run(["mount", *words], check=True)
mount("--bind", root, root)
mount("-t", "proc", "proc", f"{root}/proc")
mount("--rbind", "/dev", f"{root}/dev")
for folder in ("var/lib/kubelet", "var/run/cdi"):
    mount("-t", "tmpfs", "writable", f"{root}/{folder}")
mount("-o", "remount,bind,ro", root)
os.mkdir(f"{root}/var/lib/kubelet/plugins_registry")
try:
    open(f"{root}/tmp/file", "w")
except OSError as error:
    print("writing:", error.strerror)
with socket.socket() as up:
    fcntl.ioctl(up, 0x8914, struct.pack("16sh14x", b"lo", 1))
def confine():
    os.chroot(root)
    os.chdir("/")
    system.prctl(38, 1, 0, 0, 0)
    for capability in range(64):
        system.prctl(24, capability, 0, 0, 0)
served = subprocess.Popen(entrypoint, stderr=subprocess.PIPE, text=True, env=variables,
                          preexec_fn=confine)
for line in served.stderr:
    print(line, end="")
    said = json.loads(line)
    if said["message"] == "running":
        break
else:
    sys.exit(served.wait())
address = f"http://127.0.0.1:{said['metricsPort']}/metrics"
with urllib.request.urlopen(address, timeout=30) as answer:
    print("metrics", answer.status)
status = open(f"/proc/{served.pid}/status").read()
print([line for line in status.splitlines() if line.startswith(("Uid", "CapEff"))])
folder = f"{root}/var/lib/kubelet/plugins/gpu.nvidia.com"
for name in ("nvidia-cdi-hook", "dra.sock"):
    print(name, oct(os.stat(f"{folder}/{name}").st_mode))
served.terminate()
served.stderr.read()
print("ended", served.wait())
"""

CONTAINER_ID = "0123456789abcdef"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return the plugin's image of this tree, built where the cache does not have it."""
    return built_image("plugin", tmp_path_factory.mktemp("plugin"))


@pytest.fixture(scope="module")
def hook(built: Built) -> Path:
    return built.root / cdi_hook.PLACE


def pins(name: str) -> str:
    return (ROOT / cdi_hook.PINS / name).read_text(encoding="utf-8")


# ---------------------------------------------------------------------------- the hook's pins


def test_go_mod_names_the_version_that_the_hook_says_of_itself() -> None:
    required = re.findall(
        rf"^(?:require |\t){cdi_hook.MODULE} v(\S+)", pins("go.mod"), re.MULTILINE
    )
    assert required == [cdi_hook.VERSION]


def test_go_sum_holds_the_hash_of_every_required_module() -> None:
    required = re.findall(r"^\t(\S+ v\S+)(?: // indirect)?$", pins("go.mod"), re.MULTILINE)
    hashed = {" ".join(line.split()[:2]) for line in pins("go.sum").splitlines()}
    assert required
    assert set(required) <= hashed


def test_the_hook_asks_for_no_newer_go_than_we_look_for() -> None:
    (asked,) = re.findall(r"^go (.*)$", pins("go.mod"), re.MULTILINE)
    version = toolchain.go_version(f"go{asked}")
    assert version is not None
    assert version <= toolchain.OLDEST_GO


def test_other_pins_and_other_machines_make_another_hook(tmp_path: Path) -> None:
    snapshot(ROOT, TARGETS["plugin"], tmp_path)
    before = cdi_hook.key(tmp_path, "amd64")
    assert cdi_hook.key(ROOT, "amd64") == before != cdi_hook.key(tmp_path, "arm64")
    with (tmp_path / cdi_hook.PINS / "go.sum").open("a", encoding="utf-8") as changed:
        changed.write("\n")
    assert cdi_hook.key(tmp_path, "amd64") != before


def test_a_module_whose_hash_nobody_wrote_down_is_not_compiled(tmp_path: Path) -> None:
    need_a_machine_that_builds("plugin")
    snapshot(ROOT, TARGETS["plugin"], tmp_path)
    (tmp_path / cdi_hook.PINS / "go.sum").write_text("", encoding="utf-8")
    own = toolchain.processor()
    with pytest.raises(BuildFailed, match=r"(?s)nvidia-cdi-hook could not be built.*go\.sum"):
        cdi_hook.make(
            tmp_path,
            tmp_path / "hook",
            architecture=own,
            own_architecture=own,
            toolchains=tmp_path,
            log=tmp_path / "log",
            report=print,
        )


def test_the_same_hook_is_compiled_for_docker(
    hook: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["hook", "--output", str(tmp_path / "hook")]) == 0, capsys.readouterr().err
    made = tmp_path / "hook" / toolchain.processor()
    assert (made / cdi_hook.PLACE).read_bytes() == hook.read_bytes()
    assert {path.stat().st_mode & 0o777 for path in made.rglob("*")} == {0o755, 0o644}


@pytest.mark.parametrize(
    ("own", "architecture", "compiler", "packages"),
    [
        ("amd64", "amd64", "gcc", ("gcc", "libc6-dev")),
        *[
            (
                *("amd64", "arm64", "aarch64-linux-gnu-gcc"),
                ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"),
            )
        ],
        *[
            (
                *("arm64", "amd64", "x86_64-linux-gnu-gcc"),
                ("gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"),
            )
        ],
    ],
)
def test_each_architecture_has_its_compiler(
    own: str, architecture: str, compiler: str, packages: tuple[str, ...]
) -> None:
    assert cdi_hook.compilers(architecture, own) == {compiler: packages}


# ---------------------------------------------------------------------------- the hook itself


def test_the_hook_says_the_pinned_version_inside_the_image(built: Built) -> None:
    command = ["chroot", str(built.root), f"/{cdi_hook.PLACE}", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"NVIDIA CDI Hook version {cdi_hook.VERSION}\n"


def test_the_hook_runs_on_a_host_that_has_no_library_of_ours(hook: Path, tmp_path: Path) -> None:
    """The host's C library may be older than ours, or another one."""
    (tmp_path / "hook").write_bytes(hook.read_bytes())
    (tmp_path / "hook").chmod(0o755)
    done = subprocess.run(
        ["chroot", str(tmp_path), "/hook", "--version"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_licence_of_every_module_in_the_hook_lies_beside_it(built: Built, hook: Path) -> None:
    # Go writes into a program what it is made of.
    listed = re.findall(rb"(?:mod|dep)\t(\S+)\t(v\S+)\t", hook.read_bytes())
    text = (built.root / cdi_hook.LICENCES).read_text(encoding="utf-8")
    assert len(listed) > 1
    assert [
        module for module, version in listed if f"{module.decode()}@{version.decode()}" not in text
    ] == []
    assert "GNU Lesser General Public" in text


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """Return the folder of a container that is about to start, with a library of the driver."""
    files = tmp_path / "rootfs"
    for name in ("dev/dri", "etc", "proc", "sys", "tmp", "usr/lib64"):
        (files / name).mkdir(parents=True)
    compile_words = ["gcc", "-shared", "-nostdlib", "-Wl,-soname,libcuda.so.1", "-x", "c"]
    library = files / "usr/lib64/libcuda.so.580.95.05"
    subprocess.run([*compile_words, "/dev/null", "-o", library], check=True)
    config = {"ociVersion": "1.2.0", "root": {"path": "rootfs"}, "process": {"cwd": "/"}}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return tmp_path


def run_hook(hook: Path, arguments: tuple[str, ...], bundle: Path) -> None:
    """Start the hook as a container runtime does when it has mounted the container's root."""
    state: dict[str, Any] = {"ociVersion": "1.2.0", "id": CONTAINER_ID, "status": "creating"}
    script = 'mount --bind "$0/rootfs" "$0/rootfs" && exec "$@"'
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(bundle), str(hook), *arguments],
        input=json.dumps({**state, "pid": 1, "bundle": str(bundle)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (arguments, done.stderr)


def test_the_hook_knows_every_word_of_our_cdi_files_and_does_what_they_say(
    hook: Path, bundle: Path
) -> None:
    files = replace(FILES, links=(("libcuda.so.1", "/usr/lib64/libcuda.so"),))
    nodes = (device_node("/dev/nvidia0"), device_node("/dev/dri/card1"))
    gpu = replace(device(nodes=nodes), pci_address="0000:1b:00.0")
    place = PurePosixPath("/opt/nvidia-cdi-hook")
    spec = render(facts(gpu, of=driver(files=files, hook=place)))
    hooks = (*spec.edits.hooks, *spec.devices[0].edits.hooks)
    assert {one.arguments[0] for one in hooks} == {
        *("create-symlinks", "disable-device-node-modification"),
        *("enable-cuda-compat", "update-ldcache"),
    }
    for one in hooks:
        run_hook(hook, one.arguments, bundle)
    root = bundle / "rootfs"
    assert (root / "usr/lib64/libcuda.so").readlink() == Path("libcuda.so.1")
    assert (root / "usr/lib64/libcuda.so.1").readlink() == Path("libcuda.so.580.95.05")
    assert b"/usr/lib64/libcuda.so.1" in (root / "etc/ld.so.cache").read_bytes()
    by_path = root / "dev/dri/by-path/pci-0000:1b:00.0-card"
    assert by_path.readlink() == Path("../card1")


# ---------------------------------------------------------------------------- the plugin


def test_no_symbol_that_was_cut_off_is_missed(built: Built) -> None:
    program = (
        "import _yaml, grpc, msgspec, plugin.hardware.fake, pydantic_core, pynvml, ssl, sys\n"
        "from google.protobuf.internal import api_implementation\n"
        "print(api_implementation.Type(), sys.flags.safe_path, sys.flags.utf8_mode)"
    )
    assert built.python("-c", program).split() == ["upb", "True", "1"]


def test_what_a_driver_asks_the_c_library_for_is_there(built: Built) -> None:
    """NVML is loaded from the driver's own folder, and nvidia-smi is started there."""
    names = ["libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0", "librt.so.1"]
    program = f"import ctypes\nfor name in {names}: ctypes.CDLL(name)\nprint('loaded')"
    assert built.python("-c", program) == "loaded\n"


def test_without_a_driver_nvml_is_missed_in_its_own_words(built: Built) -> None:
    program = (
        "import pynvml\n"
        "try: pynvml.nvmlInit()\n"
        "except pynvml.NVMLError_LibraryNotFound: print('no driver')"
    )
    assert built.python("-c", program) == "no driver\n"


def test_every_machine_that_can_be_simulated_is_in_it(built: Built) -> None:
    folder = "plugin/hardware/profiles"
    shipped = {path.partition(folder)[2] for path in built.contents.files if folder in path}
    expected = {str(path).partition(folder)[2] for path in (ROOT / folder).rglob("*")}
    assert shipped == expected | {""}


def test_the_plugin_serves_where_only_the_folders_of_the_kubelet_are_writable(
    built: Built,
) -> None:
    kubeconfig = built.root / "tls" / "kubeconfig"
    (built.root / "tls" / "ca.crt").write_bytes(trustme.CA().cert_pem.bytes())
    named = {
        "clusters": {"server": "https://127.0.0.1:1", "certificate-authority": "/tls/ca.crt"},
        "users": {"token": "of nobody"},
        "contexts": {"cluster": "here", "user": "here"},
    }
    config: Json = {
        kind: [{"name": "here", kind.removesuffix("s"): value}] for kind, value in named.items()
    }
    config |= {"apiVersion": "v1", "kind": "Config", "current-context": "here"}
    kubeconfig.write_text(json.dumps(config), encoding="utf-8")
    words = ["--node-name", "here", "--simulate", "h100", "--kubeconfig", "/tls/kubeconfig"]
    words += ["--probe-port", "0", "--metrics-port", "0", "--shutdown-grace", "1"]
    said = built.contained(CONTAINER, *words)
    assert "writing: Read-only file system" in said
    assert "metrics 200" in said
    assert "Uid:\\t0\\t0" in said
    assert "CapEff:\\t0000000000000000" in said
    assert "nvidia-cdi-hook 0o100755" in said
    assert "dra.sock 0o140600" in said
    assert "ended 0" in said


def test_containerd_starts_its_two_programs_with_a_root_that_is_read_only(
    node: Node, built: Built
) -> None:
    node.import_image(built.image.archive)
    pods = path_of("v1", "pods", namespace="default")
    place = f"{pods}/plugin-image"
    node.client.create(pods, pod(built.image.name))
    try:
        node.client.wait(place, has_ended, seconds=90)
        assert node.client.get(place)["status"]["phase"] == "Succeeded"
        log = ("kubectl", "logs", "plugin-image", "--container")
        said = node.run(*log, "hook").output
        assert said == f"NVIDIA CDI Hook version {cdi_hook.VERSION}\n"
        assert node.run(*log, "plugin").output.startswith("usage: python -m plugin")
    finally:
        node.client.delete(place)
        node.client.wait_gone(place, seconds=90)


def has_ended(pod: Json | None) -> bool:
    return pod is not None and pod["status"]["phase"] in {"Succeeded", "Failed"}


def pod(image: str) -> Json:
    """Return a pod that asks both programs of the image for a word, and ends."""
    confined = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    words: dict[str, Json] = {
        "hook": {"command": [f"/{cdi_hook.PLACE}", "--version"]},
        "plugin": {"args": ["--help"]},
    }
    containers = [
        {"name": name, "image": image, "imagePullPolicy": "Never", "securityContext": confined}
        | started
        for name, started in words.items()
    ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "plugin-image"},
        "spec": {"containers": containers, "restartPolicy": "Never"},
    }
