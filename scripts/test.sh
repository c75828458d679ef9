#!/usr/bin/env bash
# Runs all tests: on the cluster that BYOK8S_TEST_KUBECONFIG names, else on the test rig, else without a cluster.
# Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${BYOK8S_TEST_KUBECONFIG:-} ]]; then
  up_before=yes; tests/rig/env.sh >/dev/null 2>&1 || up_before=
  status=0; tests/rig/up.sh || status=$?
  case $status in
    0)
      [[ $up_before ]] || trap 'tests/rig/down.sh 2>/dev/null' EXIT
      lines=$(tests/rig/env.sh)
      eval "$lines"
      ;;
    3) echo "NO CLUSTER: tests/cluster and whatever else needs one IS SKIPPED; only the rest is tested." >&2 ;;
    *) exit "$status" ;;
  esac
else
  export KUBECONFIG=$BYOK8S_TEST_KUBECONFIG
fi
# installed only where it is missing; 3: it cannot be
status=0; tests/docs/browser.sh || status=$?
((status == 0 || status == 3)) || exit "$status"
.venv/bin/pytest "$@"
