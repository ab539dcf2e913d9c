# The image of both programs: one static binary, the CA certificates that it checks OTLP collectors and Redis by, and nothing
# else. Time zones are in the binary. `make image` builds it; by hand: docker build --build-arg VERSION=0.1.0 .

# Any image with this Go, a shell, touch and CA certificates will do, such as one of your own registry.
ARG GO_IMAGE=docker.io/library/golang:1.26.8

# The compiler runs on the machine that builds, and cross-compiles to what is asked for.
FROM --platform=$BUILDPLATFORM ${GO_IMAGE} AS build
ARG TARGETOS
ARG TARGETARCH
ARG VERSION=devel
# Where modules come from, as go takes it; without it, what Go takes by default.
ARG GOPROXY
# Seconds since 1970 that all files are dated with, so that the same sources give the same image.
ARG SOURCE_DATE_EPOCH=0
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH GOFLAGS= GOTOOLCHAIN=local GOPROXY=$GOPROXY \
    GOMODCACHE=/go/pkg/mod GOCACHE=/root/.cache/go-build \
    go build -trimpath -buildvcs=false -ldflags "-s -w -X main.version=$VERSION" \
        -o /image/apikey-operator ./cmd/apikey-operator
RUN mkdir -p /image/etc/ssl/certs \
    && cp -L /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ \
    && chmod 0755 /image/apikey-operator && chmod 0644 /image/etc/ssl/certs/ca-certificates.crt \
    && find /image -exec touch -d "@$SOURCE_DATE_EPOCH" {} +

FROM scratch
ARG VERSION=devel
ARG REVISION=unknown
LABEL org.opencontainers.image.title="apikey-operator" \
      org.opencontainers.image.description="Issues API keys for ApiKey resources, and checks them for ingress proxies" \
      org.opencontainers.image.source="https://github.com/apikey-operator/apikey-operator" \
      org.opencontainers.image.documentation="https://github.com/apikey-operator/apikey-operator/tree/main/docs" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /image/ /
# By number, so that Kubernetes can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["/apikey-operator"]
