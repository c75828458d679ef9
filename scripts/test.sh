#!/usr/bin/env bash
# Runs all tests: on the cluster that BYOK8S_TEST_KUBECONFIG names, else on the test rig, else without a cluster.
# Most wait much of their time, so they run side by side; then those that must be alone. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "$0")/.."
at_once=3
unset PYTHONDONTWRITEBYTECODE  # thousands of processes would compile the same again

rig=
if [[ -z ${BYOK8S_TEST_KUBECONFIG:-} ]]; then
  up_before=yes; tests/rig/env.sh >/dev/null 2>&1 || up_before=
  status=0; tests/rig/up.sh || status=$?
  case $status in
    0)
      rig=yes
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

# run ARGUMENT...: pytest; that the arguments of the caller choose none of these tests is no fault
run() {
  local status=0
  .venv/bin/pytest "$@" || status=$?
  ((status == 5)) || return "$status"
}
units=()
if (($# == 0)); then
  units=(--ignore tests/unit)
fi
# the pods of tests that run side by side do not wait for each other: each test has as much of a node as alone
[[ -z $rig ]] || tests/rig/node.sh $((2 * at_once)) $((12 * at_once))
failed=0
run -m "not alone" --numprocesses "$at_once" --dist loadgroup "${units[@]}" "$@" || failed=$?
if ((${#units[@]})); then
  # Those that need no cluster run beside those that must be alone on it, which mostly wait, and give way to them.
  # In the background bash would have them ignore Ctrl-C.
  said=$(mktemp)
  env --default-signal=INT nice -n 19 .venv/bin/pytest --numprocesses 2 --dist loadgroup tests/unit >"$said" 2>&1 &
  unit_tests=$!
fi
[[ -z $rig ]] || tests/rig/node.sh real
run -m alone "${units[@]}" "$@" || failed=$?
if ((${#units[@]})); then
  wait "$unit_tests" || failed=$?
  cat "$said"; rm "$said"
fi
exit "$failed"
