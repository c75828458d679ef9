#!/usr/bin/env bash
# images.sh OUT BASE REQUIREMENTS CORPUS: makes OUT/images.tar with three worker images, from the layer in the folder BASE:
#   localhost/byok8s/worker             what the project's Dockerfile installs: Snakemake, its S3 plugin, py-rattler
#   localhost/byok8s/snakemake-minimal  Snakemake alone, as the public Snakemake image is
#   localhost/byok8s/corpus             the worker's, and what Snakemake's own tests import
# Neither contains byok8s: it brings its worker code with it.
source "$(dirname "$0")/common.sh"
out=${1:?usage: images.sh OUT BASE REQUIREMENTS CORPUS} base=$2 requirements=$3 corpus=$4
more='boto3|botocore|jmespath|s3transfer|snakemake-storage-plugin-s3|py-rattler|zstandard'
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
source "$rig/layers.sh"

# A requirement begins its line, its hashes are indented below it.
awk -v more="^($more)==" '/^[a-z]/ {is_more = $0 ~ more} {print > (is_more ? "'"$work"'/more.txt" : "'"$work"'/snakemake.txt")}' "$requirements"
# of the corpus' only what the worker has not
awk '/^[a-z]/ {name = $0; sub(/==.*/, "", name)}
     FNR == NR {has[name]; next}
     name && !(name in has)' "$requirements" "$corpus" >"$work/corpus.txt"

venv "$work/snakemake"
python_layer "$work/snakemake.txt" "$work/snakemake"
python_layer "$work/more.txt" "$work/more"
python_layer "$work/corpus.txt" "$work/corpus"

/usr/bin/python3 "$rig/oci_image.py" "$out/images.tar" \
  --env PATH=/opt/venv/bin:/usr/local/bin:/usr/bin:/bin --env LANG=C.UTF-8 \
  --image localhost/byok8s/worker:rig "$base/layer.tar" "$work/snakemake.tar" "$work/more.tar" \
  --image localhost/byok8s/corpus:rig "$base/layer.tar" "$work/snakemake.tar" "$work/more.tar" "$work/corpus.tar" \
  --image localhost/byok8s/snakemake-minimal:rig "$base/layer.tar" "$work/snakemake.tar"
