#!/usr/bin/env bash
# base.sh OUT: makes OUT/layer.tar, a minimal Debian with Python, which both worker images stand on.
source "$(dirname "$0")/common.sh"
out=${1:?usage: base.sh OUT}
apt_install debootstrap ca-certificates
apt-get update -qq
root=$(mktemp -d); trap 'rm -rf "$root"' EXIT; chmod 755 "$root"

debootstrap --variant=minbase --include=python3,procps bookworm "$root" "$(debian_archive)"
# Nothing of how it was installed is of use in a pod.
rm -rf "$root"/var/{cache,log,lib/apt/lists}/* "$root"/usr/share/{doc,man,info,locale}/* "$root"/etc/apt/sources.list
tar -C "$root" --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' -cf "$out/layer.tar" .
