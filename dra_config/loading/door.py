"""``dra_config.load``: a config that can be used, or an exception with every violation."""

from collections.abc import Mapping
from typing import NamedTuple

from dra_config import hub, scheme
from dra_config.gates import FeatureGates
from dra_config.loading.examination import judge
from dra_config.violations import InvalidConfig, Violation

_DEFAULT_GATES = FeatureGates()


class Loaded(NamedTuple):
    """A config that can be used."""

    config: hub.Config
    warnings: tuple[Violation, ...]
    """What does not do what it seems to do."""


def load(
    parameters: bytes | str | Mapping[str, object],
    *,
    driver: str = scheme.GPU_DRIVER,
    gates: FeatureGates = _DEFAULT_GATES,
) -> Loaded:
    """Return the settled config that *parameters* stand for.

    Args:
        parameters: What stands under ``opaque.parameters``, as JSON text of at most 10240 bytes.
            Text is preferred, because Python objects have lost their repeated keys.
        driver: The driver that the parameters are addressed to, one of `scheme.DRIVERS`.
        gates: The feature gates of the installation; the catalogue's defaults if left out.

    Raises:
        InvalidConfig: With every violation, if any of them is an error.
        KeyError: If *driver* is not one whose parameters are known.
    """
    config, violations = judge(parameters, driver, gates)
    if config is None:
        raise InvalidConfig(violations)
    return Loaded(config, violations)
