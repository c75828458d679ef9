#!/usr/bin/env bash
# Stops the rig: every process by its recorded id, the pods' containers, mounts, networks and cgroups; the cluster and
# the bucket are forgotten, while images, keys and logs stay for the next start.
source "$(dirname "$0")/common.sh"
require_root_on_debian
[[ -d $state ]] || exit 0
one_at_a_time
cd "$state"

# stop NAME SIGNAL: and wait until it is gone
stop() {
  local pid
  running "$1" || return 0
  read -r pid _ <"pid/$1"
  kill -"$2" "$pid"
  while running "$1"; do sleep 0.05; done
}

# The kubelet first, so that it restarts nothing. Containers outlive containerd, and only it can end them:
# one that died is started again for that.
stop kubelet KILL
if [[ -d containerd-run/io.containerd.runtime.v2.task/k8s.io ]]; then
  start containerd containerd --config config/containerd.toml
  wait_for containerd ctr --address containerd.sock version
  ctr=(ctr --address containerd.sock --namespace k8s.io)
  for container in $("${ctr[@]}" containers ls -q); do
    network=$("${ctr[@]}" containers info "$container" | sed -nE 's#.*"path": "/var(/run/netns/cni-[^"]+)".*#\1#p')
    "${ctr[@]}" tasks delete --force "$container" >/dev/null 2>&1 || true
    "${ctr[@]}" containers delete "$container"
    [[ -z $network ]] || ip netns delete "${network##*/}" 2>/dev/null || true
  done
fi
# Only containerd has something to keep, its images; the others' data goes.
stop containerd TERM
for name in "${processes[@]}"; do stop "$name" KILL; done

forget_cluster
ip link delete rig0 2>/dev/null || true
find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
say "down"
