# batchtel's collector: one static program and a health check, as user 10001, without a shell.
#
#   docker build -f compose/images/collector.Dockerfile -t batchtel-collector:0.1.0 collector/batchtel_collector
#
# The same source makes the same bytes: modules are locked by go.sum, paths and build times are left out.
ARG GO=golang:1.26.6
FROM ${GO} AS build
ENV CGO_ENABLED=0 GOTOOLCHAIN=local GOFLAGS="-mod=readonly -trimpath -buildvcs=false"
WORKDIR /source
COPY processors processors
COPY distribution distribution
RUN cd distribution/healthcheck && go build -ldflags="-s -w" -o /out/healthcheck .
RUN cd distribution/module && go build -ldflags="-s -w" -o /out/otelcol-batchtel .
RUN mkdir -p /out/data

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/healthcheck /healthcheck
COPY --from=build /out/otelcol-batchtel /otelcol-batchtel
# A fresh volume that is mounted there gets this owner from Docker.
COPY --from=build --chown=10001:10001 /out/data /var/lib/batchtel
USER 10001:10001
EXPOSE 4317 4318 13133
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=6 CMD ["/healthcheck"]
ENTRYPOINT ["/otelcol-batchtel"]
