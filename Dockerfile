# The images of the services, one target each. They hold Python, the pinned packages and the code of
# the service, and nothing else: no shell, no pip, no package manager.
#
# No step reaches the network: packages come from build/wheelhouse, which
# `python -m tools.images wheelhouse` fills, and the plugin's nvidia-cdi-hook from build/hook, where
# `python -m tools.images hook` compiles it. docs/how-to/kind.md shows the way with Docker;
# `python -m tools.images build` needs neither Docker nor a registry.

# Any image with Python 3.11 or newer and glibc.
ARG BASE=python:3.13-slim-bookworm

# Each RUN starts a program without a shell, so the base image needs none either.
FROM ${BASE} AS webhook-parts
WORKDIR /build
COPY build/wheelhouse wheelhouse
COPY requirements/webhook.txt .
COPY tools/images/inside tools/images/inside
RUN ["python3", "-m", "tools.images.inside", "install", "/parts", "webhook.txt", "wheelhouse"]
RUN ["python3", "-m", "tools.images.inside", "gather", "/system", "/parts"]

FROM webhook-parts AS webhook-sources
COPY dra_config sources/dra_config
COPY flags sources/flags
COPY kube sources/kube
COPY logs sources/logs
COPY webhook sources/webhook
RUN ["python3", "-m", "tools.images.inside", "add-sources", "/sources", "sources"]

FROM scratch AS webhook
# From what changes least to what changes most.
COPY --from=webhook-parts /system /
COPY --from=webhook-parts /parts /
COPY --from=webhook-sources /sources /
COPY LICENSE /app/
# No byte is written but where a setting says so: the root file system may be read-only.
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 PYTHONUTF8=1
USER 65532:65532
EXPOSE 10250 6080
ENTRYPOINT ["/app/bin/python3", "-m", "webhook"]
ARG VERSION=unknown
LABEL org.opencontainers.image.title="dra-config-webhook" \
      org.opencontainers.image.description="Judges the opaque GPU configuration in Kubernetes ResourceClaims" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"

FROM ${BASE} AS plugin-parts
WORKDIR /build
COPY build/wheelhouse wheelhouse
COPY requirements/plugin.txt .
COPY tools/images/inside tools/images/inside
RUN ["python3", "-m", "tools.images.inside", "install", "/parts", "plugin.txt", "wheelhouse"]
RUN ["python3", "-m", "tools.images.inside", "gather", "/system", "/parts"]

FROM plugin-parts AS plugin-sources
COPY dra_config sources/dra_config
COPY flags sources/flags
COPY kube sources/kube
COPY logs sources/logs
COPY plugin sources/plugin
RUN ["python3", "-m", "tools.images.inside", "add-sources", "/sources", "sources"]

FROM scratch AS plugin
COPY --from=plugin-parts /system /
COPY --from=plugin-parts /parts /
# A static program: the plugin copies it to the host, whose container runtime starts it.
ARG TARGETARCH
COPY build/hook/${TARGETARCH} /
COPY --from=plugin-sources /sources /
COPY LICENSE /app/
ENV HOME=/tmp PYTHONDONTWRITEBYTECODE=1 PYTHONSAFEPATH=1 PYTHONUTF8=1
# The kubelet's sockets, the CDI folder and the devices belong to root.
USER 0:0
EXPOSE 8080 51516
ENTRYPOINT ["/app/bin/python3", "-m", "plugin"]
ARG VERSION=unknown
LABEL org.opencontainers.image.title="dra-config-plugin" \
      org.opencontainers.image.description="Offers a node's NVIDIA GPUs to Kubernetes and prepares them for pods" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.licenses="Apache-2.0"
