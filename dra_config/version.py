"""The version of the project, written down once."""

__version__ = "0.1.0"
