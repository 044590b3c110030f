"""The Kubernetes API as raw JSON: one client, where it finds the server, and Events."""
