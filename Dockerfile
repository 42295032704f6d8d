# The image: one static binary and nothing else.
#
#     docker build -t alipay-sidecar .      builds everything in a container of Rust's
#     make image                            makes the same last stage around a binary built here, and pulls nothing

FROM docker.io/library/rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN make image-root IMAGE_ROOT=/image

FROM scratch
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="alipay-sidecar" \
      org.opencontainers.image.description="Verifies what Alipay posts to your app, and hands it on as typed JSON" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# With a folder for the ledger that the user below may write to, where no volume is mounted or a fresh one of Docker's.
COPY --from=build --chown=65532:65532 /image/ /
USER 65532:65532
EXPOSE 8080 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/alipay-sidecar", "ready"]
ENTRYPOINT ["/alipay-sidecar"]
CMD ["run", "--config", "/etc/alipay-sidecar/sidecar.toml"]
