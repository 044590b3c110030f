"""What runs inside an image build: gathers the files that a service needs, and only those.

The Dockerfile calls it with the Python of the base image, so it needs the standard library alone
and works without a shell. It never reaches the network.
"""
