"""What operators may write for the plugin: everything that works, and nothing that cannot."""

import pytest

from logs.lines import LogLevel
from plugin.hardware.fake import PROFILES as FOLDER
from plugin.settings import MpsLauncher
from tests.chart.chart import Helm, Json, NotRendered, with_plugin, with_tls
from tools.chart_plugin_values import PROFILES
from tools.chart_values import values


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"plugins": True}, "plugins"),
        ({"enabled": "yes"}, "enabled"),
        ({"simulate": "h1000"}, "simulate"),
        ({"simulate": "/etc/machine.yaml"}, "simulate"),
        ({"kubeletRootDir": "var/lib/kubelet"}, "kubeletRootDir"),
        ({"kubeletRootDir": "/var/lib/kubelet/"}, "kubeletRootDir"),
        ({"kubeletRootDir": f"/{'r' * 66}"}, "kubeletRootDir"),
        ({"cdiRoot": ""}, "cdiRoot"),
        ({"cdiRoot": "/etc/'cdi'"}, "cdiRoot"),
        ({"driverRoot": "run/nvidia"}, "driverRoot"),
        ({"metricsPort": 80}, "metricsPort"),
        ({"probePort": 65536}, "probePort"),
        ({"logLevel": "trace"}, "logLevel"),
        ({"ignoreNeighbours": "true"}, "ignoreNeighbours"),
        ({"image": {"digest": "latest"}}, "digest"),
        ({"mps": {"launcher": "deployment"}}, "launcher"),
        ({"mps": {"image": {}}}, "image"),
        ({"terminationGracePeriodSeconds": 15}, "terminationGracePeriodSeconds"),
        ({"updateStrategy": {"type": "Recreate"}}, "type"),
        ({"updateStrategy": {"rollingUpdate": {"maxSurge": "200%"}}}, "maxSurge"),
        ({"resources": {"limits": {"memory": "256MB"}}}, "memory"),
        ({"podLabels": {"app.kubernetes.io/component": "x"}}, "podLabels"),
        ({"networkPolicy": {"apiServerPorts": []}}, "apiServerPorts"),
    ],
    ids=str,
)
def test_helm_refuses_what_cannot_work_and_names_its_place(
    helm: Helm, wrong: Json, place: str
) -> None:
    with pytest.raises(NotRendered, match="don't meet the specifications") as caught:
        helm.render(with_plugin(wrong))
    assert place in str(caught.value)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"metricsPort": 51516},
            "plugin.metricsPort and plugin.probePort are both 51516; a pod needs two ports.",
        ),
        (
            {"simulate": "l4", "driverRoot": "/run/nvidia/driver"},
            (
                "plugin.simulate is l4, and plugin.driverRoot /run/nvidia/driver; "
                "a simulated machine has a driver of its own"
            ),
        ),
        ({"cdiRoot": "/var/run/../cdi"}, "must be paths without `..`"),
        ({"driverRoot": "/.."}, "must be paths without `..`"),
        (
            {"updateStrategy": {"type": "OnDelete", "rollingUpdate": {"maxSurge": 1}}},
            "plugin.updateStrategy.type is OnDelete, which has no rollingUpdate.",
        ),
        (
            {
                "kubeletRootDir": f"/{'r' * 40}",
                "updateStrategy": {"rollingUpdate": {"maxSurge": 1}},
            },
            "rollingUpdate.maxSurge is 1, but two plugins cannot live on one node here",
        ),
    ],
    ids=["ports", "driver of its own", "up", "root and up", "two strategies", "no room for two"],
)
def test_what_no_schema_can_compare_is_refused_in_a_sentence(
    helm: Helm, wrong: Json, sentence: str
) -> None:
    with pytest.raises(NotRendered) as caught:
        helm.render(with_plugin(wrong))
    assert sentence in str(caught.value)


@pytest.mark.parametrize("most", [1, "25%"])
def test_an_old_kubelet_takes_one_plugin_only(helm: Helm, most: int | str) -> None:
    surge = with_plugin({"updateStrategy": {"rollingUpdate": {"maxSurge": most}}})
    helm.render(surge, kubernetes="1.33.0")
    with pytest.raises(NotRendered, match="but two plugins cannot live on one node here"):
        helm.render(surge, kubernetes="1.32.9")


@pytest.mark.parametrize("none", [0, "0%"])
def test_no_surge_is_taken_everywhere(helm: Helm, none: int | str) -> None:
    chosen = {"updateStrategy": {"rollingUpdate": {"maxSurge": none, "maxUnavailable": 1}}}
    rendered = helm.render(with_plugin(chosen), kubernetes="1.32.9")
    assert rendered.one("DaemonSet")["spec"]["updateStrategy"] == chosen["updateStrategy"]


@pytest.mark.parametrize(
    "name", ["gpu", "nvidia.com/", "nvidia.com/gpu count", "-x/gpu", "nvidia.com/gpu/x"]
)
def test_a_resource_that_pods_cannot_ask_for_is_refused(helm: Helm, name: str) -> None:
    chosen = {"deviceClasses": {"extendedResourceName": name}}
    with pytest.raises(NotRendered, match="extendedResourceName"):
        helm.render(with_tls("self-managed", chosen))


def test_the_words_are_those_of_the_plugin() -> None:
    schemas = {value.path: value.schema for value in values()}
    assert {*schemas["plugin.logLevel"]["enum"]} == {level.name.lower() for level in LogLevel}
    assert {*schemas["plugin.mps.launcher"]["enum"]} == {str(one) for one in MpsLauncher}
    assert [*PROFILES] == sorted(file.stem for file in FOLDER.glob("*.yaml"))
    assert schemas["plugin.simulate"]["enum"] == ["", *PROFILES]
