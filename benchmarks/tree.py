"""A whole tree of manifests, most of them somebody else's, judged by the command."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

import yaml

from benchmarks.comparison import Row, by_turns, compare
from benchmarks.cores import SERVER_CORE, stay_on
from benchmarks.inputs import ROOT, claim

TITLE: Final = "Tree"
KUBECONFORM: Final = "github.com/yannh/kubeconform/cmd/kubeconform@v0.7.0"
FILES: Final = 10_000
SHARE_OF_OURS: Final = 0.4
_REPEATS: Final = 3
_FILES_A_SECOND_GOAL: Final = 1.5
_TWO_JOBS_GOAL: Final = 1.8
_MEMORY_GOAL: Final = 1.15
_MICROSECONDS: Final = 1e6
_MILLISECONDS: Final = 1e3
_MEBIBYTE_IN_KIBIBYTES: Final = 1 / 1024


def note() -> str:
    """Return what stands above the table."""
    return (
        f"`dra-config validate` on a tree in which {SHARE_OF_OURS:.0%} of the files hold a claim "
        "with two configs and the rest Deployments, Services and ConfigMaps; wall time, start "
        "included. kubeconform gets no schemas and is told to ignore that, so it reads the files "
        "and validates nothing. Its row is missing where neither it nor Go is on the machine."
    )


def measure(seconds: float) -> Iterator[Row]:
    """Yield the rows; under a second the tree is a small one."""
    count, repeats = (FILES, _REPEATS) if seconds >= 1 else (100, 1)
    with tempfile.TemporaryDirectory(prefix="dra-config-bench-") as name:
        folder = Path(name)
        plant(folder / "tree", count)
        plant(folder / "tenth", count // 10)
        plant(folder / "none", 1)
        ours = _ours(folder / "bytecode")
        ours(folder / "tenth", 1)
        peer = kubeconform(folder)
        if peer is not None:
            program = peer
            with stay_on(SERVER_CORE):
                found = by_turns(
                    (
                        lambda: ours(folder / "tree", 1)[0],
                        lambda: _kubeconform(program, folder / "tree"),
                    ),
                    repeats,
                )
            yield compare(
                "a file on one core, beside kubeconform",
                "µs",
                *found,
                goal=1 / _FILES_A_SECOND_GOAL,
                scale=_MICROSECONDS / count,
            )
        yield compare(
            "a file with two jobs, beside one",
            "µs",
            *by_turns(
                (lambda: ours(folder / "tree", 2)[0], lambda: ours(folder / "tree", 1)[0]),
                repeats,
            ),
            goal=1 / _TWO_JOBS_GOAL,
            scale=_MICROSECONDS / count,
        )
        yield compare(
            "a file with two jobs, beside one: CPU",
            "µs",
            *by_turns(
                (lambda: ours(folder / "tree", 2)[2], lambda: ours(folder / "tree", 1)[2]),
                repeats,
            ),
            scale=_MICROSECONDS / count,
        )
        yield compare(
            "a run over one file, beside one over the whole tree",
            "ms",
            *by_turns(
                (lambda: ours(folder / "none", 1)[0], lambda: ours(folder / "tree", 1)[0]),
                repeats,
            ),
            scale=_MILLISECONDS,
        )
        yield compare(
            "peak memory, beside a tenth of the files",
            "MiB",
            [ours(folder / "tree", 1)[1]],
            [ours(folder / "tenth", 1)[1]],
            goal=_MEMORY_GOAL,
            scale=_MEBIBYTE_IN_KIBIBYTES,
        )


def plant(root: Path, count: int) -> None:
    """Write *count* files under *root*, no two alike and a hundred in a folder."""
    for number in range(count):
        file = root / f"{number // 100:03}" / f"{number:05}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        is_ours = number % 10 < SHARE_OF_OURS * 10
        documents = [claim(number * 2, 2)] if is_ours else _FOREIGN[number % 3](number)
        text = yaml.dump_all(documents, Dumper=yaml.CSafeDumper, sort_keys=False)
        file.write_text(text, encoding="utf-8")


def _deployment(number: int) -> list[dict[str, Any]]:
    name = f"web-{number}"
    container = {
        "name": "web",
        "image": f"registry.example.com/web:1.2.{number}",
        "args": ["--port", "8080", "--log-level", "info"],
        "ports": [{"name": "http", "containerPort": 8080}],
        "env": [{"name": f"SETTING_{index}", "value": f"{number}-{index}"} for index in range(4)],
        "resources": {"limits": {"cpu": "500m", "memory": "512Mi"}},
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 10},
        "volumeMounts": [{"name": "cache", "mountPath": "/var/cache/web"}],
    }
    pod = {
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container], "volumes": [{"name": "cache", "emptyDir": {}}]},
    }
    selector = {"matchLabels": {"app": name}}
    spec = {"replicas": 1 + number % 5, "selector": selector, "template": pod}
    return [_object("apps/v1", "Deployment", name) | {"spec": spec}]


def _service(number: int) -> list[dict[str, Any]]:
    name = f"web-{number}"
    port = {"name": "http", "port": 80, "targetPort": "http"}
    return [
        _object("v1", "Service", name) | {"spec": {"selector": {"app": name}, "ports": [port]}}
    ]


def _settings_map(number: int) -> list[dict[str, Any]]:
    text = "".join(f"option_{index} = {number + index}\n" for index in range(20))
    return [_object("v1", "ConfigMap", f"web-{number}") | {"data": {"web.conf": text}}]


def _object(version: str, kind: str, name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default", "labels": {"app": name}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata}


_FOREIGN: Final[Sequence[Callable[[int], list[dict[str, Any]]]]] = (
    _deployment,
    _service,
    _settings_map,
)


Ours: TypeAlias = Callable[[Path, int], tuple[float, float, float]]
"""Judges a tree with some jobs and says what it took: seconds, KiB, and CPU seconds."""


def _ours(bytecode: Path) -> Ours:
    """Return what judges a tree and says what it took."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"PYTHONPYCACHEPREFIX": str(bytecode), "PYTHONPATH": str(ROOT)}

    def run(tree: Path, jobs: int) -> tuple[float, float, float]:
        words = ["validate", "--feature-gates=MPSSupport=true", "--quiet", f"--jobs={jobs}"]
        command = [sys.executable, "-m", "dra_config", *words, str(tree)]
        started = time.perf_counter()
        with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError(f"dra-config ended with {process.returncode}")
        seconds = time.perf_counter() - started
        return seconds, float(usage.ru_maxrss), usage.ru_utime + usage.ru_stime

    return run


def kubeconform(folder: Path) -> str | None:
    """Return the program kubeconform, built into *folder* where only Go is there, or None."""
    found = shutil.which("kubeconform")
    if found is not None or shutil.which("go") is None:
        return found
    environment = {**os.environ, "GOBIN": str(folder / "go")}
    done = subprocess.run(
        ["go", "install", KUBECONFORM], env=environment, capture_output=True, check=False
    )
    return None if done.returncode else str(folder / "go" / "kubeconform")


def _kubeconform(program: str, tree: Path) -> float:
    nowhere = f"{tree}/no-schemas/{{{{ .ResourceKind }}}}.json"
    command = [program, "-n", "1", "-ignore-missing-schemas", "-schema-location", nowhere]
    started = time.perf_counter()
    subprocess.run(
        [*command, str(tree)],
        env={**os.environ, "GOMAXPROCS": "1"},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return time.perf_counter() - started
