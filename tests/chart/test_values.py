"""What operators may write: everything that works, and nothing that cannot."""

import json
from typing import Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from dra_config.gates import SPECS, InvalidGates, resolve
from dra_config.version import __version__
from flags.given import InvalidSettings
from logs.lines import LogLevel
from tests.chart.chart import CHART, Helm, Json, NotRendered, with_tls
from tools.chart_gates import ALL_OF_STAGE
from tools.chart_pages import semantic_version
from tools.chart_schema import document
from tools.chart_values import values
from webhook.settings import parse_settings

SCHEMA: Final = Draft7Validator(document())
RELATED: Final = sorted(
    {str(name) for gate, spec in SPECS.items() for name in (spec.excludes | spec.requires)}
    | {str(gate) for gate, spec in SPECS.items() if spec.excludes or spec.requires}
    | {*ALL_OF_STAGE.values()}
)
"""The gates that have to do with others."""
NAMES: Final = sorted({*map(str, SPECS), *ALL_OF_STAGE.values()})


def resolvable(gates: dict[str, bool]) -> bool:
    try:
        resolve(",".join(f"{name}={str(on).lower()}" for name, on in gates.items()))
    except InvalidGates:
        return False
    return True


@given(
    st.one_of(
        st.dictionaries(st.sampled_from(NAMES), st.booleans()),
        st.dictionaries(st.sampled_from(RELATED), st.booleans()),
    )
)
def test_the_schema_refuses_exactly_the_gates_that_the_library_refuses(
    gates: dict[str, bool],
) -> None:
    assert SCHEMA.is_valid({"featureGates": gates}) is resolvable(gates)


@given(st.text(max_size=8) | st.sampled_from(["mpssupport", "MPSSupport ", "AllGA"]))
def test_the_schema_refuses_a_gate_that_nobody_knows(name: str) -> None:
    assert SCHEMA.is_valid({"featureGates": {name: True}}) is (name in NAMES)


@pytest.mark.parametrize(
    ("gates", "place", "sentence"),
    [
        (
            {"DynamicMIG": True, "MPSSupport": True},
            "featureGates",
            "DynamicMIG and MPSSupport exclude each other",
        ),
        ({"DeviceMetadata": True}, "DeviceMetadata", "DeviceMetadata needs PassthroughSupport"),
        (
            {"IMEXDaemonsWithDNSNames": False},
            "IMEXDaemonsWithDNSNames",
            "ComputeDomainCliques needs IMEXDaemonsWithDNSNames",
        ),
        ({"AllAlpha": True}, "AllAlpha", "DynamicMIG and PassthroughSupport exclude each other"),
    ],
)
def test_helm_says_which_gates_cannot_be_on_together(
    helm: Helm, gates: dict[str, bool], place: str, sentence: str
) -> None:
    """D121: with the reference driver such a set installs cleanly, and then the plugin crashes."""
    with pytest.raises(NotRendered) as caught:
        helm.render(with_tls("secret", {"featureGates": gates}))
    assert place in str(caught.value)
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"webhooks": {}}, "webhooks"),
        ({"webhook": {"replica": 3}}, "replica"),
        ({"webhook": {"replicas": 0}}, "replicas"),
        ({"webhook": {"image": {"name": "x"}}}, "name"),
        ({"webhook": {"tls": {"mode": "selfsigned"}}}, "mode"),
        ({"webhook": {"tls": {"certManager": {"duration": "90d"}}}}, "duration"),
        ({"webhook": {"failurePolicy": "fail"}}, "failurePolicy"),
        ({"webhook": {"timeoutSeconds": 31}}, "timeoutSeconds"),
        ({"webhook": {"port": 443}}, "port"),
        ({"webhook": {"probePort": 65536}}, "probePort"),
        ({"webhook": {"resources": {"limits": {"memory": "256MB"}}}}, "memory"),
        ({"webhook": {"resources": {"limits": {"memory": "0.5Gi", "gpu": "1"}}}}, "gpu"),
        ({"webhook": {"podLabels": {"app.kubernetes.io/name": "x"}}}, "podLabels"),
        ({"webhook": {"excludedNamespaces": ["Kube"]}}, "excludedNamespaces"),
        ({"webhook": {"scope": "requests"}}, "scope"),
        ({"drivers": []}, "drivers"),
        ({"drivers": ["gpu.example.com"]}, "drivers"),
        ({"featureGates": {"MPSSupport": "true"}}, "MPSSupport"),
        ({"featureGates": {"MPSSupport": None}}, "MPSSupport"),
        ({"fullnameOverride": "x" * 41}, "fullnameOverride"),
    ],
    ids=str,
)
def test_helm_refuses_what_cannot_work_and_names_its_place(
    helm: Helm, wrong: Json, place: str
) -> None:
    with pytest.raises(NotRendered, match="don't meet the specifications") as caught:
        helm.render(with_tls("secret", wrong))
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"webhook": {"port": 6080}},
            "webhook.port and webhook.probePort are both 6080; a pod needs two ports.",
        ),
        (
            {"webhook": {"autoscaling": {"enabled": True, "minReplicas": 7}}},
            "webhook.autoscaling.minReplicas is 7 and webhook.autoscaling.maxReplicas 6",
        ),
        (
            {"webhook": {"tls": {"secret": {"name": ""}}}},
            "webhook.tls.secret.name must name a Secret",
        ),
        (
            {"webhook": {"tls": {"secret": {"caBundle": ""}}}},
            "webhook.tls.secret.caBundle must be the authority",
        ),
    ],
)
def test_what_no_schema_can_compare_is_refused_in_a_sentence(
    helm: Helm, wrong: Json, sentence: str
) -> None:
    with pytest.raises(NotRendered) as caught:
        helm.render(with_tls("secret", wrong))
    assert sentence in str(caught.value)


def test_the_defaults_are_valid() -> None:
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    SCHEMA.validate(defaults)
    assert defaults["webhook"]["replicas"] == 2
    flat = {value.path: value.default for value in values()}
    assert flat["webhook.tls.mode"] == defaults["webhook"]["tls"]["mode"]


def test_no_object_of_the_schema_takes_a_name_that_it_does_not_know() -> None:
    def open_objects(schema: Json, path: str) -> list[str]:
        below = [
            found
            for name, part in schema.get("properties", {}).items()
            if part is not False
            for found in open_objects(part, f"{path}.{name}")
        ]
        is_open = schema.get("type") == "object" and "additionalProperties" not in schema
        return [*below, *([path] if is_open else [])]

    assert open_objects(document(), "") == [".global", ".webhook.affinity", ".plugin.affinity"]


@pytest.mark.parametrize(
    ("path", "flag"),
    [
        ("webhook.workers", "--workers"),
        ("webhook.shutdownDelaySeconds", "--shutdown-delay"),
        ("webhook.timeoutSeconds", ""),
    ],
)
def test_the_bounds_are_those_of_the_webhook(path: str, flag: str) -> None:
    (schema,) = (value.schema for value in values() if value.path == path)
    least, most = schema["minimum"], schema["maximum"]
    if not flag:
        assert (least, most) == (1, 30), "the API server's own"
        return
    for number in (least, most):
        parse_settings([f"{flag}={number}"], {})
    for number in (least - 1, most + 1):
        with pytest.raises(InvalidSettings):
            parse_settings([f"{flag}={number}"], {})


def test_the_words_are_those_of_the_webhook() -> None:
    schemas = {value.path: value.schema for value in values()}
    assert len(schemas["webhook.logLevel"]["enum"]) == len(LogLevel)
    for word in schemas["webhook.logLevel"]["enum"]:
        parse_settings([f"--log-level={word}"], {})
    for word in ("configs", "requests"):
        taken = word in schemas["webhook.scope"]["enum"]
        if taken:
            parse_settings([f"--config-scope={word}"], {})
        else:
            with pytest.raises(InvalidSettings):
                parse_settings([f"--config-scope={word}"], {})


def test_the_linter_has_nothing_to_say(helm: Helm, mode: str) -> None:
    run = helm.run("lint", "--strict", CHART, "--values=-", text=json.dumps(with_tls(mode)))
    assert run.returncode == 0, run.stdout
    assert "0 chart(s) failed" in run.stdout
    assert "WARNING" not in run.stdout


def test_the_chart_has_the_version_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == __version__
    assert chart["version"] == semantic_version(__version__)


@pytest.mark.parametrize(
    ("version", "semantic"),
    [("1.2.3", "1.2.3"), ("1.2.3rc1", "1.2.3-rc.1"), ("0.2.0.dev4", "0.2.0-dev.4")],
)
def test_a_version_of_python_is_told_to_helm(version: str, semantic: str) -> None:
    assert semantic_version(version) == semantic


def test_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="is no version such as"):
        semantic_version("1.2")
