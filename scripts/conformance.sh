#!/usr/bin/env bash
# Runs Snakemake's own tests with byok8s: here, and on the cluster that BYOK8S_TEST_KUBECONFIG names or the rig if it runs.
# Arguments: see `--help`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ -z ${BYOK8S_TEST_KUBECONFIG:-} && " $* " != *" --local "* ]] && lines=$(tests/rig/env.sh 2>/dev/null); then
  eval "$lines"
  # tests of Snakemake's ask for more cores and memory than this machine has, and use next to nothing of either
  trap 'tests/rig/node.sh real' EXIT
  tests/rig/node.sh 64 1024
fi
PYTHONPATH=tests/helpers:tests .venv/bin/python -m conformance "$@"
