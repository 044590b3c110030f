"""The kubelet plugins: prepare what the library settled, on one node."""
