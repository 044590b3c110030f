"""The images of the services: what is in them, and that they run as a cluster runs them."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import trustme

from dra_config.version import __version__
from tests.built_images import PYTHON, Built, built_image, need_a_machine_that_builds
from tools import debian
from tools.images import __main__ as command
from tools.images import archive, build, debian_root, wheelhouse
from tools.images.build import Image, provide
from tools.images.errors import BuildFailed
from tools.images.inside.elf import strip
from tools.images.programs import PROGRAMS
from tools.images.storage import Storage
from tools.images.targets import ROOT, TARGETS, default_python, files_of, fingerprint, snapshot

WEBHOOK = TARGETS["webhook"]
LARGEST_BYTES = {"webhook": 80_000_000, "plugin": 90_000_000}
USERS = {"webhook": "65532:65532", "plugin": "0:0"}
PORTS = {"webhook": {"10250/tcp", "6080/tcp"}, "plugin": {"51516/tcp", "8080/tcp"}}
MORE_PROGRAMS = {"webhook": [], "plugin": ["usr/bin/nvidia-cdi-hook"]}

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


@pytest.fixture(scope="module", params=sorted(TARGETS))
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Return each image of this tree, built where the cache does not have it."""
    return built_image(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def webhook(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return built_image("webhook", tmp_path_factory.mktemp("webhook"))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a copy of all that the images are made of."""
    folder = tmp_path / "tree"
    for target in TARGETS.values():
        snapshot(ROOT, target, folder)
    return folder


# ---------------------------------------------------------------------------- what it says


def test_the_image_is_named_after_the_version(built: Built) -> None:
    name = f"localhost/dra-config-{built.target.name}:{__version__}"
    assert built.image.name == built.contents.name == name


def test_it_runs_python_itself_with_no_more_rights_than_it_needs(built: Built) -> None:
    name = built.target.name
    assert built.contents.config["User"] == USERS[name]
    assert built.contents.config["Entrypoint"] == [PYTHON, "-m", name]
    assert set(built.contents.config["ExposedPorts"]) == PORTS[name]


def test_its_labels_say_what_it_is(built: Built) -> None:
    prefix = "org.opencontainers.image."
    labels = built.contents.config["Labels"]
    assert labels[f"{prefix}title"] == f"dra-config-{built.target.name}"
    assert labels[f"{prefix}version"] == __version__
    assert labels[f"{prefix}licenses"] == "Apache-2.0"


# ---------------------------------------------------------------------------- what is in it


def test_it_holds_the_programs_that_it_is_for_and_no_other(built: Built) -> None:
    python = f"usr/bin/python{debian_root.PYTHON}"
    expected = [*MORE_PROGRAMS[built.target.name], python]
    assert archive.programs(built.contents) == expected


def test_all_of_it_belongs_to_root(built: Built) -> None:
    assert {(file.uid, file.gid) for file in built.contents.files.values()} == {(0, 0)}


def test_only_root_may_change_it(built: Built) -> None:
    writable = [
        path
        for path, file in built.contents.files.items()
        if file.mode & 0o022 and not file.issym()
    ]
    assert writable == ["tmp"]


def test_nothing_in_it_runs_with_the_rights_of_its_owner(built: Built) -> None:
    assert [path for path, file in built.contents.files.items() if file.mode & 0o6000] == []


@pytest.mark.parametrize(
    "name",
    [
        *("pip", "ensurepip", "test", "tests", "testdata", "idlelib", "venv", "apt"),
        *("setuptools", "docs", "sh", "bash", "busybox", "gcc", "go", "ldconfig"),
    ],
)
def test_it_holds_nothing_called(name: str, built: Built) -> None:
    assert [path for path in built.contents.files if name in path.split("/")] == []


def test_it_holds_the_licences_of_what_it_is_made_of(built: Built) -> None:
    files = set(built.contents.files)
    assert "app/LICENSE" in files
    for package in ("libc6", "libssl3", "libpython3.11-stdlib"):
        assert f"usr/share/doc/{package}/copyright" in files
        assert f"var/lib/dpkg/status.d/{package}" in files


def test_every_module_is_compiled(built: Built) -> None:
    """Otherwise each start of a pod would compile it anew, since it can write nothing."""
    files = built.contents.files
    missing: list[str] = []
    for path in files:
        folder, _, name = path.rpartition("/")
        compiled = f"{folder}/__pycache__/{name.removesuffix('.py')}.cpython-311.pyc"
        if name.endswith(".py") and compiled not in files:
            missing.append(path)
    assert missing == []


def test_it_is_small(built: Built) -> None:
    assert built.contents.size < LARGEST_BYTES[built.target.name]


def test_a_change_of_our_code_is_a_change_of_its_small_layers(built: Built) -> None:
    own = built.contents.layers[-2:]
    assert sum(own) < built.contents.size / 20


# ---------------------------------------------------------------------------- how it runs


def test_its_command_line_answers(built: Built) -> None:
    text = built.python("-m", built.target.name, "--help")
    assert text.startswith(f"usage: python -m {built.target.name}")


def test_its_packages_are_the_pinned_ones(built: Built, root: Path) -> None:
    program = (
        "from importlib.metadata import distributions\n"
        "for found in distributions(): print(f'{found.name.lower()}=={found.version}')"
    )
    pins = (root / built.target.requirements).read_text(encoding="utf-8")
    pinned = {line.split()[0] for line in pins.splitlines() if line[:1].isalpha()}
    found = built.python("-c", program).replace("_", "-").split()
    assert set(found) == pinned


def test_no_symbol_that_was_cut_off_is_missed(webhook: Built) -> None:
    program = (
        "import _yaml, httptools, msgspec, pydantic_core, ssl, sys, uvloop, watchfiles\n"
        "from cryptography.hazmat.primitives.asymmetric import ec\n"
        "ec.generate_private_key(ec.SECP256R1())\n"
        "async def number(): return 7\n"
        "print(uvloop.run(number()), sys.flags.safe_path, sys.flags.utf8_mode)"
    )
    assert webhook.python("-c", program).split() == ["7", "True", "1"]


def test_it_serves_where_it_can_write_nothing(webhook: Built) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("webhook.test")
    tls = webhook.root / "tls"
    (tls / "tls.crt").write_bytes(certificate.cert_chain_pems[0].bytes())
    (tls / "tls.key").write_bytes(certificate.private_key_pem.bytes())
    words = ["--tls-cert-file", "/tls/tls.crt", "--tls-private-key-file", "/tls/tls.key"]
    words += ["--port", "0", "--probe-port", "0", "--shutdown-delay", "0"]
    said = webhook.contained(CONTAINER, *words)
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


OF_BOTH = [
    *("Dockerfile", "LICENSE", "dra_config/version.py", "kube/client.py", "logs/lines.py"),
    "tools/images/inside/system.py",
]
CHANGES = {
    "webhook": [*OF_BOTH, "requirements/webhook.txt", "webhook/app.py"],
    "plugin": [
        *OF_BOTH,
        "plugin/__main__.py",
        "plugin/hardware/profiles/h100.yaml",
        "requirements/plugin.txt",
        "tools/images/hook/go.mod",
        "tools/images/hook/go.sum",
    ],
}


@pytest.mark.parametrize(
    ("name", "file"), [(name, file) for name, files in CHANGES.items() for file in files]
)
def test_another_image_is_built_for_a_change_of(name: str, file: str, tree: Path) -> None:
    before = build.key(tree, TARGETS[name])
    with (tree / file).open("a", encoding="utf-8") as changed:
        changed.write("\n# changed\n")
    assert build.key(tree, TARGETS[name]) != before


@pytest.mark.parametrize(
    ("name", "file"), [("webhook", "plugin/__main__.py"), ("plugin", "webhook/app.py")]
)
def test_no_other_image_is_built_for_a_change_of(name: str, file: str, tree: Path) -> None:
    before = build.key(tree, TARGETS[name])
    (tree / file).write_text("# changed\n", encoding="utf-8")
    assert build.key(tree, TARGETS[name]) == before


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
    assert {re.sub(r"/(\w+\.txt|\$.*)$", "", name) for name in copied} == allowed


def test_a_build_that_was_killed_leaves_nothing_half_done(tmp_path: Path) -> None:
    need_a_machine_that_builds("webhook")
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


def _building(root: Path, cache: Path, target: str = "webhook") -> "subprocess.Popen[str]":
    """Start a process that builds the tree under *root* in *cache* and tells on standard error."""
    program = (
        "from pathlib import Path; from tools.images.build import provide\n"
        f"provide({target!r}, root=Path({str(root)!r}), cache=Path({str(cache)!r}))"
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
@pytest.mark.parametrize("target", TARGETS)
def test_the_image_has_the_same_bytes_when_it_is_built_after_a_killed_build(
    target: str, tree: Path, tmp_path: Path
) -> None:
    """The tree is a copy, in which nobody works meanwhile."""
    need_a_machine_that_builds(target)
    image, cache = provide(target, root=tree), tmp_path / "cache"
    with _building(tree, cache, target) as building:
        for line in building.stderr or ():
            if line.startswith("image "):
                break
        while not (cache / "storage" / "layers").exists():
            assert building.poll() is None
        building.send_signal(signal.SIGKILL)
    again = provide(target, root=tree, cache=cache)
    assert archive.read(image.archive).identity == archive.read(again.archive).identity


# ---------------------------------------------------------------------------- small parts


def test_what_is_no_library_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "script.so"
    file.write_text("GROUP ( libc.so.6 )", encoding="utf-8")
    strip(file)
    assert file.read_text(encoding="utf-8") == "GROUP ( libc.so.6 )"


# ---------------------------------------------------------------------------- the command


@pytest.fixture
def provided(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Let the command find images that are built already, and return which it asks for."""
    asked: list[str] = []

    def of_the_cache(target: str) -> Image:
        asked.append(target)
        place = tmp_path / f"{target}.tar"
        place.write_text(target, encoding="utf-8")
        return Image(archive=place, name=target)

    monkeypatch.setattr(command, "provide", of_the_cache)
    return asked


def test_the_command_builds_every_image_or_those_it_is_told(
    provided: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main(["build", "--print-path"]) == 0
    assert provided == sorted(TARGETS)
    assert capsys.readouterr().out.split() == [
        str(tmp_path / f"{name}.tar") for name in sorted(TARGETS)
    ]
    provided.clear()
    copy = tmp_path / "copy.tar"
    words = ["build", "--print-path", "--target", "plugin", "--output", str(copy)]
    assert command.main(words) == 0
    assert provided == ["plugin"]
    assert copy.read_text(encoding="utf-8") == "plugin"


def test_two_images_do_not_fit_into_one_file(
    provided: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        command.main(["build", "--output", str(tmp_path / "both.tar")])
    assert "--output needs one --target of plugin, webhook" in capsys.readouterr().err
    assert provided == []
