# One image for all services (code server, webserver, daemon), on a laptop and in production.
#
# The base is pinned by the digest of its multi-platform index. Dependabot updates it; by hand:
#   docker buildx imagetools inspect python:3.11-slim-bookworm --format '{{.Manifest.Digest}}'
FROM python:3.11.16-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b AS base


FROM base AS build

# Bytecode is written during the build, because containers have a read-only root filesystem.
ENV UV_COMPILE_BYTECODE=1 \
    UV_LINK_MODE=copy \
    UV_PROJECT_ENVIRONMENT=/opt/stock_platform/venv \
    UV_PYTHON_DOWNLOADS=never

WORKDIR /build
COPY pyproject.toml uv.lock ./

# Install uv in the version of uv.lock.
RUN python3 -m venv /opt/uv \
    && /opt/uv/bin/python -c "import tomllib; print(*(f'uv=={package[\"version\"]}' for package in tomllib.load(open('uv.lock', 'rb'))['package'] if package['name'] == 'uv'))" > /opt/uv/requirements.txt \
    && /opt/uv/bin/pip install --no-cache-dir --requirement /opt/uv/requirements.txt

RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --locked --no-default-groups --group production --no-install-project

COPY README.md ./
COPY stock_platform stock_platform
COPY spark_jobs spark_jobs

# Removed: Spark's jars, because the image has no Java (Sail and Dataproc need none), and the
# descriptions of Google's APIs, which only googleapiclient's discovery reads.
RUN --mount=type=cache,target=/root/.cache/uv \
    /opt/uv/bin/uv sync --locked --no-default-groups --group production --no-editable \
    && rm -r /opt/stock_platform/venv/lib/python3.11/site-packages/pyspark/jars \
             /opt/stock_platform/venv/lib/python3.11/site-packages/googleapiclient/discovery_cache/documents


FROM base

LABEL org.opencontainers.image.title="stock_platform" \
      org.opencontainers.image.description="Daily stock prices to a star schema: Dagster code server, webserver and daemon" \
      org.opencontainers.image.base.name="python:3.11.16-slim-bookworm"

RUN useradd --system --uid 10001 --user-group --no-create-home --home-dir /tmp --shell /usr/sbin/nologin stock \
    && mkdir -p /opt/dagster/home /data \
    && chown stock:stock /data

COPY --from=build /opt/stock_platform/venv /opt/stock_platform/venv
COPY deploy/entrypoint.sh deploy/workspace.yaml /opt/stock_platform/

# Libraries write to /tmp, the only writable folder. Without the purge, Arrow and Sail keep freed
# memory, 160 MB in a run of 125,000 prices.
ENV DAGSTER_HOME=/opt/dagster/home \
    HOME=/tmp \
    MIMALLOC_PURGE_DELAY=0 \
    PATH=/opt/stock_platform/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1

WORKDIR /opt/dagster
USER 10001:10001
EXPOSE 3000 4000

ENTRYPOINT ["/opt/stock_platform/entrypoint.sh"]
CMD ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "stock_platform.definitions", "--location-name", "stock_platform"]

# Check of the default command; the compose files have one per service.
HEALTHCHECK --interval=60s --timeout=20s --start-period=120s --start-interval=5s --retries=3 \
    CMD ["dagster", "api", "grpc-health-check", "--port", "4000"]
