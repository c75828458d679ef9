#!/usr/bin/env bash
# images.sh OUT BASE REQUIREMENTS: makes OUT/images.tar with two worker images, from the layer in the folder BASE:
#   localhost/byok8s/worker             what the project's Dockerfile installs: Snakemake and its S3 plugin
#   localhost/byok8s/snakemake-minimal  the same without that plugin and boto3, as the public Snakemake image is
# Neither contains byok8s: it brings its worker code with it.
source "$(dirname "$0")/common.sh"
out=${1:?usage: images.sh OUT BASE REQUIREMENTS} base=$2 requirements=$3
s3='boto3|botocore|jmespath|s3transfer|snakemake-storage-plugin-s3'
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT

# A requirement begins its line, its hashes are indented below it.
awk -v s3="^($s3)==" '/^[a-z]/ {only_s3 = $0 ~ s3} {print > (only_s3 ? "'"$work"'/s3.txt" : "'"$work"'/snakemake.txt")}' "$requirements"

# The virtual environment is made outside the image, where pip finds its configuration, by the very Python that the
# image has: Debian's. Its links and pyvenv.cfg name /usr/bin, which is right in both places.
apt_install python3-venv
venv=$work/snakemake/opt/venv
/usr/bin/python3 -m venv --without-pip "$venv"
/usr/bin/python3 -m venv "$work/installer"
# install FILE FOLDER: as if the environment's packages had always been in /opt/venv
install() {
  "$work/installer/bin/python" -m pip --disable-pip-version-check --quiet \
    install --require-hashes --no-deps --no-compile --prefix "$2/opt/venv" -r "$1"
  grep -rlIZ "^#!$work/installer/bin/" "$2/opt/venv/bin" | xargs -0r sed -i "1s#$work/installer/bin/#/opt/venv/bin/#"
  # Pods run as a user who cannot write here: what is not compiled now is compiled at every start.
  "$work/installer/bin/python" -m compileall -q -j 0 -s "$2" "$2/opt/venv"
  chmod 755 "$2"; tar -C "$2" --owner=0 --group=0 -cf "$2.tar" .
}
install "$work/snakemake.txt" "$work/snakemake"
install "$work/s3.txt" "$work/s3"

/usr/bin/python3 "$rig/oci_image.py" "$out/images.tar" \
  --env PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin --env LANG=C.UTF-8 \
  --image localhost/byok8s/worker:rig "$base/layer.tar" "$work/snakemake.tar" "$work/s3.tar" \
  --image localhost/byok8s/snakemake-minimal:rig "$base/layer.tar" "$work/snakemake.tar"
