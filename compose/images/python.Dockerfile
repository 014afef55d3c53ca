# Two images with the wheel of this checkout and the versions of uv.lock, on a slim Python. From the root of the checkout:
#
#   docker build -f compose/images/python.Dockerfile --target job -t batchtel-job:0.1.0 .
#   docker build -f compose/images/python.Dockerfile --target ui -t batchtel-ui:0.1.0 .
ARG PYTHON=python:3.13-slim
FROM ${PYTHON} AS build
ARG UV=0.13.8
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never \
    SOURCE_DATE_EPOCH=315532800
RUN pip install --quiet uv==${UV}
WORKDIR /source
COPY pyproject.toml uv.lock README.md LICENSE ./
COPY instrumentation instrumentation
COPY collector collector
COPY dashboards dashboards
COPY compose compose
RUN uv build --quiet --wheel --out-dir /dist
RUN uv export --quiet --locked --no-dev --no-emit-project -o /dist/job.txt \
    && uv export --quiet --locked --no-dev --no-emit-project --extra platform -o /dist/ui.txt
RUN mkdir -p /spool
RUN pip install --quiet --require-hashes --prefix /job -r /dist/job.txt \
    && pip install --quiet --no-deps --prefix /job /dist/*.whl
RUN pip install --quiet --require-hashes --prefix /ui -r /dist/ui.txt \
    && pip install --quiet --no-deps --prefix /ui /dist/*.whl

# For jobs: FROM it, add your packages and your program. A command that follows is a run of the job BATCHTEL_JOB.
FROM ${PYTHON} AS job
COPY --from=build /job /usr/local
# For BATCHTEL_SPOOL_DIR: a fresh volume that is mounted there gets this owner from Docker.
COPY --from=build --chown=10001:10001 /spool /var/spool/batchtel
USER 10001:10001
ENTRYPOINT ["batchtel", "run", "--"]
CMD ["python", "--version"]

# batchtel's pages, and every command of batchtel that needs no stack: runs, jobs, doctor, config.
FROM ${PYTHON} AS ui
COPY --from=build /ui /usr/local
USER 10001:10001
EXPOSE 9494
ENTRYPOINT ["batchtel"]
CMD ["ui", "--host", "0.0.0.0"]
