"""The front door: opaque parameters and gates in, a settled config or every violation out.

The package is not called ``load`` because the public function is: a package that fills itself
lazily cannot have a function and a module of one name.
"""

from typing import TYPE_CHECKING

from dra_config.lazily import lazily

if TYPE_CHECKING:
    from dra_config.loading.door import Loaded, load
    from dra_config.loading.examination import MAX_PARAMETERS_BYTES, Examined, examine, judge
    from dra_config.loading.gate_rules import judge_gates
    from dra_config.loading.recognition import recognise

__all__ = [
    "MAX_PARAMETERS_BYTES",
    "Examined",
    "Loaded",
    "examine",
    "judge",
    "judge_gates",
    "load",
    "recognise",
]

# A config that is recognised needs none of the models that the rest is built of.
__getattr__ = lazily(
    __name__,
    {
        "MAX_PARAMETERS_BYTES": ".examination",
        "Examined": ".examination",
        "Loaded": ".door",
        "examine": ".examination",
        "judge": ".examination",
        "judge_gates": ".gate_rules",
        "load": ".door",
        "recognise": ".recognition",
    },
)
