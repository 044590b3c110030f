"""Flags and environment variables."""

import subprocess
import sys
from pathlib import Path

import pytest

from dra_config.gates import FeatureGate
from flags.given import InvalidSettings
from logs.lines import LogLevel
from tests.webhook.served import ROOT
from webhook.settings import parse_settings


def test_without_anything_the_webhook_serves_as_documented() -> None:
    settings = parse_settings([], {"HOME": "/home/me"})
    assert (settings.port, settings.probe_port, settings.workers) == (10250, 6080, 1)
    assert settings.drivers == ("gpu.nvidia.com", "compute-domain.nvidia.com")
    assert settings.log_level is LogLevel.INFO
    assert settings.tls_certificate is None
    where = Path("/home/me/.local/state/dra-config/webhook-tls")
    assert settings.self_signed_directory == where


def test_every_flag_is_also_a_variable_and_the_flag_wins() -> None:
    environment = {
        "DRA_CONFIG_WEBHOOK_PORT": "1",
        "DRA_CONFIG_WEBHOOK_PROBE_PORT": "2",
        "DRA_CONFIG_WEBHOOK_TLS_CERT_FILE": "/c",
        "DRA_CONFIG_WEBHOOK_TLS_PRIVATE_KEY_FILE": "/k",
        "DRA_CONFIG_WEBHOOK_SELF_SIGNED": "false",
        "DRA_CONFIG_WEBHOOK_FEATURE_GATES": "MPSSupport=true",
        "DRA_CONFIG_WEBHOOK_DRIVERS": "compute-domain.nvidia.com, ",
        "DRA_CONFIG_WEBHOOK_WORKERS": "3",
        "DRA_CONFIG_WEBHOOK_LOG_LEVEL": "DEBUG",
        "DRA_CONFIG_WEBHOOK_CONFIG_SCOPE": "Configs",
        "DRA_CONFIG_WEBHOOK_SHUTDOWN_DELAY": "0.5",
        "DRA_CONFIG_WEBHOOK_BIND_ADDRESS": "127.0.0.1",
    }
    settings = parse_settings(["--workers", "4"], environment)
    assert (settings.port, settings.probe_port, settings.workers) == (1, 2, 4)
    assert (settings.tls_certificate, settings.tls_key) == (Path("/c"), Path("/k"))
    assert FeatureGate.MPS_SUPPORT in settings.feature_gates
    assert settings.drivers == ("compute-domain.nvidia.com",)
    assert settings.log_level is LogLevel.DEBUG
    assert settings.shutdown_delay_seconds == 0.5
    assert settings.bind_address == "127.0.0.1"


def test_the_list_of_gates_is_found_under_its_short_name_and_fabric_adds_to_it() -> None:
    environment = {"FEATURE_GATES": "MPSSupport=true", "FABRIC_TOPOLOGY_SUPPORT": "True"}
    gates = parse_settings([], environment).feature_gates
    assert FeatureGate.MPS_SUPPORT in gates
    assert FeatureGate.FABRIC_TOPOLOGY_SUPPORT in gates
    gates = parse_settings(["--feature-gates="], environment).feature_gates
    assert FeatureGate.MPS_SUPPORT not in gates


def test_a_gate_list_that_wins_over_the_variable_is_a_warning() -> None:
    arguments = ["--feature-gates=FabricTopologySupport=false"]
    settings = parse_settings(arguments, {"FABRIC_TOPOLOGY_SUPPORT": "true"})
    assert [warning.rule for warning in settings.gate_warnings] == ["DRA990"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--port=70000"], "70000"),
        (["--port=-1"], "--port"),
        (["--port=1_0"], "1_0"),
        (["--workers=0"], "--workers"),
        (["--log-level=loud"], "debug, info, warning, error"),
        (["--config-scope=all"], "--config-scope takes configs, not 'all'"),
        (["--config-scope=requests"], "no rule judges the requests of a claim yet"),
        (["--drivers=,"], "--drivers"),
        (["--drivers=GPU.nvidia.com"], "GPU.nvidia.com"),
        (["--shutdown-delay=nan"], "nan"),
        (["--shutdown-delay=61"], "61"),
        (["--feature-gates=NoSuch=true"], "NoSuch"),
        (["--feature-gates=MPSSupport=true,DynamicMIG=true"], "DRA981"),
        (["--tls-cert-file=/c"], "--tls-private-key-file"),
        (["--tls-cert-file=/c", "--tls-private-key-file=/k", "--self-signed"], "--self-signed"),
        (["--no-such-flag"], "--no-such-flag"),
    ],
)
def test_what_cannot_be_used_is_named_in_one_sentence(arguments: list[str], named: str) -> None:
    with pytest.raises(InvalidSettings) as raised:
        parse_settings(arguments, {})
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("value", ["maybe", "1"])
def test_a_wrong_fabric_variable_is_refused(value: str) -> None:
    with pytest.raises(InvalidSettings, match="FABRIC_TOPOLOGY_SUPPORT"):
        parse_settings([], {"FABRIC_TOPOLOGY_SUPPORT": value})


def test_the_process_ends_with_2_and_one_line() -> None:
    command = [sys.executable, "-m", "webhook", "--port=many"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == "webhook: --port takes a whole number from 0 to 65535, not 'many'\n"
