# syntax=docker/dockerfile:1
# The worker: PostgreSQL's own clients 14 to 18 side by side, and ours. The release builds it from a base image by digest.
ARG BASE=python:3.13-slim-bookworm

FROM ${BASE} AS build
COPY requirements.txt requirements-worker.txt requirements.lock /src/
RUN python -m venv /opt/restore \
 && /opt/restore/bin/pip install --no-cache-dir --constraint /src/requirements.lock --requirement /src/requirements-worker.txt

FROM ${BASE}
ARG PG_MAJORS="14 15 16 17 18"
COPY docker/install-clients docker/healthy /usr/local/bin/
RUN install-clients ${PG_MAJORS} \
 && useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin worker \
 && install -d -o worker -g worker /work
COPY --from=build /opt/restore /opt/restore
COPY restore /opt/restore/app/restore
# Written to is /work alone: mount something there, and the rest may be read-only.
ENV PATH=/opt/restore/bin:$PATH \
    PYTHONPATH=/opt/restore/app \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/work \
    TMPDIR=/work
USER 10001:10001
WORKDIR /work
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["healthy"]
ENTRYPOINT ["python", "-m", "restore.worker"]
CMD ["--once"]
