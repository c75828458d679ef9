# shellcheck shell=bash disable=SC2034
# Sourced by the other scripts here: where things are, what must be there, and how a product is built once.
set -euo pipefail
umask 022  # what is built here is read by the pods' user

rig=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
tree=$(realpath "$rig/../..")
cache=${BYOK8S_RIG_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/byok8s-rig}
state=$cache/state

# The bridge of the pods. S3 and the kubelet listen on its address; everything else is on loopback.
address=10.88.0.1
bucket=byok8s
processes=(kubelet scheduler controller-manager apiserver etcd containerd s3)

say() { echo "rig: $*" >&2; }
die() { say "$@"; exit 1; }

require_root_on_debian() {
  local missing=()
  [[ $(id -u) == 0 ]] || missing+=("root")
  grep -qs '^VERSION_CODENAME=bookworm$' /etc/os-release || missing+=("on Debian 12")
  [[ ${#missing[@]} == 0 ]] && return
  say "CANNOT START: the test rig needs root on Debian 12, and this is not ${missing[*]}; BYOK8S_TEST_KUBECONFIG can name a cluster instead."
  exit 3
}

# one_at_a_time: held until this script ends; what it starts does not inherit it
one_at_a_time() {
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock --nonblock 9 || { say "waiting for another start or stop of the rig"; flock 9; }
}

# apt_install PACKAGE...: only what is missing, and without starting any service it brings (etcd's would take our port)
apt_install() {
  local package missing=() guard=/usr/sbin/policy-rc.d guarded=
  for package; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || missing+=("$package")
  done
  [[ ${#missing[@]} == 0 ]] && return
  say "installing ${missing[*]}"
  if [[ ! -e $guard ]]; then printf '#!/bin/sh\nexit 101\n' >"$guard"; chmod +x "$guard"; guarded=1; fi
  local log; log=$(mktemp)
  { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}"; } \
    >"$log" 2>&1 </dev/null || { tail -n 20 "$log" >&2; [[ -z $guarded ]] || rm "$guard"; die "apt-get could not install ${missing[*]}"; }
  rm "$log"; [[ -z $guarded ]] || rm "$guard"
}

# the archive that this machine itself installs from
debian_archive() {
  # shellcheck disable=SC2016  # apt-get fills it in
  apt-get indextargets --format '$(REPO_URI)' 'Codename: bookworm' 'Component: main' 'Created-By: Packages' | head -n 1
}

# process_birth PID: when it was started, in the kernel's ticks; nothing for a process that is gone or a zombie
process_birth() {
  local stat fields
  { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
  read -ra fields <<<"${stat##*) }"
  [[ ${fields[0]} == Z ]] || echo "${fields[19]}"
}

# running NAME: whether the process that was started under this name still lives (its number alone could be another's)
running() {
  local pid birth
  [[ -f $state/pid/$1 ]] && read -r pid birth <"$state/pid/$1" && [[ $(process_birth "$pid") == "$birth" ]]
}

# start NAME COMMAND...: in a session of its own, unless it runs
start() {
  local name=$1; shift
  running "$name" && return
  say "starting $name"
  setsid "$@" >>"$state/log/$name.log" 2>&1 </dev/null 9>&- &
  echo "$! $(process_birth $!)" >"$state/pid/$name"
}

# wait_for NAME CHECK...: until the check succeeds; of a process that died meanwhile the log's end is shown
wait_for() {
  local name=$1 until=$((SECONDS + 60)); shift
  until "$@" >/dev/null 2>&1; do
    if ! running "$name" || ((SECONDS > until)); then
      tail -n 15 "$state/log/$name.log" >&2
      die "$name did not start: see $state/log/$name.log"
    fi
    sleep 0.1
  done
}

# api PATH [ARGUMENT OF CURL]...: an answer of the API server
api() {
  curl -sf --max-time 5 --cacert "$state/pki/ca.crt" --header "@$state/pki/components.header" \
    "https://127.0.0.1:6443$1" "${@:2}"
}
node() { api /api/v1/nodes/rig-node | tr -d ' \n'; }
# capacity: what the node says that it has
capacity() { node | grep -oE '"capacity":\{[^}]*\}'; }

# forget_cluster: what a cluster that runs no more has left behind; keys, images and logs stay
forget_cluster() {
  awk -v under="$state/" 'index($2, under) == 1 {print $2}' /proc/mounts | sort -r | xargs -r umount -l
  rm -rf --one-file-system "$state"/{node,pid,etcd,kubelet,containerd-run,containerd.sock*,addresses,s3}
}

# product NAME INPUT...: prints the folder of what NAME.sh makes, and has it made when it is not there yet.
# The folder's name holds a hash of the script and of its INPUTs (files, or words such as another product's name):
# changed inputs make a new folder. It is filled elsewhere and renamed, so a folder that is there is whole.
product() {
  local name=$1 input hash folder work began=$SECONDS; shift
  hash=$({ cat "$rig/$name.sh"; for input; do if [[ -f $input ]]; then cat "$input"; else echo "${input##*/}"; fi; done; } | sha256sum)
  folder=$cache/$name-${hash:0:16}
  if [[ ! -d $folder ]]; then
    rm -rf "$cache/.$name".*  # of an interrupted build: the caller is the only one
    work=$(mktemp -d "$cache/.$name.XXXXXX"); mkdir "$work/out"
    say "building $name (once)"
    TMPDIR=$work "$rig/$name.sh" "$work/out" "$@" >"$work/log" 2>&1 ||
      { tail -n 40 "$work/log" >&2; rm -rf "$work"; die "$rig/$name.sh failed after $((SECONDS - began)) s"; }
    mv "$work/out" "$folder"; rm -rf "$work"
    say "built $name in $((SECONDS - began)) s"
  fi
  echo "$folder"
}
