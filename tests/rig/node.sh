#!/usr/bin/env bash
# node.sh CORES GIB, or node.sh real: has the running rig's node say that it is that large, until it is told otherwise.
# A larger node also says that it has GPUs.
source "$(dirname "$0")/common.sh"
require_root_on_debian
[[ -d $state/pid ]] || die "the rig does not run: make rig-up"
if [[ $* == real ]]; then wanted=; elif [[ $* =~ ^[0-9]+\ [0-9]+$ ]]; then wanted=$*; else sed -n 2p "$0" >&2; exit 2; fi
[[ $(cat "$state/node" 2>/dev/null) != "$wanted" ]] || exit 0
if [[ $wanted ]]; then echo "$wanted" >"$state/node"; else rm -f "$state/node"; fi
before=$(capacity)
read -r pid _ <"$state/pid/kubelet"
kill -KILL "$pid"
while running kubelet; do sleep 0.05; done
"$rig/up.sh"
until [[ $(capacity) != "$before" ]]; do sleep 0.2; done  # told with the kubelet's first status
