"""The images of the services, built with or without a container registry."""
