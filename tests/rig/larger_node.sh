#!/usr/bin/env bash
# larger_node.sh CORES GIB COMMAND...: the command (the kubelet) sees a machine of this size, whatever it is in truth.
# Pods can then ask for that much, and share what there is. Only the command sees it: it has mounts of its own.
set -euo pipefail
if [[ ${1:-} != inside ]]; then
  exec unshare --mount --propagation unchanged "$0" inside "$@"
fi
cores=$2 gib=$3; shift 3

mount --make-rprivate /proc
mount --make-rprivate /sys
machine=$(mktemp -d)
mount -t tmpfs none "$machine"
sed "s/^MemTotal:.*/MemTotal: $((gib * 1024 * 1024)) kB/; s/^MemAvailable:.*/MemAvailable: $((gib * 1024 * 1024)) kB/" \
  /proc/meminfo >"$machine/meminfo"
node=$machine/node/node0
mkdir -p "$node/hugepages" "$machine/cpu"
echo "Node 0 MemTotal: $((gib * 1024 * 1024)) kB" >"$node/meminfo"
for ((number = 0; number < cores; number++)); do
  for cpu in "$machine/cpu/cpu$number" "$node/cpu$number"; do
    mkdir -p "$cpu/topology" "$cpu/cache"
    echo "$number" >"$cpu/topology/core_id"
    echo 0 >"$cpu/topology/physical_package_id"
    echo 1 >"$cpu/online"
  done
  # one processor's paragraph, under the number of this one
  sed -n "1,/^$/p" /proc/cpuinfo | sed "s/^\(processor\|core id\|apicid\)\(\s*\):.*/\1\2: $number/" >>"$machine/cpuinfo"
done
echo "0-$((cores - 1))" | tee "$machine/cpu/online" >"$machine/node/online"
mount --bind "$machine/meminfo" /proc/meminfo
mount --bind "$machine/cpuinfo" /proc/cpuinfo
mount --bind "$machine/cpu" /sys/devices/system/cpu
mount --bind "$machine/node" /sys/devices/system/node
umount --lazy "$machine"
rmdir "$machine"
exec "$@"
