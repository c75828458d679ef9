#!/usr/bin/env bash
# metagenomics.sh OUT BASE PACKAGES REQUIREMENTS: makes OUT/metagenomics.tar, the image localhost/byok8s/metagenomics, on
# the layer in the folder BASE: what the Dockerfile of examples/metagenomics installs, by the same two lists.
source "$(dirname "$0")/common.sh"
out=${1:?usage: metagenomics.sh OUT BASE PACKAGES REQUIREMENTS} base=$2 packages=$3 requirements=$4
work=$(mktemp -d); trap 'jobs -p | xargs -r kill; rm -rf "$work"' EXIT
source "$rig/layers.sh"

debian_layer "$base/layer.tar" "$packages" "$work/debian.tar" &
debian=$!
venv "$work/python"
python_layer "$requirements" "$work/python"
wait "$debian"

/usr/bin/python3 "$rig/oci_image.py" "$out/metagenomics.tar" \
  --env PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin --env LANG=C.UTF-8 \
  --image localhost/byok8s/metagenomics:rig "$base/layer.tar" "$work/debian.tar" "$work/python.tar"
