"""What documents are held against, whatever file they stand in."""

from dataclasses import dataclass

from dra_config import scheme
from dra_config.cli.targets import Implementation
from dra_config.gates import FeatureGates


@dataclass(frozen=True, slots=True)
class Criteria:
    """What documents are held against."""

    gates: FeatureGates | None = None
    """The feature gates of the cluster; None while nobody knows them."""
    target: Implementation = Implementation.OURS
    """Whose plugin prepares the claims."""
    as_parameters: bool = False
    """Whether every document is opaque parameters, whatever it calls itself."""
    driver: str | None = None
    """The driver that such parameters are addressed to; None to go by their kind."""
    drivers: frozenset[str] = frozenset(scheme.DRIVERS)
    """The drivers whose configs are judged; those of others are passed over."""
