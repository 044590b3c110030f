"""The command dra-config: what stands on the command line becomes findings and an exit code."""

from dra_config.cli.entry import main

__all__ = ["main"]
