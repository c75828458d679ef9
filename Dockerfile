# byok8s's slim worker image: Python, Snakemake and its S3 plugin, in the versions that the tests were run with.
# It is a smaller and faster choice than snakemake/snakemake, not a need; byok8s brings its own code to the pod.
#   docker build -t NAME . && docker push NAME && byok8s … --image NAME
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS packages
COPY constraints-worker.txt /
# Compiled here, because pods run as a user who cannot write: what is not compiled now is compiled at every start.
RUN python -m venv /opt/venv \
 && /opt/venv/bin/pip install --no-cache-dir --require-hashes -r /constraints-worker.txt \
 && /opt/venv/bin/pip uninstall --yes pip \
 && python -m compileall -q -j 0 /opt/venv

FROM python:${PYTHON}-slim
LABEL org.opencontainers.image.title="byok8s worker" \
      org.opencontainers.image.description="Python, Snakemake and its S3 storage plugin, for the pods of byok8s" \
      org.opencontainers.image.licenses="MIT"
# ps, which Snakemake's benchmarks and people's scripts expect
RUN apt-get update \
 && apt-get install --yes --no-install-recommends procps \
 && rm -rf /var/lib/apt/lists/*
COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH LANG=C.UTF-8
USER 1000:1000
CMD ["bash"]
