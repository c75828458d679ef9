#!/usr/bin/env bash
# languages.sh OUT BASE JULIA: makes OUT/languages.tar, images for what rules name after script: and notebook:, on the layer in
# the folder BASE:
#   localhost/byok8s/tool-r         R, and no Python
#   localhost/byok8s/tool-notebook  the same R, Python, and what Snakemake runs notebooks with, of both
#   localhost/byok8s/tool-julia     no Julia: the program JULIA in its place, which writes down what it is given
# In each, /etc/tool has its name.
source "$(dirname "$0")/common.sh"
out=${1:?usage: languages.sh OUT BASE JULIA} base=$2/layer.tar julia=$3
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
source "$rig/layers.sh"

# added PACKAGE... BASE.tar OUT.tar
added() {
  local folder; folder=$(mktemp -d)
  printf '%s\n' "${@:1:$#-2}" >"$folder/packages"
  # packages configure themselves in the chroot, which has no such folder
  (unset TMPDIR; work=$folder; debian_layer "${@: -2:1}" "$folder/packages" "${@: -1}")
  rm -rf "$folder"
}
added r-base-core "$base" "$work/r-base-core.tar"
cp "$base" "$work/with-r.tar"
tar --concatenate -f "$work/with-r.tar" "$work/r-base-core.tar"
added jupyter-nbconvert python3-ipykernel r-cran-irkernel "$work/with-r.tar" "$work/jupyter.tar"

mkdir -p "$work"/{r,notebook,julia}/{etc,usr/bin}
# a file .wh.NAME takes away NAME of the layers below
for path in $(tar -tf "$base" | grep -E '^\./usr/bin/(python|pydoc)'); do touch "$work/r/usr/bin/.wh.${path##*/}"; done
ln -s python3 "$work/notebook/usr/bin/python"
install -m 755 "$julia" "$work/julia/usr/bin/julia"
for name in r notebook julia; do
  echo "$name" >"$work/$name/etc/tool"
  tar -C "$work/$name" --owner=0 --group=0 -cf "$work/$name.tar" .
done

/usr/bin/python3 "$rig/oci_image.py" "$out/languages.tar" --env PATH=/usr/local/bin:/usr/bin:/bin --env LANG=C.UTF-8 \
  --image localhost/byok8s/tool-r:rig "$base" "$work/r-base-core.tar" "$work/r.tar" \
  --image localhost/byok8s/tool-notebook:rig "$base" "$work/r-base-core.tar" "$work/jupyter.tar" "$work/notebook.tar" \
  --image localhost/byok8s/tool-julia:rig "$base" "$work/julia.tar"
