"""The images of the services: what is in them, and that they run as a cluster runs them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trustme

from dra_config.version import __version__
from tools import debian
from tools.images import archive, build, debian_root, wheelhouse
from tools.images.build import Image, provide
from tools.images.errors import BuildFailed
from tools.images.inside.elf import strip
from tools.images.programs import PROGRAMS
from tools.images.storage import Storage
from tools.images.targets import ROOT, TARGETS, default_python, files_of, fingerprint, snapshot

WEBHOOK = TARGETS["webhook"]
LARGEST_BYTES = 80_000_000

# Runs the entry point as a container runtime does: its own namespaces, a root file system that
# nobody can write to, a user that owns nothing; and asks it over its own loopback.
CONTAINER = """
import fcntl, json, os, socket, struct, subprocess, sys, urllib.request
root, entrypoint, variables = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
def mount(*words):
    subprocess.run(["mount", *words], check=True)
mount("--bind", root, root)
mount("-t", "proc", "proc", f"{root}/proc")
mount("--rbind", "/dev", f"{root}/dev")
mount("-o", "remount,bind,ro", root)
try:
    open(f"{root}/tmp/file", "w")
except OSError as error:
    print("writing:", error.strerror)
with socket.socket() as up:
    fcntl.ioctl(up, 0x8914, struct.pack("16sh14x", b"lo", 1))
command = ["setpriv", "--no-new-privs", "chroot", "--userspec=65532:65532", root]
served = subprocess.Popen([*command, *entrypoint], stderr=subprocess.PIPE, text=True,
                          env={"PATH": os.environ["PATH"], **variables})
for line in served.stderr:
    print(line, end="")
    said = json.loads(line)
    if said["message"] == "listening":
        break
else:
    sys.exit(served.wait())
with urllib.request.urlopen(f"http://127.0.0.1:{said['probePort']}/livez", timeout=30) as answer:
    print("livez", answer.status)
status = open(f"/proc/{served.pid}/status").read()
print([line for line in status.splitlines() if line.startswith(("Uid", "CapEff"))])
served.terminate()
served.stderr.read()
print("ended", served.wait())
"""


@pytest.fixture(scope="module")
def image() -> Image:
    """Return the webhook's image of this tree, built where the cache does not have it."""
    _need_a_machine_that_builds()
    return provide("webhook")


@pytest.fixture(scope="module")
def contents(image: Image) -> archive.Contents:
    return archive.read(image.archive)


@pytest.fixture(scope="module")
def root_folder(image: Image, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the image's root file system, with the folders that every runtime adds."""
    folder = tmp_path_factory.mktemp("root")
    folder.chmod(0o755)
    archive.unpack(image.archive, folder)
    for name in ("dev", "proc", "tls"):
        (folder / name).mkdir()
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of all that the webhook's image is made of."""
    folder = tmp_path / "tree"
    snapshot(ROOT, WEBHOOK, folder)
    return folder


def _need_a_machine_that_builds() -> None:
    reasons = " ".join(build.obstacles())
    if reasons and os.environ.get("CI") == "true":
        pytest.fail(reasons)
    if reasons:
        pytest.skip(reasons)


def _chroot(root: Path, contents: archive.Contents, *words: str) -> str:
    """Return what the image's Python prints with the image's own variables."""
    python = contents.config["Entrypoint"][0]
    command = ["chroot", "--userspec=65532:65532", str(root), python, *words]
    variables = dict(word.split("=", 1) for word in contents.config["Env"])
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---------------------------------------------------------------------------- what it says


def test_the_image_is_named_after_the_version(image: Image, contents: archive.Contents) -> None:
    assert image.name == contents.name == f"localhost/dra-config-webhook:{__version__}"


def test_it_runs_python_itself_as_a_user_without_a_name(contents: archive.Contents) -> None:
    assert contents.config["User"] == "65532:65532"
    assert contents.config["Entrypoint"] == ["/app/bin/python3", "-m", "webhook"]
    assert set(contents.config["ExposedPorts"]) == {"10250/tcp", "6080/tcp"}


def test_its_labels_say_what_it_is(contents: archive.Contents) -> None:
    prefix = "org.opencontainers.image."
    labels = contents.config["Labels"]
    assert labels[f"{prefix}title"] == "dra-config-webhook"
    assert labels[f"{prefix}version"] == __version__
    assert labels[f"{prefix}licenses"] == "Apache-2.0"


# ---------------------------------------------------------------------------- what is in it


def test_python_is_the_only_program_in_it(contents: archive.Contents) -> None:
    found = [path for path in archive.programs(contents) if not path.endswith(".py")]
    assert found == [f"usr/bin/python{debian_root.PYTHON}"]


def test_nothing_in_it_runs_with_the_rights_of_its_owner(contents: archive.Contents) -> None:
    assert [path for path, file in contents.files.items() if file.mode & 0o6000] == []


@pytest.mark.parametrize(
    "name", ["pip", "ensurepip", "test", "tests", "idlelib", "venv", "apt", "setuptools", "docs"]
)
def test_it_holds_nothing_called(name: str, contents: archive.Contents) -> None:
    assert [path for path in contents.files if name in path.split("/")] == []


def test_it_holds_the_licences_of_what_it_is_made_of(contents: archive.Contents) -> None:
    files = set(contents.files)
    assert "app/LICENSE" in files
    for package in ("libc6", "libssl3", "libpython3.11-stdlib"):
        assert f"usr/share/doc/{package}/copyright" in files
        assert f"var/lib/dpkg/status.d/{package}" in files


def test_every_module_is_compiled(contents: archive.Contents) -> None:
    """Otherwise each start of a pod would compile it anew, since it can write nothing."""
    missing = []
    for path in contents.files:
        folder, _, name = path.rpartition("/")
        compiled = f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-311.pyc"
        if name.endswith(".py") and compiled not in contents.files:
            missing.append(path)
    assert missing == []


def test_it_is_small(contents: archive.Contents) -> None:
    assert contents.size < LARGEST_BYTES


def test_a_change_of_our_code_is_a_change_of_its_small_layers(contents: archive.Contents) -> None:
    own = contents.layers[2:]
    assert sum(own) < contents.size / 20


# ---------------------------------------------------------------------------- how it runs


def test_its_command_line_answers(root_folder: Path, contents: archive.Contents) -> None:
    assert _chroot(root_folder, contents, "-m", "webhook", "--help").startswith("usage: python -m")


def test_its_packages_are_the_pinned_ones(
    root_folder: Path, contents: archive.Contents, root: Path
) -> None:
    program = (
        "from importlib.metadata import distributions\n"
        "for found in distributions(): print(f'{found.name.lower()}=={found.version}')"
    )
    pins = (root / WEBHOOK.requirements).read_text(encoding="utf-8")
    pinned = {line.split()[0] for line in pins.splitlines() if line[:1].isalpha()}
    found = _chroot(root_folder, contents, "-c", program).replace("_", "-").split()
    assert set(found) == pinned


def test_no_symbol_that_was_cut_off_is_missed(
    root_folder: Path, contents: archive.Contents
) -> None:
    program = (
        "import _yaml, httptools, msgspec, pydantic_core, ssl, sys, uvloop, watchfiles\n"
        "from cryptography.hazmat.primitives.asymmetric import ec\n"
        "ec.generate_private_key(ec.SECP256R1())\n"
        "async def number(): return 7\n"
        "print(uvloop.run(number()), sys.flags.safe_path, sys.flags.utf8_mode)"
    )
    assert _chroot(root_folder, contents, "-c", program).split() == ["7", "True", "1"]


def test_it_serves_where_it_can_write_nothing(
    root_folder: Path, contents: archive.Contents
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("webhook.test")
    (root_folder / "tls" / "tls.crt").write_bytes(certificate.cert_chain_pems[0].bytes())
    (root_folder / "tls" / "tls.key").write_bytes(certificate.private_key_pem.bytes())
    words = ["--tls-cert-file", "/tls/tls.crt", "--tls-private-key-file", "/tls/tls.key"]
    words += ["--port", "0", "--probe-port", "0", "--shutdown-delay", "0"]
    variables = dict(word.split("=", 1) for word in contents.config["Env"])
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    command += [sys.executable, "-c", CONTAINER, str(root_folder)]
    command += [json.dumps([*contents.config["Entrypoint"], *words]), json.dumps(variables)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    said = done.stdout + done.stderr
    assert "writing: Read-only file system" in said
    assert "livez 200" in said
    assert "Uid:\\t65532\\t65532" in said
    assert "CapEff:\\t0000000000000000" in said
    assert "ended 0" in said


# ---------------------------------------------------------------------------- when it is built


def test_the_same_tree_is_the_same_image(tree: Path) -> None:
    os.utime(tree / "Dockerfile", (0, 0))
    cache = tree / "webhook" / "__pycache__"
    cache.mkdir()
    (cache / "app.cpython-311.pyc").write_bytes(b"of somebody's run")
    assert build.key(tree, WEBHOOK) == build.key(tree, WEBHOOK)
    assert "webhook/__pycache__" not in {
        path.parent.as_posix() for path in files_of(tree, WEBHOOK)
    }


@pytest.mark.parametrize(
    "file",
    [
        "Dockerfile",
        "LICENSE",
        "dra_config/version.py",
        "requirements/webhook.txt",
        "tools/images/inside/system.py",
        "webhook/app.py",
    ],
)
def test_another_image_is_built_for_a_change_of(file: str, tree: Path) -> None:
    before = build.key(tree, WEBHOOK)
    with (tree / file).open("a", encoding="utf-8") as changed:
        changed.write("\n# changed\n")
    assert build.key(tree, WEBHOOK) != before


def test_a_renamed_file_makes_another_image(tree: Path) -> None:
    before = fingerprint(tree, WEBHOOK)
    (tree / "webhook" / "app.py").rename(tree / "webhook" / "application.py")
    assert fingerprint(tree, WEBHOOK) != before


def test_the_installer_is_held_against_its_hash_too(tree: Path) -> None:
    text = wheelhouse.requirements(tree, WEBHOOK.requirements)
    last = text[text.rindex("\npip==") :]
    assert "--hash=sha256:" in last
    assert "pipx" not in last
    (tree / "requirements" / "dev.txt").write_text("pipx==1\n", encoding="utf-8")
    with pytest.raises(BuildFailed, match="pins no pip"):
        wheelhouse.requirements(tree, WEBHOOK.requirements)


def test_the_wheelhouse_is_for_the_python_of_the_default_base(root: Path) -> None:
    text = (root / "Dockerfile").read_text(encoding="utf-8")
    assert f"\nARG BASE=python:{default_python(root)}-slim" in text


def test_docker_sends_what_the_dockerfile_copies_and_no_more(root: Path) -> None:
    text = (root / ".dockerignore").read_text(encoding="utf-8")
    allowed = {line.removeprefix("!") for line in text.splitlines() if line.startswith("!")}
    copied = {
        word
        for line in (root / "Dockerfile").read_text(encoding="utf-8").splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert {name.partition("/webhook.txt")[0] for name in copied} == allowed


def test_a_build_that_was_killed_leaves_nothing_half_done(tmp_path: Path) -> None:
    _need_a_machine_that_builds()
    debian.ensure(PROGRAMS, purpose="Images", report=print)
    with _building(ROOT, tmp_path) as building:
        assert building.stderr is not None
        assert "..." in building.stderr.readline()
        while not any("mmdebstrap" in line for line in _processes_that_know(tmp_path)):
            assert building.poll() is None
        building.send_signal(signal.SIGKILL)
    pause = threading.Event()
    for _ in range(200):
        # The kernel ends them one after the other.
        if not _processes_that_know(tmp_path):
            break
        pause.wait(0.05)
    assert _processes_that_know(tmp_path) == []
    assert {path.name for path in tmp_path.iterdir()} <= {"build.log", "lock", "unfinished"}


def _building(root: Path, cache: Path) -> "subprocess.Popen[str]":
    """Start a process that builds the tree under *root* in *cache* and tells on standard error."""
    program = (
        "from pathlib import Path; from tools.images.build import provide\n"
        f"provide(root=Path({str(root)!r}), cache=Path({str(cache)!r}))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


def _processes_that_know(folder: Path) -> list[str]:
    """Return the command lines that name *folder*, less those of processes that are ending."""
    found: list[str] = []
    for place in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (place / "cmdline").read_bytes().decode(errors="replace")
            if str(folder) in words:
                found.append(words.replace("\0", " "))
    return found


def test_layers_of_a_build_that_was_killed_are_not_used(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "storage", tmp_path / "log")
    layer = tmp_path / "storage" / "layer"
    with storage.session():
        layer.touch()
    with storage.session():
        assert layer.exists()
    with contextlib.suppress(KeyboardInterrupt), storage.session():
        raise KeyboardInterrupt
    with storage.session():
        assert not layer.exists()


@pytest.mark.deep
def test_the_image_has_the_same_bytes_when_it_is_built_after_a_killed_build(
    tree: Path, tmp_path: Path
) -> None:
    """The tree is a copy, in which nobody works meanwhile."""
    _need_a_machine_that_builds()
    image, cache = provide("webhook", root=tree), tmp_path / "cache"
    with _building(tree, cache) as building:
        for line in building.stderr or ():
            if line.startswith("image "):
                break
        while not (cache / "storage" / "layers").exists():
            assert building.poll() is None
        building.send_signal(signal.SIGKILL)
    again = provide("webhook", root=tree, cache=cache)
    assert archive.read(image.archive).identity == archive.read(again.archive).identity


# ---------------------------------------------------------------------------- small parts


def test_what_is_no_library_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "script.so"
    file.write_text("GROUP ( libc.so.6 )", encoding="utf-8")
    strip(file)
    assert file.read_text(encoding="utf-8") == "GROUP ( libc.so.6 )"
