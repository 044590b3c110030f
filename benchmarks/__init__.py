"""Measurements of the library, the webhook and the command line, each beside a named peer."""
