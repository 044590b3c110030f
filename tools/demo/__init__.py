"""``make demo``: the webhook and the command line on the manifests in ``examples/``."""
