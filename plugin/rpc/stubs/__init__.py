"""Messages of the kubelet, generated from ../protos by `make generate`."""
