#!/usr/bin/env bash
# Runs Snakemake's own tests with byok8s: here, and on the cluster that BYOK8S_TEST_KUBECONFIG names or the rig if it runs.
# Arguments: see `--help`.
set -euo pipefail
cd "$(dirname "$0")/.."
if [[ -z ${BYOK8S_TEST_KUBECONFIG:-} ]] && lines=$(tests/rig/env.sh 2>/dev/null); then eval "$lines"; fi
PYTHONPATH=tests/helpers:tests exec .venv/bin/python -m conformance "$@"
