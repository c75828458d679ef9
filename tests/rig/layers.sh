# shellcheck shell=bash
# Sourced by the scripts that make images: what their layers have in common.

# The virtual environment is made outside the image, where pip finds its configuration, by the very Python that the
# image has: Debian's. Its links and pyvenv.cfg name /usr/bin, which is right in both places.
apt_install python3-venv
installer=$work/installer
/usr/bin/python3 -m venv "$installer"

# python_layer REQUIREMENTS FOLDER: makes FOLDER.tar of what pip installs, as if it had always been in /opt/venv
python_layer() {
  local requirements=$1 folder=$2
  "$installer/bin/python" -m pip --disable-pip-version-check --quiet \
    install --require-hashes --no-deps --no-compile --prefix "$folder/opt/venv" -r "$requirements"
  grep -rlIZ "^#!$installer/bin/" "$folder/opt/venv/bin" | xargs -0r sed -i "1s#$installer/bin/#/opt/venv/bin/#"
  # Pods run as a user who cannot write here: what is not compiled now is compiled at every start.
  "$installer/bin/python" -m compileall -q -j 0 -s "$folder" "$folder/opt/venv"
  chmod 755 "$folder"; tar -C "$folder" --owner=0 --group=0 -cf "$folder.tar" .
}

# venv FOLDER: an empty environment, for python_layer to fill
venv() { /usr/bin/python3 -m venv --without-pip "$1/opt/venv"; }

# debian_layer BASE PACKAGES OUT.tar: what apt-get adds to the layer BASE when it installs the packages in a file
debian_layer() {
  local base=$1 packages=$2 out=$3 root=$work/root
  mkdir -m 755 "$root"; tar -C "$root" -xf "$base"
  touch "$work/before"
  cp /etc/resolv.conf "$root/etc/"; echo "deb $(debian_archive) bookworm main" >"$root/etc/apt/sources.list"
  # in a mount namespace of its own: nothing stays mounted, however this ends
  unshare --mount bash -euo pipefail -c '
    mount --bind /dev "$0/dev"; mount -t proc proc "$0/proc"
    export DEBIAN_FRONTEND=noninteractive
    chroot "$0" apt-get update -qq
    xargs chroot "$0" apt-get install -y --no-install-recommends <"$1"' "$root" "$packages"
  rm -rf "$root"/var/{cache,log,lib/apt/lists}/* "$root"/usr/share/{man,info,locale}/* "$root"/etc/apt/sources.list
  # by the time of its last change, which no archive can set: all that was not in the base layer
  (cd "$root" && find . -xdev -cnewer "$work/before" -print0) |
    tar -C "$root" --numeric-owner --null --no-recursion -T - -cf "$out"
}
