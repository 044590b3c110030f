"""The kubelet's edge: gRPC on unix sockets outside, claims in our words inside."""
