"""What an operator may decide, and what is said of what cannot work."""

from pathlib import Path

import pytest

from dra_config.gates import FeatureGate
from dra_config.scheme import DRIVERS, GPU_DRIVER
from flags.given import InvalidSettings
from logs.lines import LogLevel
from plugin.settings import MpsLauncher, Settings, parse_settings

NODE = ("--node-name", "node-a")
IN_A_POD = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}


def parsed(*arguments: str, **environment: str) -> Settings:
    return parse_settings([*NODE, *arguments], IN_A_POD | environment)


def refusal(*arguments: str, **environment: str) -> str:
    with pytest.raises(InvalidSettings) as raised:
        parsed(*arguments, **environment)
    return str(raised.value)


def test_in_a_pod_the_name_of_the_node_is_all_that_is_needed() -> None:
    settings = parsed()
    assert settings.server == ("10.96.0.1", 443)
    assert settings.kubeconfig is None
    assert settings.registry == Path("/var/lib/kubelet/plugins_registry")
    assert settings.folder == Path("/var/lib/kubelet/plugins/gpu.nvidia.com")
    assert settings.cdi_root == Path("/var/run/cdi")
    assert settings.driver_root == settings.driver_root_mount == Path("/")
    assert settings.simulation is None
    assert settings.drivers == tuple(DRIVERS)
    assert (settings.probe_port, settings.metrics_port) == (51516, 8080)
    assert settings.log_level is LogLevel.INFO
    assert settings.mps.launcher is MpsLauncher.POD
    assert not settings.ignore_neighbours


def test_without_the_name_of_the_node_nothing_starts() -> None:
    with pytest.raises(InvalidSettings, match="--node-name is needed: the name of the Node"):
        parse_settings([], IN_A_POD)


def test_outside_of_a_pod_a_kubeconfig_is_needed() -> None:
    with pytest.raises(InvalidSettings, match="--kubeconfig is needed outside of a pod, where "):
        parse_settings(NODE, {})
    settings = parse_settings([*NODE, "--kubeconfig", "/etc/kubeconfig"], {})
    assert settings.kubeconfig == Path("/etc/kubeconfig")


def test_every_flag_is_a_variable_and_wins_over_it() -> None:
    variables = {
        "DRA_CONFIG_PLUGIN_LOG_LEVEL": "debug",
        "DRA_CONFIG_PLUGIN_DRIVER_ROOT": "/run/nvidia/driver",
        "DRA_CONFIG_PLUGIN_MPS_TOLERATIONS": '[{"operator": "Exists"}]',
        "DRA_CONFIG_PLUGIN_MPS_IMAGE_PULL_SECRETS": "one, two,",
    }
    settings = parsed(**variables)
    assert settings.log_level is LogLevel.DEBUG
    assert settings.driver_root_mount == Path("/run/nvidia/driver")
    assert settings.mps.tolerations == ({"operator": "Exists"},)
    assert settings.mps.image_pull_secrets == ("one", "two")
    assert parsed("--log-level", "error", **variables).log_level is LogLevel.ERROR


def test_the_root_of_the_driver_may_be_mounted_elsewhere() -> None:
    settings = parsed("--driver-root-mount", "/driver-root")
    assert (settings.driver_root, settings.driver_root_mount) == (Path("/"), Path("/driver-root"))


def test_gates_are_those_that_the_webhook_reads() -> None:
    """D14: what no plugin can start with is refused before anything is done."""
    settings = parsed("--feature-gates", "MPSSupport=true", FABRIC_TOPOLOGY_SUPPORT="true")
    assert FeatureGate.MPS_SUPPORT in settings.feature_gates
    assert FeatureGate.FABRIC_TOPOLOGY_SUPPORT in settings.feature_gates
    assert FeatureGate.MPS_SUPPORT in parsed(FEATURE_GATES="MPSSupport=true").feature_gates
    assert refusal("--feature-gates", "AllAlpha=true").startswith("--feature-gates: ")


def test_a_simulation_may_die_at_a_step_and_boot_again() -> None:
    simulation = parsed("--simulate", "h100", "--boot-id", "b", "--crash-at", "3").simulation
    assert simulation is not None
    assert (simulation.profile, simulation.boot_id, simulation.crash_at) == ("h100", "b", 3)


@pytest.mark.parametrize("flag", ["--boot-id", "--crash-at", "--steps-file"])
def test_nothing_but_a_simulation_can_be_told_to_crash(flag: str) -> None:
    assert refusal(flag, "1") == f"{flag} goes with --simulate only"


def test_a_port_of_minus_one_is_none() -> None:
    settings = parsed("--probe-port", "-1", "--metrics-port=-1")
    assert (settings.probe_port, settings.metrics_port) == (None, None)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ("--metrics-port", "65536"),
            "--metrics-port takes a whole number from 0 to 65535, not '65536'",
        ),
        (("--cdi-root", "cdi"), "--cdi-root takes an absolute path, not 'cdi'"),
        (("--mps-launcher", "Job"), "--mps-launcher takes pod, process, not 'Job'"),
        (
            ("--mps-tolerations", '{"a": 1}'),
            "--mps-tolerations takes a JSON list of objects, not '{\"a\": 1}'",
        ),
        (
            ("--ignore-neighbours", "maybe"),
            "--ignore-neighbours takes true, false, not 'maybe'",
        ),
        (
            ("--drivers", "compute-domain.nvidia.com"),
            f"--drivers needs {GPU_DRIVER}, which this plugin is",
        ),
        (("--nodename", "a"), "unrecognized arguments: --nodename a"),
    ],
)
def test_what_cannot_work_is_refused_with_what_would(
    arguments: tuple[str, ...], sentence: str
) -> None:
    assert refusal(*arguments) == sentence


def test_a_pull_policy_is_handed_on_as_kubernetes_writes_it() -> None:
    assert parsed("--mps-image-pull-policy", "ifnotpresent").mps.image_pull_policy == (
        "IfNotPresent"
    )
