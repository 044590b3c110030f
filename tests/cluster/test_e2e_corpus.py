"""A real API server with our webhook, and `dra-config validate`, refuse the same manifests."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
import yaml

from tests.chart.chart import Helm
from tests.chart.installed import namespace
from tests.cluster.api_server import ApiServer
from tests.cluster.binaries import Settings, provide
from tests.cluster.client import Client, Json
from tests.cluster.e2e.beside import ROOT, Beside, beside
from tests.cluster.e2e.bodies import PLURALS, VERSIONS, path

SERVED = {f"resource.k8s.io/{version}" for version in VERSIONS}
GATES = {
    "defaults": "",
    "more": ",".join(
        f"{gate}=true"
        for gate in (
            "TimeSlicingSettings",
            "MPSSupport",
            "PassthroughSupport",
            "FabricTopologySupport",
        )
    ),
}
REFUSED = {"defaults": 22, "more": 6}
"""How many manifests both sides refuse at least, by the gates: neither side lets all pass."""

NO_ADMIN = (
    "It asks for admin access, for which the API server wants a label on the namespace; validate "
    "judges manifests and sees no namespace."
)
DIFFERENCES: Mapping[tuple[str, str], str] = {
    ("manifests/example/demo/examples/admin-access/admin-access.yaml#3", "admission"): NO_ADMIN,
    ("manifests/intel/deployments/gaudi/examples/monitor-pod-inline.yaml#1", "admission"): (
        NO_ADMIN
    ),
    ("manifests/intel/deployments/gpu/examples/monitor-pod-inline.yaml#1", "admission"): NO_ADMIN,
}
"""Why only one side refuses a manifest, by its place and the side that refuses."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One claim, template or class as it stands in a file."""

    place: str
    """File and number of the document, from 1 on."""
    text: str
    suffix: str
    """`.yaml` or `.json`"""
    head: Json

    @property
    def namespace(self) -> str:
        """Where it wants to be."""
        found: str = self.head["metadata"].get("namespace", "default")
        return found


def manifests(folder: Path, start: Path) -> Iterator[Manifest]:
    """Yield what the API server can be asked about in *folder*, in order."""
    for file in sorted(folder.rglob("*")):
        if file.suffix not in {".yaml", ".yml", ".json"}:
            continue
        text = file.read_text(encoding="utf-8")
        parts = [text] if file.suffix == ".json" else re.split(r"(?m)^---(?:[ \t].*)?$", text)
        for number, part in enumerate(parts, 1):
            try:
                head = yaml.safe_load(part)
            except yaml.YAMLError:
                continue  # a template for helm, which validate passes by as well
            if (
                isinstance(head, dict)
                and head.get("kind") in PLURALS
                and head.get("apiVersion") in SERVED
            ):
                place = f"{file.relative_to(start).as_posix()}#{number}"
                suffix = ".json" if file.suffix == ".json" else ".yaml"
                yield Manifest(place, part, suffix, head)


@pytest.fixture(scope="module")
def corpus(shared_corpus: Path) -> list[Manifest]:
    return [
        *manifests(ROOT / "examples", ROOT),
        *manifests(shared_corpus / "manifests", shared_corpus),
    ]


@pytest.fixture(scope="module")
def webhook(api_server: ApiServer, cluster_settings: Settings) -> Iterator[Beside]:
    helm = Helm(provide(cluster_settings, only=("helm",)).helm)
    with beside(api_server, helm) as running:
        yield running


def refused_by_admission(client: Client, corpus: list[Manifest]) -> dict[str, str]:
    """Return what the API server says of those that it would not store, by their place."""
    found: dict[str, str] = {}
    for one in corpus:
        group, kind = one.head["apiVersion"], one.head["kind"]
        version = group.partition("/")[2]
        answer: httpx.Response = client.http.post(
            path(kind, namespace=one.namespace, version=version),
            content=one.text,
            headers={"Content-Type": f"application/{one.suffix[1:]}"},
            params={"dryRun": "All", "fieldValidation": "Strict"},
        )
        if answer.is_error:
            assert answer.status_code in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
            found[one.place] = answer.json()["message"]
    return found


def refused_by_validate(corpus: list[Manifest], gates: str, folder: Path) -> dict[str, str]:
    """Return the errors of `dra-config validate`, by the place of the manifest."""
    places: dict[str, str] = {}
    for number, one in enumerate(corpus):
        file = folder / f"{number:04d}{one.suffix}"
        file.write_text(one.text, encoding="utf-8")
        places[file.name] = one.place
    run = subprocess.run(
        [
            *(sys.executable, "-m", "dra_config", "validate", "--output=json"),
            *(f"--feature-gates={gates}", str(folder)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    found: dict[str, str] = {}
    for finding in json.loads(run.stdout)["findings"]:
        if finding["severity"] == "error":
            place = places[Path(finding["path"]).name]
            found[place] = f"{found.get(place, '')}{finding['rule']} {finding['message']}; "
    return found


@pytest.mark.parametrize("name", GATES)
def test_a_manifest_is_refused_exactly_when_validate_has_an_error(
    webhook: Beside, corpus: list[Manifest], name: str, tmp_path: Path
) -> None:
    """D123: nobody applies the reference driver's examples, and some have stopped working."""
    webhook.restart(GATES[name])
    webhook.wait_judging()
    with ExitStack() as stack:
        for own in sorted({one.namespace for one in corpus} - {"default"}):
            stack.enter_context(namespace(webhook.client, own))
        admission = refused_by_admission(webhook.client, corpus)
    validate = refused_by_validate(corpus, GATES[name], tmp_path)
    assert len(corpus) >= 125
    assert len(admission.keys() & validate.keys()) >= REFUSED[name]
    differing = {
        (place, side): said[place]
        for side, said, other in (
            ("admission", admission, validate),
            ("validate", validate, admission),
        )
        for place in said
        if place not in other
    }
    assert {key: said for key, said in differing.items() if key not in DIFFERENCES} == {}
    assert differing.keys() == DIFFERENCES.keys()
